"""The version of all parts, as pyproject.toml has it: a process says it without a look at what is installed."""

VERSION = "0.1.0"
