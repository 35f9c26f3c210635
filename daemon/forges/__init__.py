"""The forges that a daemon can talk to (rule 7.4)."""
