"""Google's Gemini API (`generateContent`), as far as Gemini CLI uses it."""

from __future__ import annotations

import json
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from fakes.models.answers import ApiRefusal, Json, shell_call
from fakes.models.player import Api, ModelRequest
from fakes.models.script import Call, Error, ErrorKind, Turn, Usage


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Given(_Part):
    response: JsonValue = None


class _Piece(_Part):
    text: str = ""
    function_response: _Given | None = None


class _Content(_Part):
    role: str = "user"
    parts: list[_Piece] = Field(default_factory=list)


class _Named(_Part):
    name: str


class _Tool(_Part):
    function_declarations: list[_Named] = Field(default_factory=list)


class GeminiRequest(_Part):
    """The body of `POST /v1beta/models/MODEL:METHOD`; its address says the model, and whether it streams."""

    model: str = ""
    stream: bool = False
    contents: list[_Content]
    tools: list[_Tool] = Field(default_factory=list)

    def asked(self, credential: str) -> ModelRequest:
        pieces = [piece for content in self.contents if content.role == "user" for piece in content.parts]
        given = [piece.function_response for piece in pieces if piece.function_response]
        return ModelRequest(
            api=Api.GEMINI,
            model=self.model,
            credential=credential,
            streams=self.stream,
            said=tuple(piece.text for piece in pieces if piece.text),
            results=tuple(json.dumps(each.response) for each in given),
            tools=tuple(named.name for tool in self.tools for named in tool.function_declarations),
        )


def whole(turn: Turn, asked: ModelRequest) -> Json:
    """The turn as one answer."""
    text: list[JsonValue] = [{"text": turn.text}] if turn.text else []
    calls: list[JsonValue] = [{"functionCall": _called(call, asked.tools)} for call in turn.calls]
    return {**_answer([*text, *calls], "STOP"), "usageMetadata": _usage(turn.usage), "modelVersion": asked.model}


def events(turn: Turn, asked: ModelRequest) -> list[Json]:
    """The turn as it is streamed: its text, its calls, and its end with what it has used."""
    ended = whole(turn.model_copy(update={"text": "", "calls": ()}), asked)
    parts: list[JsonValue] = [{"text": turn.text}] if turn.text else []
    parts += [{"functionCall": _called(call, asked.tools)} for call in turn.calls]
    return [*(_answer([part]) for part in parts), ended]


def refusal(error: Error, now: float) -> ApiRefusal:
    """The error as this API gives it: how long to wait stands in its words and details, and in no header."""
    status, kind, text, reason = _ERRORS[error.error]
    details: list[JsonValue] = []
    wait = error.resets_in if error.resets_in is not None else error.retry_after
    if status == _TOO_MANY and wait is not None:
        text = f"{text}\nPlease retry in {wait}s."
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait}s"})
    if reason:
        domain = "googleapis.com"
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain})
    about: Json = {"code": status, "message": text, "status": kind, **({"details": details} if details else {})}
    return ApiRefusal(status, {"error": about})


def failed(error: Error, model: str) -> list[Json] | None:
    """No error comes once a stream has begun."""
    return None


_TOO_MANY = 429
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", ""),
    ErrorKind.TOO_LONG: (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "",
    ),
    # A key that is not valid is no 401 here.
    ErrorKind.UNAUTHORIZED: (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        "API_KEY_INVALID",
    ),
    ErrorKind.RATE_LIMIT: (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", ""),
    ErrorKind.USAGE_LIMIT: (429, "RESOURCE_EXHAUSTED", _QUOTA, ""),
    ErrorKind.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred.", ""),
    ErrorKind.UNAVAILABLE: (503, "UNAVAILABLE", "The service is currently unavailable.", ""),
    ErrorKind.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", ""),
}


def _called(call: Call, tools: tuple[str, ...]) -> Json:
    name, given = shell_call(call, tools)
    return {"id": uuid4().hex, "name": name, "args": given}


def _answer(parts: list[JsonValue], finish: str = "") -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    return {"responseId": uuid4().hex, "candidates": [candidate]}


def _usage(usage: Usage) -> Json:
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.input + usage.output,
    }
