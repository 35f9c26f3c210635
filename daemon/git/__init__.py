"""Repositories, worktrees and refs: everything that git does on this machine (SPEC 6.1, 6.2)."""
