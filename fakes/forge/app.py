"""The forge as one ASGI application: addresses and what stands behind them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from fakes.forge import control, graphql_api, rest_checks, rest_pulls, rest_repositories, rest_talk
from fakes.forge.calling import Api
from fakes.forge.forge import Forge
from fakes.forge.front import Front
from fakes.forge.git_http import GitHttp
from fakes.forge.pages import Pages


def build_app(forge: Forge) -> ASGIApp:
    """GitHub's APIs at the root and below /api, git and pages below each repository, and the control API."""
    api = Api(forge)
    rest = [route for part in (rest_repositories, rest_pulls, rest_talk, rest_checks) for route in part.routes(api)]
    routes: list[BaseRoute] = [
        *control.routes(Api(forge, control=True)),
        Mount("/api/v3", routes=rest),
        *rest,
        *graphql_api.routes(api),
        rest_checks.log_route(forge),
        *GitHttp(forge).routes(),
        *Pages(forge).routes(),
    ]
    return Front(Starlette(routes=routes), forge)
