"""The lines of Claude Code's `stream-json`, as far as they are read; what else is in them is ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from daemon.agents.prices import TokenCounts
from domain.tolerant import OR_NONE, Tolerant


class Typed(Tolerant):
    type: str


class ContentBlock(Tolerant):
    type: str = ""
    text: str = ""
    thinking: str = ""
    name: str = ""
    id: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    tool_use_id: str = ""
    is_error: bool | None = None
    content: Any = None


class _Usage(Tolerant):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    @property
    def tokens(self) -> TokenCounts:
        return TokenCounts(
            self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens, self.output_tokens
        )


class ModelMessage(Tolerant):
    id: str = ""
    """The same in all lines that tell of one answer of the model, a part each."""
    model: str = ""
    content: tuple[ContentBlock, ...] | str = ()
    usage: Annotated[_Usage | None, OR_NONE] = None
    """Of the whole answer, as far as was known when it began: of its output next to nothing."""


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
    tasks: Annotated[tuple[Any, ...] | None, OR_NONE] = None
    """Those in the background."""


class AssistantLine(Tolerant):
    type: Literal["assistant"]
    message: ModelMessage
    error: Any = None


class _Diff(Tolerant):
    changedFiles: tuple[str, ...] = ()  # noqa: N815 (theirs)


class ToolUseResult(Tolerant):
    filePath: str = ""  # noqa: N815
    bashEditDiff: _Diff | None = None  # noqa: N815
    structuredPatch: Any = None  # noqa: N815


class UserLine(Tolerant):
    type: Literal["user"]
    message: ModelMessage
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


class _ModelUsage(Tolerant):
    inputTokens: int = 0  # noqa: N815
    outputTokens: int = 0  # noqa: N815
    cacheReadInputTokens: int = 0  # noqa: N815
    cacheCreationInputTokens: int = 0  # noqa: N815
    costUSD: float = 0  # noqa: N815

    @property
    def tokens(self) -> int:
        return self.inputTokens + self.outputTokens + self.cacheReadInputTokens + self.cacheCreationInputTokens


class ResultLine(Tolerant):
    type: Literal["result"]
    subtype: Annotated[str | None, OR_NONE] = None
    is_error: bool = False
    result: Annotated[str | None, OR_NONE] = None
    errors: Annotated[tuple[Any, ...] | None, OR_NONE] = None
    api_error_status: Annotated[int | None, OR_NONE] = None
    terminal_reason: Annotated[str | None, OR_NONE] = None
    permission_denials: Annotated[tuple[_Denial, ...] | None, OR_NONE] = None
    total_cost_usd: Annotated[float | None, OR_NONE] = None
    """Of the session, without its runs that were killed; None: it isn't told."""
    num_turns: Annotated[int | None, OR_NONE] = None
    usage: Annotated[_Usage | None, OR_NONE] = None
    """Without what subagents used."""
    model_usage_since_last_result: Annotated[dict[str, _ModelUsage] | None, OR_NONE] = None
    """Of this run alone, by model, with everything; None: a version that doesn't tell it."""


LINE = TypeAdapter[SystemLine | AssistantLine | UserLine | RateLimitLine | ControlLine | ResultLine](
    Annotated[
        SystemLine | AssistantLine | UserLine | RateLimitLine | ControlLine | ResultLine, Field(discriminator="type")
    ]
)
"""Reads one line; ValidationError for any other."""
