"""GitHub, and servers that speak like it: its adapter (github.py), what it answers, what people said there."""
