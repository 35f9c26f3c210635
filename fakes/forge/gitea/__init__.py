"""Gitea's dialect of the fake forge, and Forgejo's: REST at /api/v1, and the shapes of its answers."""

from fakes.forge.gitea.manners import GITEA
from fakes.forge.gitea.routes import gitea_routes

__all__ = ["GITEA", "gitea_routes"]
