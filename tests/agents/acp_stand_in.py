"""Stands in for the program of an agent that speaks the Agent Client Protocol, well or badly.

    python acp_stand_in.py FOLDER ARGUMENT …

`FOLDER/scenes.json` is a list of scenes, one for each start; the last one is played again. What each start was told is
kept in `FOLDER/start-<n>.json`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SESSION = "s-1"


@dataclass(frozen=True)
class Scene:
    """What happens in one start, in this order."""

    first: str = ""
    """Printed before anything is read."""
    noise: int = 0
    """Bytes of a frame before the first answer."""
    dies: str = ""
    """The method at which it ends in place of an answer, with exit code 3 and a complaint."""
    silent_at: str = ""
    """The method that it doesn't answer."""
    version: int = 1
    resumes: bool = True
    errors: dict[str, Any] = field(default_factory=dict)
    """Method → the error in place of a result."""
    updates: tuple[dict[str, Any], ...] = ()
    """Told within the turn."""
    leave: dict[str, Any] = field(default_factory=dict)
    """The tool that it asks leave for; without it the script is not run."""
    script: str = ""
    """Run by a shell in the worktree."""
    stop: dict[str, Any] = field(default_factory=lambda: {"stopReason": "end_turn"})
    stays: bool = False
    """It does not end with its stdin."""


@dataclass
class Start:
    """What a start was told."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    received: list[dict[str, Any]] = field(default_factory=list)
    has_read_all: bool = False
    """The end of its stdin was reached."""

    def params(self, method: str) -> dict[str, Any]:
        return next(each["params"] for each in self.received if each.get("method") == method)

    @property
    def methods(self) -> list[str]:
        return [each["method"] for each in self.received if "method" in each]


class StandIn:
    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.number = len(list(folder.glob("start-*.json"))) + 1
        scenes = json.loads((folder / "scenes.json").read_text())
        self.scene = Scene(**scenes[min(self.number, len(scenes)) - 1])
        self.start = Start(arguments, dict(os.environ), str(Path.cwd()))
        self.keep()

    def keep(self) -> None:
        fresh = self.folder / "start.new"
        fresh.write_text(json.dumps(asdict(self.start)))
        fresh.rename(self.folder / f"start-{self.number}.json")

    def says(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def tells(self, message: dict[str, Any]) -> None:
        self.says(json.dumps({"jsonrpc": "2.0", **message}))

    def hears(self) -> dict[str, Any] | None:
        line = sys.stdin.readline()
        if not line:
            self.start.has_read_all = True
            self.keep()
            return None
        message: dict[str, Any] = json.loads(line)
        self.start.received.append(message)
        self.keep()
        return message

    def plays(self) -> int:
        if self.scene.first:
            self.says(self.scene.first)
        while message := self.hears():
            method = message.get("method", "")
            if method == self.scene.dies:
                sys.stderr.write("it is\nbroken\n")
                return 3
            if method == self.scene.silent_at or "id" not in message:
                continue
            if error := self.scene.errors.get(method):
                self.tells({"id": message["id"], "error": error})
                continue
            self.tells({"id": message["id"], "result": self.answer(method)})
        while self.scene.stays:
            time.sleep(60)
        return 0

    def answer(self, method: str) -> dict[str, Any]:
        if method == "initialize":
            if self.scene.noise:
                self.says("x" * self.scene.noise)
            can = {"loadSession": True, "sessionCapabilities": {"resume": {}} if self.scene.resumes else {}}
            return {"protocolVersion": self.scene.version, "agentCapabilities": can}
        if method == "session/new":
            return {"sessionId": SESSION}
        return self.turn() if method == "session/prompt" else {}

    def turn(self) -> dict[str, Any]:
        for update in self.scene.updates:
            self.tells({"method": "session/update", "params": {"sessionId": SESSION, "update": update}})
        if not self.scene.leave or self.is_allowed():
            subprocess.run(["sh", "-ec", self.scene.script], check=True, stdout=sys.stderr)
        return self.scene.stop

    def is_allowed(self) -> bool:
        options = [{"optionId": f"{kind}!", "kind": kind} for kind in ("allow_always", "allow_once", "reject_once")]
        params = {"sessionId": SESSION, "toolCall": {"toolCallId": "t", **self.scene.leave}, "options": options}
        self.tells({"id": 0, "method": "session/request_permission", "params": params})
        told = self.hears()
        return told is not None and told["result"]["outcome"].get("optionId") == "allow_once!"


if __name__ == "__main__":
    # It ends by the end of its stdin: what it was told before that is kept, however late it is read.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(StandIn(Path(sys.argv[1]), sys.argv[2:]).plays())
