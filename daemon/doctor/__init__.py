"""What `python -m daemon doctor` looks at on its machine, and what it makes of that.

Imports home, and any room below.
"""
