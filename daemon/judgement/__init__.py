"""Whether finished work is what it is said to be: judged by the daemon, never by the agent's word.

Imports session, workspace, secrets and git.
"""
