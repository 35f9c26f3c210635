"""Anthropic's Messages API, as far as Claude Code uses it."""

from __future__ import annotations

import json
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fakes.models.answers import ApiRefusal, Json, shell_tool
from fakes.models.player import Api, ModelRequest
from fakes.models.script import Call, Edit, Error, ErrorKind, Read, Shell, Tool, Turn, Usage, Write


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Block(_Part):
    type: str
    text: str = ""
    content: str | list[_Block] | None = None


class _Message(_Part):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]


class _Tool(_Part):
    name: str


class MessagesRequest(_Part):
    """`POST /v1/messages`, without what a script has no use for."""

    model: str
    messages: list[_Message]
    tools: list[_Tool] = Field(default_factory=list)
    stream: bool = False

    def asked(self, credential: str) -> ModelRequest:
        blocks = [block for message in self.messages if message.role == "user" for block in _blocks(message.content)]
        return ModelRequest(
            api=Api.MESSAGES,
            model=self.model,
            credential=credential,
            streams=self.stream,
            said=tuple(block.text for block in blocks if block.type == "text"),
            results=tuple(_text(block.content) for block in blocks if block.type == "tool_result"),
            tools=tuple(tool.name for tool in self.tools),
        )


def whole(turn: Turn, asked: ModelRequest) -> Json:
    """The turn as a whole message."""
    content: list[JsonValue] = [{"type": "text", "text": turn.text}] if turn.text else []
    content += [_tool_use(call, asked.tools) for call in turn.calls]
    return {**_empty(asked.model, turn.usage), "content": content, **_stop(turn)}


def events(turn: Turn, asked: ModelRequest) -> list[Json]:
    """The turn as it is streamed."""
    content = whole(turn, asked)["content"]
    assert isinstance(content, list)
    begun: list[Json] = [{"type": "message_start", "message": _empty(asked.model, turn.usage)}]
    blocks = [each for index, block in enumerate(content) if isinstance(block, dict) for each in _block(index, block)]
    delta: Json = {"type": "message_delta", "delta": _stop(turn), "usage": {"output_tokens": turn.usage.output}}
    return [*begun, *blocks, delta, {"type": "message_stop"}]


def refusal(error: Error, now: float) -> ApiRefusal:
    """The error as this API gives it; `now` in seconds since the epoch."""
    status, kind, text = _ERRORS[error.error]
    body: Json = {"type": "error", "error": {"type": kind, "message": text}, "request_id": f"req_{uuid4().hex}"}
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.resets_in is not None:
        headers |= {
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
            "anthropic-ratelimit-unified-reset": str(int(now) + error.resets_in),
        }
    return ApiRefusal(status, body, headers)


def failed(error: Error, model: str) -> list[Json] | None:
    """No error comes once a stream has begun."""
    return None


_LIMIT = "This request would exceed your account's rate limit. Please try again later."
_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error", "messages: the request is not valid"),
    ErrorKind.TOO_LONG: (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
    ErrorKind.UNAUTHORIZED: (401, "authentication_error", "invalid x-api-key"),
    ErrorKind.RATE_LIMIT: (429, "rate_limit_error", _LIMIT),
    ErrorKind.USAGE_LIMIT: (429, "rate_limit_error", _LIMIT),
    ErrorKind.SERVER_ERROR: (500, "api_error", "Internal server error"),
    ErrorKind.UNAVAILABLE: (503, "api_error", "Service Unavailable"),
    ErrorKind.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}


def _blocks(content: str | list[_Block]) -> list[_Block]:
    return [_Block(type="text", text=content)] if isinstance(content, str) else content


def _text(content: str | list[_Block] | None) -> str:
    return "\n".join(block.text for block in _blocks(content or []))


def _empty(model: str, usage: Usage) -> Json:
    return {
        "id": f"msg_{uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cache_read,
            "output_tokens": usage.output,
        },
    }


def _stop(turn: Turn) -> Json:
    return {"stop_reason": "tool_use" if turn.calls else "end_turn", "stop_sequence": None}


def _block(index: int, block: Json) -> list[Json]:
    """One block of the content: begun empty, filled in one piece, ended."""
    started: Json
    delta: Json
    if block["type"] == "text":
        started, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        started = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return [
        {"type": "content_block_start", "index": index, "content_block": started},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    ]


def _tool_use(call: Call, tools: tuple[str, ...]) -> Json:
    name, given = _tool_call(call, tools)
    return {"type": "tool_use", "id": f"toolu_{uuid4().hex[:24]}", "name": name, "input": given}


def _tool_call(call: Call, tools: tuple[str, ...]) -> tuple[str, Json]:
    """The call in Claude Code's own tools; other agents have a shell, too."""
    match call:
        case Shell():
            return shell_tool(tools, "Bash"), {"command": call.command, "description": "Run a command"}
        case Read():
            return "Read", {"file_path": call.path}
        case Write():
            return "Write", {"file_path": call.path, "content": call.text}
        case Edit():
            return "Edit", {"file_path": call.path, "old_string": call.old, "new_string": call.new}
        case Tool():
            return call.name, call.input
