"""Steering directives from Python (docs/python.md): what the operator's commands do, too. Above activities, domain and
workflows; it is handed its connections, but for `connect`, which opens them as the environment says.
"""
