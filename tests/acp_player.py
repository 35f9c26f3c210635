"""Plays what real agents said over the Agent Client Protocol to the daemon's stream, with a clock of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from daemon.agents.acp.acp import AcpAgent
from daemon.agents.base import AgentRun, StreamSummary
from daemon.agents.event_folding import after
from daemon.agents.stream_events import Event, Sent, Stream, Totals, WakeAfter
from daemon.sandbox.task_folder import TaskFolder

RECORDED = Path(__file__).parent / "fixtures" / "acp_streams"
"""`{"t": seconds, "dir": "<" from the agent or ">" to it, "msg": …}`; long lists and texts are shortened."""
WORKTREE = Path("/task/tree")
_PAUSE = 0.1
"""Seconds."""


def recorded(name: str) -> list[dict[str, Any]]:
    lines = (RECORDED / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def runs(name: str) -> list[list[dict[str, Any]]]:
    """The recorded frames of each start of the program."""
    starts: list[list[dict[str, Any]]] = []
    for frame in recorded(name):
        if frame["msg"].get("method") == "initialize":
            starts.append([])
        starts[-1].append(frame)
    return starts


@dataclass
class Played:
    """A stream with all that it has made of what it was told."""

    stream: Stream
    events: list[Event] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    patience: float = 0
    """Seconds, of its last word about when it is to be woken."""

    def __post_init__(self) -> None:
        self._wrote(self.stream.prompt(""))

    @property
    def seen(self) -> StreamSummary:
        return reduce(after, self.events, StreamSummary())

    @property
    def asked_for(self) -> list[str]:
        """The methods of what it has sent, in their order."""
        return [each["method"] for each in self.sent if "method" in each]

    def ids(self) -> dict[str, int]:
        """Method → the id of the last request for it."""
        return {each["method"]: each["id"] for each in self.sent if "method" in each and "id" in each}

    def told(self, message: dict[str, Any]) -> None:
        self.line(json.dumps({"jsonrpc": "2.0", **message}))

    def line(self, text: str) -> None:
        self._happened(self.stream.read(f"{text}\n"))

    def answered(self, method: str, result: object) -> None:
        self.told({"id": self.ids()[method], "result": result})

    def updated(self, session: str, **update: Any) -> None:
        self.told({"method": "session/update", "params": {"sessionId": session, "update": update}})

    def wake(self) -> None:
        self.patience = 0
        self._happened(self.stream.wake())

    def plays(self, frames: list[dict[str, Any]]) -> None:
        """Everything that the agent said, each answer to what it answers."""
        methods: dict[int, str] = {}
        at = 0.0
        for frame in frames:
            self._settings_are_taken()
            # The recorded client asked at once, in the middle of what was repeated: that came without a pause.
            if "session/prompt" in methods.values() and self._is_loading() and frame["t"] - at > _PAUSE:
                self.wake()
                self._settings_are_taken()
            at = frame["t"]
            message = dict(frame["msg"])
            if frame["dir"] == ">":
                if "method" in message and "id" in message:
                    methods[message["id"]] = message["method"]
                continue
            if "method" not in message:
                if methods[message["id"]] not in self.ids():
                    continue  # of a setting that this stream leaves as it is
                message["id"] = self.ids()[methods[message["id"]]]
            self.told(message)

    def _is_loading(self) -> bool:
        return "session/load" in self.asked_for and "session/prompt" not in self.asked_for

    def _settings_are_taken(self) -> None:
        while self.sent[-1].get("method") in ("session/set_mode", "session/set_model", "session/set_config_option"):
            self.told({"id": self.sent[-1]["id"], "result": {}})

    def _happened(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Sent):
                self._wrote(event.text)
            elif isinstance(event, WakeAfter):
                self.patience = event.seconds

    def _wrote(self, text: str) -> None:
        self.sent += [json.loads(line) for line in text.splitlines()]


def an_agent(**settings: Any) -> AcpAgent:
    return AcpAgent.model_validate({"kind": "acp", "profile": "opencode", **settings})


def a_run(**fields: Any) -> AgentRun:
    given = {"prompt": "Do the work.", "folder": TaskFolder(Path("/task/task")), "worktree": WORKTREE}
    return AgentRun(**{**given, "state": Path("/task/state"), "before": Totals(), **fields})


def a_stream(agent: AcpAgent | None = None, **fields: Any) -> Played:
    return Played((agent or an_agent()).stream(a_run(**fields)))
