"""One delivery of a task, from its first commit to its outcome (rule 6)."""
