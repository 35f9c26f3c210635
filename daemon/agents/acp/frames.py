"""The frames of the Agent Client Protocol, version 1: JSON-RPC, a line each. What is read, as far as it is read; what
is not known in it does no harm.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from pydantic import Field, StrictInt, ValidationError

from daemon.agents.stream_events import without_lone_surrogates
from domain.tolerant import OR_NONE, Tolerant

VERSION = 1
METHOD_NOT_FOUND = -32601
AUTH_REQUIRED = -32000

Shape = TypeVar("Shape", bound=Tolerant)
RequestId = StrictInt | str


class Frame(Tolerant):
    """A request or notification where it has a method, else the answer to a request."""

    id: RequestId | None = None
    method: str = ""
    params: Annotated[dict[str, Any] | None, OR_NONE] = None
    result: Any = None
    error: Any = None

    @property
    def is_answer(self) -> bool:
        return self.id is not None and not self.method


class Failed(Tolerant):
    """An error that answers a request."""

    code: Annotated[int | None, OR_NONE] = None
    message: Annotated[str | None, OR_NONE] = None
    data: Any = None

    @property
    def words(self) -> str:
        data = json.dumps(self.data, ensure_ascii=False) if self.data else ""
        return " ".join(filter(None, (self.message, data)))


class AgentInfo(Tolerant):
    name: str = ""
    version: str = ""


class Capabilities(Tolerant):
    loadSession: Annotated[bool | None, OR_NONE] = None  # noqa: N815 (theirs, here and below)
    sessionCapabilities: Annotated[dict[str, Any] | None, OR_NONE] = None  # noqa: N815

    @property
    def resumes(self) -> bool:
        return (self.sessionCapabilities or {}).get("resume") is not None


class Initialized(Tolerant):
    protocolVersion: Annotated[int | str | None, OR_NONE] = None  # noqa: N815
    agentCapabilities: Annotated[Capabilities | None, OR_NONE] = None  # noqa: N815
    agentInfo: Annotated[AgentInfo | None, OR_NONE] = None  # noqa: N815


class ConfigOption(Tolerant):
    id: str = ""
    category: Annotated[str | None, OR_NONE] = None


class OpenedSession(Tolerant):
    """A session, new or gone on with; `modes` and `models` are only looked at for whether they are there."""

    sessionId: Annotated[str | None, OR_NONE] = None  # noqa: N815
    modes: Any = None
    models: Any = None
    configOptions: Annotated[tuple[ConfigOption, ...] | None, OR_NONE] = None  # noqa: N815

    def option(self, category: str) -> str:
        """The id of the setting that is of this category, or called so; empty: there is none."""
        options = self.configOptions or ()
        return next((each.id for each in options if category in (each.category, each.id)), "")


class TokenUsage(Tolerant):
    inputTokens: int = 0  # noqa: N815
    outputTokens: int = 0  # noqa: N815
    totalTokens: int = 0  # noqa: N815
    cachedReadTokens: Annotated[int | None, OR_NONE] = None  # noqa: N815
    cachedWriteTokens: Annotated[int | None, OR_NONE] = None  # noqa: N815


class _Counted(Tolerant):
    input_tokens: int = 0
    output_tokens: int = 0


class _Quota(Tolerant):
    token_count: Annotated[_Counted | None, OR_NONE] = None


class _Meta(Tolerant):
    quota: Annotated[_Quota | None, OR_NONE] = None
    usage: Annotated[TokenUsage | None, OR_NONE] = None


class Stopped(Tolerant):
    """The end of a turn."""

    stopReason: str  # noqa: N815
    usage: Annotated[TokenUsage | None, OR_NONE] = None
    meta: Annotated[_Meta | None, OR_NONE] = Field(default=None, alias="_meta")


class Cost(Tolerant):
    amount: float
    currency: str = ""


class ToolCallContent(Tolerant):
    """Text, or a change of a file; within a tool's result it stands in `content` once more."""

    type: str = ""
    text: Annotated[str | None, OR_NONE] = None
    path: Annotated[str | None, OR_NONE] = None
    content: Any = None


class ToolCallLocation(Tolerant):
    path: str = ""


class PlanEntry(Tolerant):
    content: str = ""
    status: str = "pending"


class Update(Tolerant):
    """What an agent tells while it works; which of these there are depends on `sessionUpdate`."""

    sessionUpdate: str  # noqa: N815
    content: Any = None
    entries: Annotated[tuple[PlanEntry, ...] | None, OR_NONE] = None
    cost: Annotated[Cost | None, OR_NONE] = None
    toolCallId: Annotated[str | None, OR_NONE] = None  # noqa: N815
    title: Annotated[str | None, OR_NONE] = None
    kind: Annotated[str | None, OR_NONE] = None
    status: Annotated[str | None, OR_NONE] = None
    rawInput: Any = None  # noqa: N815
    locations: Annotated[tuple[ToolCallLocation, ...] | None, OR_NONE] = None
    meta: Annotated[dict[str, Any] | None, OR_NONE] = Field(default=None, alias="_meta")


class Notification(Tolerant):
    sessionId: str = ""  # noqa: N815
    update: Update


class Choice(Tolerant):
    optionId: str  # noqa: N815
    kind: str = ""


class Leave(Tolerant):
    """A request for leave to use a tool."""

    toolCall: dict[str, Any] = Field(default_factory=dict)  # noqa: N815
    options: tuple[Choice, ...] = ()

    def chosen(self, *kinds: str) -> str:
        """The first choice of the first of these kinds that is offered; empty: none is."""
        return next((each.optionId for kind in kinds for each in self.options if each.kind == kind), "")


def read_frame(line: str) -> Frame | None:
    """None where the line is none."""
    for text in (line, without_lone_surrogates(line)):
        with suppress(ValidationError):
            frame = Frame.model_validate_json(text)
            return frame if frame.method or frame.id is not None else None
    return None


def read_as(shape: type[Shape], value: object) -> Shape | None:
    """None where it has another shape."""
    try:
        return shape.model_validate(value)
    except ValidationError:
        return None


def request(number: int, method: str, params: dict[str, Any]) -> str:
    return _line({"id": number, "method": method, "params": params})


def notification(method: str, params: dict[str, Any]) -> str:
    return _line({"method": method, "params": params})


def answer(number: RequestId, result: dict[str, Any]) -> str:
    return _line({"id": number, "result": result})


def refusal(number: RequestId, method: str) -> str:
    """To a request for what is not offered."""
    return _line({"id": number, "error": {"code": METHOD_NOT_FOUND, "message": f"{method} is not offered"}})


def initialize(number: int) -> str:
    """Neither files nor terminals are offered: an agent has its own, inside of its sandbox."""
    capabilities = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
    client = {"name": "makima", "version": "1"}
    params = {"protocolVersion": VERSION, "clientCapabilities": capabilities, "clientInfo": client}
    return request(number, "initialize", params)


def _line(message: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", **message}) + "\n"
