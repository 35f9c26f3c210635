"""Starting programs, keeping them in a sandbox, and leaving nothing of them behind (SPEC 6.10)."""
