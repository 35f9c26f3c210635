"""Servers that behave as real ones do, for the embedded stack, the demo and tests, each a process of its own."""
