"""`makima directive artifact-put NAME < FILE`: a named file that a task hands over (rules 1, 3.1)."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli.agent.folder import AgentFolder
from domain.errors import Refused
from domain.handover import MAX_ARTIFACT, MAX_ARTIFACT_MESSAGE, file_name, put_artifact

app = typer.Typer()


@app.command()
def artifact_put(name: Annotated[str, typer.Argument(help="A file name, such as chain-plan.json.")]) -> None:
    """Hand over the file that is on stdin: UTF-8 text of at most 1 MiB; a later one of the same name replaces it."""
    content = sys.stdin.buffer.read(MAX_ARTIFACT + 1)
    _check(name, content)
    AgentFolder.find().keep_file(name, content, lambda handover, _: put_artifact(handover, name))


def _check(name: str, content: bytes) -> None:
    try:
        file_name(name)
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"artifact {name!r} is not UTF-8 text") from error
    except ValueError as error:
        raise Refused(f"artifact {name[:100]!r}: {error}") from error
    if len(content) > MAX_ARTIFACT or len(json.dumps(text, ensure_ascii=False).encode()) > MAX_ARTIFACT_MESSAGE:
        raise Refused(f"artifact {name!r}: an artifact has at most {MAX_ARTIFACT // 1024} KiB of text")
