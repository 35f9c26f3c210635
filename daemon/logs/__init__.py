"""What a task prints: without secrets, whole on this machine, and on its way to the record (rule 6.11).

Imports core.
"""
