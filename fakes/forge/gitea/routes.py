"""All that the fake forge answers of Gitea's API."""

from __future__ import annotations

from starlette.routing import Route

from fakes.forge.calling import Routes
from fakes.forge.gitea import rest_furnishing, rest_issues, rest_pulls, rest_repositories, rest_talk


def gitea_routes(api: Routes) -> list[Route]:
    """Below /api/v1."""
    parts = (rest_repositories, rest_pulls, rest_talk, rest_issues, rest_furnishing)
    return [*(route for part in parts for route in part.routes(api)), *rest_pulls.last_routes(api)]
