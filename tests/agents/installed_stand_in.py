"""Makes a program of a stand-in for an agent, which imports nothing of the tests itself, and reads how it was run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from tests.agents import acp_stand_in, stand_in

Start = TypeVar("Start", stand_in.Start, acp_stand_in.Start)


def install(folder: Path, *scenes: stand_in.Scene | acp_stand_in.Scene) -> Path:
    """An executable in `folder` that plays these scenes, all of one stand-in."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenes.json").write_text(json.dumps([asdict(scene) for scene in scenes]))
    script = sys.modules[type(scenes[0]).__module__].__file__
    program = folder / "agent"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {script} {folder} "$@"\n')
    program.chmod(0o700)
    return program


def starts(folder: Path, start: type[Start]) -> list[Start]:
    """How the starts looked so far."""
    count = len(list(folder.glob("start-*.json")))
    return [start(**json.loads((folder / f"start-{n}.json").read_text())) for n in range(1, count + 1)]
