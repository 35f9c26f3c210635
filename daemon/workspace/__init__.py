"""Where a task works: its folder, worktree, project and files.

Imports git, sandbox, secrets, logs and what they import.
"""
