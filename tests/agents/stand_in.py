"""Stands in for the program of a coding agent: replays what a real one printed, and does what it would have done.

    python stand_in.py FOLDER ARGUMENT …

`FOLDER/scenes.json` is a list of scenes, one for each start; the last one is played again. How a start looked is kept
in `FOLDER/start-<n>.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "fixtures" / "agent_streams"


@dataclass(frozen=True)
class Scene:
    """What happens in one start, in this order."""

    script: str = ""
    """Run by a shell in the worktree."""
    stream: str = ""
    """A recorded stream's name."""
    lines: int | None = None
    """How many of its lines are printed; None: all."""
    printed: tuple[str, ...] = ()
    """Further lines. After one that asks for leave the answer is awaited, and kept."""
    noise: int = 0
    """Bytes of a line before them that are no text."""
    complaint: str = ""
    """To stderr."""
    hang: bool = False
    """It does not end by itself."""
    exit_code: int = 0


@dataclass(frozen=True)
class Start:
    """How a start looked to the program."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdin: str
    answers: list[str] = field(default_factory=list)


def main(folder: Path, arguments: list[str]) -> int:
    number = len(list(folder.glob("start-*.json"))) + 1
    scenes: list[dict[str, Any]] = json.loads((folder / "scenes.json").read_text())
    scene = Scene(**scenes[min(number, len(scenes)) - 1])
    talks = "--input-format" in arguments
    stdin = sys.stdin.readline() if talks else sys.stdin.read()
    start = Start(arguments, dict(os.environ), str(Path.cwd()), stdin)
    keep(folder, number, start)
    if scene.script:
        subprocess.run(["sh", "-ec", scene.script], check=True, stdout=sys.stderr)
    if scene.noise:
        sys.stdout.buffer.write(b"\xff\xfe" + b"\0" * scene.noise + b"\n")
        sys.stdout.buffer.flush()
    for line in [*recorded(scene), *scene.printed]:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if '"control_request"' in line:
            start.answers.append(sys.stdin.readline())
            keep(folder, number, start)
    sys.stderr.write(scene.complaint)
    sys.stderr.flush()
    if talks and sys.stdin.read():
        return 3  # nobody says anything after the end
    while scene.hang:
        time.sleep(60)
    return scene.exit_code


def recorded(scene: Scene) -> list[str]:
    return (RECORDED / scene.stream).read_text().splitlines()[: scene.lines] if scene.stream else []


def keep(folder: Path, number: int, start: Start) -> None:
    fresh = folder / "start.new"
    fresh.write_text(json.dumps(asdict(start)))
    fresh.rename(folder / f"start-{number}.json")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
