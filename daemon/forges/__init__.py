"""The forges that a daemon can talk to (SPEC 7.4)."""
