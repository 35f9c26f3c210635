"""From a finished branch to a pull request, and what is done about it afterwards (rule 7).

Imports forges, git and logs.
"""
