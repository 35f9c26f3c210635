"""The tool calls of a turn, put together from what an agent tells of them bit by bit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from daemon.agents.acp.frames import ToolCallContent, Update, read_as
from daemon.agents.stream_events import Event, FileChanged, ToolCalled, ToolFailed

_TELLING = ("command", "cmd", "file_path", "filePath", "path", "pattern", "url", "query", "description", "prompt")
_OURS = re.compile(r"(mcp__makima__|makima_)[a-z_]+")
"""How agents call them, by the name that their server was given."""
_OVER = ("completed", "failed")
_MOST = 1000
"""Tools at work at a time; an agent that never tells of an end has the oldest forgotten."""


@dataclass
class ToolCall:
    """What is known of it so far."""

    id: str
    kind: str = ""
    title: str = ""
    arguments: Any = None
    paths: tuple[str, ...] = ()
    is_logged: bool = False

    @property
    def tool(self) -> str:
        return self.kind or "tool"

    @property
    def command(self) -> str:
        """The line that a shell runs; empty: it is no such tool, or doesn't say so."""
        given = self.arguments if isinstance(self.arguments, dict) else {}
        line = given.get("command") or given.get("cmd")
        if isinstance(line, list):
            return " ".join(map(str, line))
        if isinstance(line, str):
            return line
        return self.title if self.kind == "execute" else ""

    @property
    def is_ours(self) -> bool:
        """Whether it is one of `makima directive`, which is in the agent's reach in its shell, too."""
        return self.kind == "other" and not self.command and bool(_OURS.fullmatch(self.title))

    @property
    def is_telling(self) -> bool:
        """Whether its arguments say what it is about."""
        return isinstance(self.arguments, dict) and any(self.arguments.get(name) for name in _TELLING)

    @property
    def about(self) -> str:
        """The argument that says most, as one line."""
        given = self.arguments if isinstance(self.arguments, dict) else {}
        known = [given[name] for name in _TELLING if isinstance(given.get(name), str) and given[name]]
        other = json.dumps(given, ensure_ascii=False) if given and not self.title else ""
        return " ".join((self.command or (known[0] if known else "") or self.title or other).split())

    def learn(self, update: Update) -> None:
        self.kind = update.kind or self.kind
        self.title = update.title or self.title
        self.arguments = update.rawInput or self.arguments
        self.paths = tuple(place.path for place in update.locations or () if place.path) or self.paths


class ToolCalls:
    """Those of one run. `at_work` are told of, and not over; `called` counts all."""

    def __init__(self) -> None:
        self.at_work: dict[str, ToolCall] = {}
        self.called = 0

    def learn(self, update: Update) -> list[Event]:
        """What is new by an update, or by a request for leave."""
        call = self.of(update)
        events: list[Event] = []
        is_over = update.status in _OVER
        # The first word of some agents names the tool alone; the next one, which comes at once, its arguments.
        if not call.is_logged and (call.is_telling or is_over or update.status == "in_progress"):
            call.is_logged = True
            self.called += 1
            events.append(ToolCalled(call.tool, call.about))
        if is_over:
            self.at_work.pop(call.id, None)
            events += _ended(call, update)
        return events

    def of(self, update: Update) -> ToolCall:
        """The call that it is about, with what it says."""
        number = update.toolCallId or ""
        call = self.at_work.setdefault(number, ToolCall(number))
        call.learn(update)
        if len(self.at_work) > _MOST:
            del self.at_work[next(iter(self.at_work))]
        return call

    def all_over(self) -> None:
        """The model speaks again: nothing that it has called is still at work, whatever was told of its end."""
        self.at_work.clear()


def _ended(call: ToolCall, update: Update) -> list[Event]:
    parts = update.content if isinstance(update.content, list) else []
    contents = [content for part in parts if (content := read_as(ToolCallContent, part))]
    if update.status == "failed":
        return [ToolFailed(call.tool, "\n".join(filter(None, map(text_of, contents))) or call.title)]
    return [FileChanged(content.path) for content in contents if content.type == "diff" and content.path]


def text_of(content: ToolCallContent) -> str:
    """The text of a piece of content, or of the one in it."""
    inner = read_as(ToolCallContent, content.content) if content.content else None
    return content.text or (inner.text if inner else "") or ""
