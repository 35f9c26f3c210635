"""`python -m fakes.forge --data FOLDER --port N`: the forge as a process, on loopback alone."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from fakes.forge import control
from fakes.forge import gitea as gitea_dialect
from fakes.forge.calling import Routes
from fakes.forge.exchanges import Recorder
from fakes.forge.forge import Forge
from fakes.forge.front import Front
from fakes.forge.git_http import GitHttp
from fakes.forge.github import graphql_api, rest_checks, rest_issues, rest_pulls, rest_repositories, rest_talk
from fakes.forge.github.manners import GITHUB
from fakes.forge.gitlab import issues as gitlab_issues
from fakes.forge.gitlab import merge_requests, pipelines, projects
from fakes.forge.gitlab import talk as gitlab_talk
from fakes.forge.gitlab.calling import EncodedSlashes, PrivateTokens
from fakes.forge.gitlab.manners import GITLAB
from fakes.forge.lfs_http import LfsHttp
from fakes.forge.pages import Pages
from fakes.forge.store import Store
from runtime.terminal import guard

HOST = "127.0.0.1"
GITLAB_PARTS = (projects, merge_requests, pipelines, gitlab_talk, gitlab_issues)
DIALECTS = (GITHUB, GITLAB, gitea_dialect.GITEA)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m fakes.forge", description="A fake forge over bare repositories.")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds all of its state")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0: any free one, printed on stdout")
    parser.add_argument("--record", type=Path, help="a file that every call of the API is added to, with its answer")
    parser.add_argument("--unix-socket", type=Path, help="listen there too, as GitHub's command line can be told to")
    guard()
    given = parser.parse_args(arguments)
    try:
        asyncio.run(serve(given.data.absolute(), given.port, given.unix_socket, given.record))
    except OSError as error:
        sys.stderr.write(f"forge: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def serve(data: Path, port: int, unix_socket: Path | None, record: Path | None = None) -> None:
    """Open the state, listen, say where on stdout, and serve until a signal."""
    store = Store(data)
    await store.open()
    sockets = [socket.create_server((HOST, port))]
    forge = Forge(store, f"http://{HOST}:{sockets[0].getsockname()[1]}", recorder=Recorder(record))
    if unix_socket is not None:
        sockets.append(_listen_at(unix_socket))
    config = uvicorn.Config(
        build_app(forge), lifespan="off", log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=3, timeout_keep_alive=75,
    )  # fmt: skip
    sys.stdout.write(f"forge: {forge.url}\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve(sockets=sockets)


def build_app(forge: Forge) -> ASGIApp:
    """GitHub's APIs at the root and below /api, git and pages below each repository, and the control API."""
    api = Routes(forge, GITHUB)
    gitlab = Routes(forge, GITLAB)
    parts = (rest_repositories, rest_pulls, rest_talk, rest_issues, rest_checks)
    rest = [route for part in parts for route in part.routes(api)]
    routes: list[BaseRoute] = [
        *control.routes(Routes(forge, GITHUB, control=True)),
        Mount("/api/v3", routes=rest),
        Mount("/api/v1", routes=gitea_dialect.gitea_routes(Routes(forge, gitea_dialect.GITEA))),
        *rest,
        *graphql_api.routes(api),
        *(route for part in GITLAB_PARTS for route in part.routes(gitlab)),
        rest_checks.log_route(forge),
        *GitHttp(forge).routes(),
        *LfsHttp(forge).routes(),
        *Pages(forge).routes(),
    ]
    return PrivateTokens(Front(EncodedSlashes(Starlette(routes=routes)), forge, DIALECTS))


def _listen_at(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of an earlier process of this folder, which holds its lock no longer
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen()
    return listener


if __name__ == "__main__":
    sys.exit(main())
