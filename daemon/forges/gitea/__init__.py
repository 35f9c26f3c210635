"""Gitea and Forgejo, behind the port."""
