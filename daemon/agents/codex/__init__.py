"""Codex: how it is started (codex.py), and how its stream is read."""
