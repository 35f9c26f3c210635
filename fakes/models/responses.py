"""OpenAI's Responses API, as far as Codex uses it."""

from __future__ import annotations

import json
import shlex
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fakes.models.answers import ApiRefusal, Json
from fakes.models.player import Api, ModelRequest
from fakes.models.script import Call, Edit, Error, ErrorKind, Read, Shell, Tool, Turn, Usage, Write


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Piece(_Part):
    text: str = ""


class _Item(_Part):
    type: str = "message"
    role: str = ""
    content: str | list[_Piece] | None = None
    output: JsonValue = None


class _Tool(_Part):
    type: str
    name: str = ""


class ResponsesRequest(_Part):
    """`POST /v1/responses`, without what a script has no use for."""

    model: str
    input: list[_Item]
    tools: list[_Tool] = Field(default_factory=list)
    stream: bool = False

    def asked(self, credential: str) -> ModelRequest:
        spoken = [item for item in self.input if item.type == "message" and item.role == "user"]
        done = [item for item in self.input if item.type.endswith("_call_output")]
        return ModelRequest(
            api=Api.RESPONSES,
            model=self.model,
            credential=credential,
            streams=self.stream,
            said=tuple(_text(item.content) for item in spoken),
            results=tuple(_output(item.output) for item in done),
            tools=tuple(tool.name or tool.type for tool in self.tools),
        )


def whole(turn: Turn, asked: ModelRequest) -> Json:
    """The turn as a whole response."""
    items: list[JsonValue] = [_message_item(turn.text)] if turn.text else []
    items += [_called(call, asked.tools) for call in turn.calls]
    return {**_begun(asked.model), "status": "completed", "output": items, "usage": _usage(turn.usage)}


def events(turn: Turn, asked: ModelRequest) -> list[Json]:
    """The turn as it is streamed."""
    response = whole(turn, asked)
    items = response["output"]
    assert isinstance(items, list)
    begun: list[Json] = [{"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}]
    output = [each for index, item in enumerate(items) if isinstance(item, dict) for each in _item(index, item)]
    return [*begun, *output, {"type": "response.completed", "response": response}]


def refusal(error: Error, now: float) -> ApiRefusal:
    """The error as this API gives it before a stream begins; `now` in seconds since the epoch."""
    status, kind, code, text = _ERRORS[error.error]
    about: Json = {"message": text, "type": kind, "code": code, "param": None}
    if error.error is ErrorKind.USAGE_LIMIT:
        about["plan_type"] = "plus"
    if error.resets_in is not None:
        about |= {"resets_at": int(now) + error.resets_in, "resets_in_seconds": error.resets_in}
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return ApiRefusal(status, {"error": about}, headers)


def failed(error: Error, model: str) -> list[Json] | None:
    """The error as a stream, for those that this API gives only once it streams."""
    if error.error is not ErrorKind.TOO_LONG:
        return None
    _, _, code, text = _ERRORS[error.error]
    begun = _begun(model)
    ended: Json = {**begun, "status": "failed", "error": {"code": code, "message": text}}
    return [{"type": "response.created", "response": begun}, {"type": "response.failed", "response": ended}]


_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error", "invalid_value", "The request is not valid."),
    ErrorKind.TOO_LONG: (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    ErrorKind.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: x."),
    ErrorKind.RATE_LIMIT: (429, "requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 20s."),
    ErrorKind.USAGE_LIMIT: (429, "usage_limit_reached", None, "The usage limit has been reached"),
    ErrorKind.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    ErrorKind.UNAVAILABLE: (503, "server_error", None, "Service Unavailable"),
    ErrorKind.OVERLOADED: (503, "server_error", "server_is_overloaded", "Our servers are currently overloaded."),
}


def _text(content: str | list[_Piece] | None) -> str:
    return content if isinstance(content, str) else "\n".join(piece.text for piece in content or ())


def _output(output: JsonValue) -> str:
    return output if isinstance(output, str) else json.dumps(output)


def _begun(model: str) -> Json:
    return {"id": f"resp_{uuid4().hex}", "object": "response", "model": model, "status": "in_progress", "output": []}


def _usage(usage: Usage) -> Json:
    given = usage.input
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + usage.output,
    }


def _item(index: int, item: Json) -> list[Json]:
    """One item of the output: begun, its text in one piece, ended."""
    pieces: list[Json] = []
    content = item.get("content")
    if isinstance(content, list) and isinstance(content[0], dict):
        begun: Json = {**item, "status": "in_progress", "content": []}
        delta = content[0]["text"]
        pieces = [{"type": "response.output_text.delta", "item_id": item["id"], "output_index": index, "delta": delta}]
    else:
        begun = {**item, "status": "in_progress"}
    added: Json = {"type": "response.output_item.added", "output_index": index, "item": begun}
    return [added, *pieces, {"type": "response.output_item.done", "output_index": index, "item": item}]


def _message_item(text: str) -> Json:
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _called(call: Call, tools: tuple[str, ...]) -> Json:
    made: Json = {"id": f"fc_{uuid4().hex}", "call_id": f"call_{uuid4().hex}", "status": "completed"}
    if isinstance(call, Write | Edit) and "apply_patch" in tools:
        return {**made, "type": "custom_tool_call", "name": "apply_patch", "input": _patch(call)}
    name, arguments = _function(call, tools)
    group: Json = {"namespace": call.namespace} if isinstance(call, Tool) and call.namespace else {}
    return {**made, **group, "type": "function_call", "name": name, "arguments": json.dumps(arguments)}


def _patch(call: Write | Edit) -> str:
    """The call in the patch language of Codex."""
    if isinstance(call, Write):
        change = [f"*** Add File: {call.path}", *(f"+{line}" for line in call.text.splitlines())]
    else:
        lines = (*(f"-{line}" for line in call.old.splitlines()), *(f"+{line}" for line in call.new.splitlines()))
        change = [f"*** Update File: {call.path}", "@@", *lines]
    return "\n".join(("*** Begin Patch", *change, "*** End Patch"))


def _function(call: Call, tools: tuple[str, ...]) -> tuple[str, Json]:
    """The call in the tools that Codex offers, which differ with the model."""
    if isinstance(call, Tool):
        return call.name, call.input
    command = _command(call)
    if "exec_command" in tools:
        return "exec_command", {"cmd": command}
    if "shell_command" in tools:
        return "shell_command", {"command": command}
    return "shell", {"command": ["bash", "-lc", command]}


def _command(call: Shell | Read | Write | Edit) -> str:
    match call:
        case Shell():
            return call.command
        case Read():
            return f"cat {shlex.quote(call.path)}"
        case Write() | Edit():
            # Codex does itself what a shell is told so; there is no such program.
            return f"apply_patch <<'PATCH'\n{_patch(call)}\nPATCH"
