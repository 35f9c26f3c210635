"""`python -m fakes.models --port N --script FILE`: the fake model server, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from domain.errors import MakimaError
from fakes.models.player import Player
from fakes.models.script import Script, load_script
from fakes.models.server import build_app


def serve(
    port: Annotated[int, typer.Option(help="0: any free one, which is printed.")] = 0,
    script: Annotated[Path | None, typer.Option(help="JSON; without it every request is refused.")] = None,
) -> None:
    """Answer as a model would, from a script, on 127.0.0.1 alone.

    Example: python -m fakes.models --port 8099 --script script.json
    """
    player = Player(load_script(script) if script else Script())
    config = uvicorn.Config(build_app(player), log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    with socket.create_server(("127.0.0.1", port)) as listening:
        # Connections are taken from here on, and answered as soon as the loop runs.
        typer.echo(f"http://127.0.0.1:{listening.getsockname()[1]}")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    try:
        typer.run(serve)
    except MakimaError as failed:
        sys.exit(f"models: {failed}")
