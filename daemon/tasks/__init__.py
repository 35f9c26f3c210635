"""One delivery of a task, from its first commit to its outcome (rule 6).

Imports judgement, saving, session, pull_requests and what these import.
"""
