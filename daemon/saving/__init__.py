"""Work that is not lost: checkpoints, outcomes that exist once, what a restart finds (rules 6.7, 6.8, 6.12).

Imports workspace, secrets, git, and from session the clearing of its folders.
"""
