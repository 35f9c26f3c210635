"""What a task prints: without secrets, whole on this machine, and on its way to the record (SPEC 6.11)."""
