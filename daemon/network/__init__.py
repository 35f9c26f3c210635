"""The network of the sandbox: the door that a daemon opens for a task, and what may pass through it.

Imports no room.
"""
