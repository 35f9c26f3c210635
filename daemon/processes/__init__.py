"""Starting programs, keeping them in a sandbox, and leaving nothing of them behind (rule 6.10)."""
