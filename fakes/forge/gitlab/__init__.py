"""GitLab's REST API over the forge's records."""
