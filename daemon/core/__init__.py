"""What a daemon has of the core, by Temporal: its port, slots and heartbeats, and the key of an attempt.

Imports no room.
"""
