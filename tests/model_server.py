"""The fake model server as a process of a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import httpx

from fakes.models.player import AnsweredRequest, Played
from fakes.models.script import Script, ScriptedConversation

ROOT = Path(__file__).parents[1]


class ModelServer:
    """`python -m fakes.models`, ended with the `with` block; `url` is its address."""

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", "fakes.models", "--port", "0"]
        self._process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def plays(self, *conversations: ScriptedConversation) -> None:
        """Begin a script, with nothing received."""
        script = Script(conversations=conversations)
        httpx.put(f"{self.url}/control/script", content=script.model_dump_json()).raise_for_status()

    def says(self, match: str, replies: Iterable[dict[str, Any]]) -> None:
        """Begin a script of one conversation."""
        self.plays(conversation(match, replies))

    def played(self) -> Played:
        return Played.model_validate_json(httpx.get(f"{self.url}/control").content)

    @property
    def received(self) -> tuple[AnsweredRequest, ...]:
        return self.played().received


def conversation(match: str, replies: Iterable[dict[str, Any]]) -> ScriptedConversation:
    """A conversation as a script would write it."""
    return ScriptedConversation.model_validate({"match": match, "replies": tuple(replies)})


def turn(text: str = "", *calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"reply": "turn", "text": text, "calls": calls, **fields}


def shell(command: str) -> dict[str, Any]:
    return {"call": "shell", "command": command}


def write(path: str, text: str) -> dict[str, Any]:
    return {"call": "write", "path": path, "text": text}


def error(kind: str, **fields: Any) -> dict[str, Any]:
    return {"reply": "error", "error": kind, **fields}
