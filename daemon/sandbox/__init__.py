"""What a program of a task sees of its machine: files, environment, doorway (rule 6.6).

Imports process and network.
"""
