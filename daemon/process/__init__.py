"""Starting programs, and leaving nothing of them behind (rule 6.10). Imports no room."""
