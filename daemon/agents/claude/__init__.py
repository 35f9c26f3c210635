"""Claude Code: how it is started (claude.py), and how its stream is read."""
