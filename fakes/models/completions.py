"""OpenAI's Chat Completions API, as far as coding agents use it."""

from __future__ import annotations

import json
import time
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fakes.models import responses
from fakes.models.answers import ApiRefusal, Json, shell_call
from fakes.models.player import Api, ModelRequest
from fakes.models.script import Call, Error, Turn, Usage


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Piece(_Part):
    text: str = ""


class _Message(_Part):
    role: str
    content: str | list[_Piece] | None = None


class _Named(_Part):
    name: str = ""


class _Tool(_Part):
    function: _Named = _Named()


class CompletionsRequest(_Part):
    """`POST /v1/chat/completions`, without what a script has no use for."""

    model: str
    messages: list[_Message]
    tools: list[_Tool] = Field(default_factory=list)
    stream: bool = False

    def asked(self, credential: str) -> ModelRequest:
        return ModelRequest(
            api=Api.COMPLETIONS,
            model=self.model,
            credential=credential,
            streams=self.stream,
            said=tuple(_text(message) for message in self.messages if message.role == "user"),
            results=tuple(_text(message) for message in self.messages if message.role == "tool"),
            tools=tuple(tool.function.name for tool in self.tools),
        )


def whole(turn: Turn, asked: ModelRequest) -> Json:
    """The turn as one answer."""
    message: Json = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        message["tool_calls"] = _calls(turn, asked)
    choice: Json = {"index": 0, "message": message, "finish_reason": _finish(turn)}
    return {**_begun("chat.completion", asked), "choices": [choice], "usage": _usage(turn.usage)}


def events(turn: Turn, asked: ModelRequest) -> list[Json]:
    """The turn as it is streamed: its role, its text, its calls; then why it ends, and what it has used."""
    begun = _begun("chat.completion.chunk", asked)
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    if turn.text:
        deltas.append({"content": turn.text})
    for index, call in enumerate(_calls(turn, asked)):
        assert isinstance(call, dict)
        deltas.append({"tool_calls": [{"index": index, **call}]})
    chunks: list[Json] = [
        {**begun, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    ended: Json = {**begun, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(turn)}]}
    return [*chunks, ended, {**begun, "choices": [], "usage": _usage(turn.usage)}]


def refusal(error: Error, now: float) -> ApiRefusal:
    """As OpenAI's other API refuses."""
    return responses.refusal(error, now)


def failed(error: Error, model: str) -> list[Json] | None:
    """No error comes once a stream has begun."""
    return None


def _text(message: _Message) -> str:
    content = message.content
    return content if isinstance(content, str) else "\n".join(piece.text for piece in content or ())


def _begun(kind: str, asked: ModelRequest) -> Json:
    return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": asked.model}


def _calls(turn: Turn, asked: ModelRequest) -> list[JsonValue]:
    return [_called(call, asked.tools) for call in turn.calls]


def _called(call: Call, tools: tuple[str, ...]) -> Json:
    name, given = shell_call(call, tools)
    function: Json = {"name": name, "arguments": json.dumps(given)}
    return {"id": f"call_{uuid4().hex}", "type": "function", "function": function}


def _finish(turn: Turn) -> str:
    return "tool_calls" if turn.calls else "stop"


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
