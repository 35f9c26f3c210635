"""The events of `codex exec --json` (version 0.169: docs/agents.md); unknown lines and fields do no harm."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from daemon.agents.error_texts import ending_of, reset_time
from daemon.agents.prices import Price, TokenCounts, priced
from daemon.agents.stream_events import (
    AgentText,
    Denied,
    Ending,
    Event,
    FileChanged,
    Final,
    Limited,
    PassiveStream,
    PermissionReply,
    PermissionRequest,
    Printed,
    SessionStarted,
    ToolCalled,
    ToolFailed,
    Totals,
    Used,
    Warned,
    without_lone_surrogates,
)
from domain.tolerant import Tolerant

_OUTPUT_SHOWN = 4000


class _Change(Tolerant):
    path: str = ""


class _Item(Tolerant):
    type: str = ""
    text: str = ""
    message: str = ""
    command: str = ""
    aggregated_output: str = ""
    exit_code: int | None = None
    status: str = ""
    changes: tuple[_Change, ...] = ()
    server: str = ""
    tool: str = ""
    query: str = ""


class ThreadUsage(Tolerant):
    """Of the whole thread; what was read from the cache or written to it is a part of the input."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> TokenCounts:
        cached, written = self.cached_input_tokens, self.cache_write_input_tokens
        return TokenCounts(max(self.input_tokens - cached - written, 0), cached, written, self.output_tokens)


class _Record(Tolerant):
    """An answer of the model, as Codex keeps it in its thread's file."""

    response_id: str = ""
    usage: ThreadUsage = ThreadUsage()
    """Of this answer alone."""
    thread_token_usage: ThreadUsage = ThreadUsage()


class _Error(Tolerant):
    message: str = ""


class _Line(Tolerant):
    type: str
    thread_id: str = ""
    item: _Item = _Item()
    usage: ThreadUsage = ThreadUsage()
    error: _Error = _Error()
    payload: _Record = _Record()
    message: Any = None


class CodexStream(PassiveStream):
    """One run of Codex. It knows no prices: without `price` what a session costs is unknown."""

    by_lines = True

    def __init__(self, before: Totals, now: Callable[[], datetime], price: Price | None = None) -> None:
        """`before`: what its thread had used when the run began."""
        self._before = before
        self._now = now
        self._price = price
        self._answers: set[str] = set()
        self._by_answers = Totals()
        self._last = ""
        self._trouble = ""

    def prompt(self, text: str) -> str:
        return text

    def reply(self, asked: PermissionRequest, reply: PermissionReply) -> str:
        return ""

    def read(self, line: str) -> list[Event]:
        for text in (line, without_lone_surrogates(line)):
            with suppress(ValidationError):
                return self._events(_Line.model_validate_json(text), line)
        return [Printed(line)]

    def _events(self, read: _Line, line: str) -> list[Event]:
        events: list[Event] = []
        match read.type:
            case "thread.started":
                events = [SessionStarted(read.thread_id)]
            case "item.started":
                events = _begun(read.item)
            case "item.completed":
                events = self._ended(read.item)
            case "turn.completed":
                events = [self._used(read.usage), Final(Ending.COMPLETED, self._last)]
            case "turn.failed":
                events = self._failed(read.error.message or self._trouble)
            case "error":
                self._trouble = str(read.message or "") or self._trouble
                events = [Warned(self._trouble)]
            case "token_usage_record":
                events = self._answered(read.payload)
            case "turn.started" | "item.updated":
                pass
            case _:
                events = [Printed(line)]
        return events

    def _answered(self, record: _Record) -> list[Event]:
        """Each answer counts once: a thread that began as another's copy has its answers, too."""
        if record.response_id in self._answers:
            return []
        self._answers.add(record.response_id)
        self._by_answers += self._totals(record.usage)
        return [Used(self._by_answers, self._totals(record.thread_token_usage))]

    def _used(self, thread: ThreadUsage) -> Used:
        """By the answers, where they are known: the thread's count has lost some after a SIGKILL, and has those of
        other runs.
        """
        session = self._totals(thread)
        return Used(self._by_answers if self._answers else session.since(self._before), session)

    def _totals(self, usage: ThreadUsage) -> Totals:
        return priced(self._price, usage.tokens)

    def _ended(self, item: _Item) -> list[Event]:
        events: list[Event] = []
        match item.type:
            case "agent_message":
                self._last = item.text
                events = [AgentText(item.text)]
            case "command_execution" if item.status == "declined":
                events = [Denied("shell", item.command)]
            case "command_execution" if item.exit_code:
                events = [ToolFailed("shell", item.aggregated_output[-_OUTPUT_SHOWN:])]
            case "file_change":
                events = [FileChanged(change.path) for change in item.changes]
            case "error":
                events = [Warned(item.message)]
            case "mcp_tool_call" if item.status == "failed":
                events = [ToolFailed(f"{item.server} {item.tool}", item.message)]
        return events

    def _failed(self, text: str) -> list[Event]:
        ending = ending_of(text)
        if ending is not Ending.LIMIT:
            return [Final(ending, text)]
        until = reset_time(text, self._now())
        return [Limited(until), Final(ending, text, until)]


def _begun(item: _Item) -> list[Event]:
    match item.type:
        case "command_execution":
            return [ToolCalled("shell", " ".join(item.command.split()))]
        case "mcp_tool_call":
            return [ToolCalled(f"{item.server} {item.tool}", "")]
        case "web_search":
            return [ToolCalled("web search", item.query)]
    return []
