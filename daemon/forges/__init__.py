"""The forges that a daemon can talk to (rule 7.4): port.py is all that others know of one.

Imports process.
"""
