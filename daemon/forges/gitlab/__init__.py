"""GitLab, at gitlab.com and elsewhere, as a forge."""
