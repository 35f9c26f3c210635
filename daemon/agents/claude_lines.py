"""The lines of Claude Code's `stream-json`, as far as they are read; what else is in them is ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from domain.tolerant import Tolerant


class Typed(Tolerant):
    type: str


class Block(Tolerant):
    type: str = ""
    text: str = ""
    name: str = ""
    id: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    tool_use_id: str = ""
    is_error: bool | None = None
    content: Any = None


class _Message(Tolerant):
    content: tuple[Block, ...] | str = ()


class SystemLine(Tolerant):
    type: Literal["system"]
    subtype: str = ""
    session_id: str = ""
    model: str = ""
    tool_name: str = ""
    message: Any = None
    error: Any = None
    error_status: int | None = None
    attempt: int = 0
    max_retries: int = 0


class AssistantLine(Tolerant):
    type: Literal["assistant"]
    message: _Message
    error: Any = None


class _Diff(Tolerant):
    changedFiles: tuple[str, ...] = ()  # noqa: N815 (theirs)


class ToolUseResult(Tolerant):
    filePath: str = ""  # noqa: N815
    bashEditDiff: _Diff | None = None  # noqa: N815
    structuredPatch: Any = None  # noqa: N815


class UserLine(Tolerant):
    type: Literal["user"]
    message: _Message
    tool_use_result: Any = None


class _RateLimit(Tolerant):
    status: str = ""
    resetsAt: float | None = None  # noqa: N815


class RateLimitLine(Tolerant):
    type: Literal["rate_limit_event"]
    rate_limit_info: _RateLimit


class _Request(Tolerant):
    subtype: str = ""
    tool_name: str = ""
    input: dict[str, Any] = Field(default_factory=dict)


class ControlLine(Tolerant):
    type: Literal["control_request"]
    request_id: str
    request: _Request


class _Denial(Tolerant):
    tool_name: str = ""
    tool_input: dict[str, Any] = Field(default_factory=dict)


class _Usage(Tolerant):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    @property
    def tokens(self) -> int:
        return sum(
            (self.input_tokens, self.output_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens)
        )


class ResultLine(Tolerant):
    type: Literal["result"]
    subtype: str = ""
    is_error: bool = False
    result: str | None = None
    errors: tuple[str, ...] = ()
    api_error_status: int | None = None
    terminal_reason: str | None = None
    permission_denials: tuple[_Denial, ...] = ()
    total_cost_usd: float = 0
    num_turns: int = 0
    usage: _Usage = _Usage()


LINE = TypeAdapter[SystemLine | AssistantLine | UserLine | RateLimitLine | ControlLine | ResultLine](
    Annotated[
        SystemLine | AssistantLine | UserLine | RateLimitLine | ControlLine | ResultLine, Field(discriminator="type")
    ]
)
"""Reads one line; ValidationError for any other."""
