"""Repositories, worktrees and refs: everything that git does on this machine (rules 6.1, 6.2).

Imports process and core.
"""
