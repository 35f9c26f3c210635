"""A fake model server: the APIs that coding agents talk to, answered from a script, on this machine alone."""
