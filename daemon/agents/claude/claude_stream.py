"""Claude Code's `stream-json`, read as events (versions 2.1: docs/agents.md); unknown lines and fields do no harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any

from pydantic import ValidationError

from daemon.agents.claude.lines import (
    LINE,
    AssistantLine,
    ContentBlock,
    ControlLine,
    RateLimitLine,
    ResultLine,
    SystemLine,
    ToolUseResult,
    Typed,
    UserLine,
)
from daemon.agents.claude.token_count import ClaudeCount
from daemon.agents.error_texts import ending_of, reset_time
from daemon.agents.stream_events import (
    AgentText,
    Denied,
    Ending,
    Event,
    FileChanged,
    Final,
    InBackground,
    Limited,
    PassiveStream,
    PermissionReply,
    PermissionRequest,
    Printed,
    SessionStarted,
    ToolCalled,
    ToolFailed,
    Warned,
    without_lone_surrogates,
)
from domain.tolerant import Tolerant

_TELLING = ("command", "file_path", "path", "notebook_path", "pattern", "url", "query", "description", "prompt")
_ABORTED = ("aborted_tools", "aborted_streaming", "aborted")


_UNINTERESTING = ("control_response", "control_cancel_request", "keep_alive", "stream_event", "tool_progress")


class ClaudeStream(PassiveStream):
    """One run of Claude Code."""

    by_lines = True

    def __init__(self, count: ClaudeCount, now: Callable[[], datetime], *, talks: bool) -> None:
        """`talks`: messages go to stdin as JSON lines, and it may ask for leave."""
        self._count = count
        self._now = now
        self._talks = talks
        self._tools: dict[str, ContentBlock] = {}
        self._session = ""
        self._limited = False
        self._until: datetime | None = None
        self._error = ""

    def prompt(self, text: str) -> str:
        if not self._talks:
            return text
        return _as_line({"type": "user", "message": {"role": "user", "content": text}})

    def reply(self, asked: PermissionRequest, reply: PermissionReply) -> str:
        answer: dict[str, object] = {"behavior": "deny", "message": reply.message or "This is not allowed here."}
        if reply.interrupt:
            answer["interrupt"] = True
        if reply.allowed:
            answer = {"behavior": "allow", "updatedInput": reply.arguments or asked.arguments}
        response = {"subtype": "success", "request_id": asked.request, "response": answer}
        return _as_line({"type": "control_response", "response": response})

    def read(self, line: str) -> list[Event]:
        for text in (line, without_lone_surrogates(line)):
            with suppress(ValidationError):
                return self._events(LINE.validate_json(text))
        return [] if _type_of(line) in _UNINTERESTING else [Printed(line)]

    @singledispatchmethod
    def _events(self, read: Tolerant) -> list[Event]:
        """The events of a line, by its kind."""
        raise NotImplementedError(type(read))

    @_events.register
    def _(self, read: SystemLine) -> list[Event]:
        if read.subtype == "init":
            # Said again at every turn of the same run.
            fresh, self._session = read.session_id != self._session, read.session_id
            return [SessionStarted(read.session_id, read.model)] if fresh and read.session_id else []
        if read.subtype == "permission_denied":
            return [Denied(read.tool_name, str(read.message or ""))]
        if read.subtype == "api_retry":
            status = f" ({read.error_status})" if read.error_status else ""
            return [Warned(f"the model's server: {read.error}{status}; try {read.attempt} of {read.max_retries}")]
        if read.subtype == "background_tasks_changed" and read.tasks is not None:
            return [InBackground(len(read.tasks))]
        return []

    @_events.register
    def _(self, read: AssistantLine) -> list[Event]:
        self._error = str(read.error or "")
        events: list[Event] = [*self._count.message(read)]
        if isinstance(read.message.content, str):
            return [*events, AgentText(read.message.content)]
        for block in read.message.content:
            if block.type == "text" and block.text.strip():
                events.append(AgentText(block.text))
            elif block.type == "tool_use":
                self._tools[block.id] = block
                events.append(ToolCalled(block.name, _about(block.input)))
        return events

    @_events.register
    def _(self, read: UserLine) -> list[Event]:
        events: list[Event] = [FileChanged(path) for path in _changed(read.tool_use_result)]
        for block in () if isinstance(read.message.content, str) else read.message.content:
            if block.type == "tool_result" and block.is_error:
                called = self._tools.get(block.tool_use_id)
                events.append(ToolFailed(called.name if called else "a tool", _text_of(block.content)))
        return events

    @_events.register
    def _(self, read: RateLimitLine) -> list[Event]:
        info = read.rate_limit_info
        if info.status != "rejected":
            return []
        self._limited, self._until = True, _moment(info.resetsAt)
        return [Limited(self._until)]

    @_events.register
    def _(self, read: ResultLine) -> list[Event]:
        text = read.result or "; ".join(map(str, read.errors or ()))
        ending = self._ending(read, text)
        until = (self._until or reset_time(text, self._now())) if ending is Ending.LIMIT else None
        denied: list[Event] = [
            Denied(each.tool_name, _about(each.tool_input)) for each in read.permission_denials or ()
        ]
        return [*denied, self._count.result(read), Final(ending, text, until)]

    @_events.register
    def _(self, read: ControlLine) -> list[Event]:
        request = read.request
        if request.subtype != "can_use_tool":
            return []
        return [PermissionRequest(read.request_id, request.tool_name, _about(request.input), request.input)]

    def _ending(self, read: ResultLine, text: str) -> Ending:
        if read.subtype in ("error_max_turns", "error_max_budget_usd"):
            return Ending.BUDGET
        if read.terminal_reason in _ABORTED:
            return Ending.KILLED
        if read.is_error or (read.subtype or "").startswith("error"):
            words = f"{text} {self._error} {read.terminal_reason or ''}".replace(
                "prompt_too_long", "prompt is too long"
            )
            # Whatever language its words are in.
            return ending_of(words, read.api_error_status, Ending.LIMIT if self._limited else Ending.CRASHED)
        return Ending.DENIED if read.permission_denials else Ending.COMPLETED


def _about(arguments: dict[str, Any]) -> str:
    """The argument that says most, as one line."""
    known = [arguments[name] for name in _TELLING if isinstance(arguments.get(name), str)]
    text = known[0] if known else json.dumps(arguments, ensure_ascii=False) if arguments else ""
    return " ".join(text.split())


def _changed(result: object) -> list[str]:
    try:
        read = ToolUseResult.model_validate(result)
    except ValidationError:
        return []
    by_edit = [read.filePath] if read.filePath and read.structuredPatch is not None else []
    return [*by_edit, *(read.bashEditDiff.changedFiles if read.bashEditDiff else ())]


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _moment(epoch: float | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(epoch, tz=UTC) if epoch else None
    except (OverflowError, OSError, ValueError):
        return None


def _type_of(line: str) -> str:
    try:
        return Typed.model_validate_json(line).type
    except ValidationError:
        return ""


def _as_line(message: dict[str, object]) -> str:
    return json.dumps(message) + "\n"
