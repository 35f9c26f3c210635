"""A server of the Model Context Protocol over stdin and stdout: tools and nothing else (decision 0043).

JSON-RPC, a line each; one request after the other, as one agent has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, BinaryIO, Protocol, TextIO

from pydantic import StrictInt, ValidationError

from domain.tolerant import OR_NONE, Tolerant

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol, the newest first; what is spoken here is the same in all of them."""
LONGEST_FRAME = 8 * 1024 * 1024
"""Bytes."""
_PARSE_ERROR, _INVALID_REQUEST, _UNKNOWN_METHOD, _INVALID_PARAMS = -32700, -32600, -32601, -32602


class Tools(Protocol):
    def listed(self) -> list[dict[str, Any]]:
        """Each as `tools/list` tells it: name, description, inputSchema."""
        ...

    def call(self, name: str, arguments: Mapping[str, object]) -> tuple[str, bool] | None:
        """Its text, and whether it went well; None for a tool that isn't there."""
        ...


class _Request(Tolerant):
    """A notification where it has no id."""

    id: StrictInt | str | None = None
    method: str
    params: Annotated[dict[str, Any] | None, OR_NONE] = None


class _Begin(Tolerant):
    protocolVersion: str = ""  # noqa: N815 (theirs)


class _Call(Tolerant):
    name: str
    arguments: Annotated[dict[str, Any] | None, OR_NONE] = None


class _RefusedFrame(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def serve(tools: Tools, frames: BinaryIO, out: TextIO) -> None:
    """Answers each frame until there are none; a frame of more than 8 MiB is the last one."""
    while line := frames.readline(LONGEST_FRAME):
        if len(line) == LONGEST_FRAME and not line.endswith(b"\n"):
            _send(out, {"id": None, **_error(_INVALID_REQUEST, f"a frame has at most {LONGEST_FRAME} bytes")})
            return
        if line.strip() and (answer := _answer(tools, line)):
            _send(out, answer)


def _answer(tools: Tools, line: bytes) -> dict[str, Any] | None:
    """None for what wants no answer."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {"id": None, **_error(_PARSE_ERROR, "the frame is not JSON")}
    try:
        request = _Request.model_validate(told)
    except ValidationError:
        return _unasked(told)
    if request.id is None:
        return None
    try:
        return {"id": request.id, "result": _result(tools, request)}
    except _RefusedFrame as refused:
        return {"id": request.id, **_error(refused.code, str(refused))}


def _unasked(told: object) -> dict[str, Any] | None:
    """The answer to something that is no request: nothing where it is an answer itself."""
    if isinstance(told, dict) and ("result" in told or "error" in told):
        return None
    return {"id": None, **_error(_INVALID_REQUEST, "the frame is no request")}


def _result(tools: Tools, request: _Request) -> dict[str, Any]:
    match request.method:
        case "initialize":
            wanted = _Begin.model_validate(request.params or {}).protocolVersion
            version = wanted if wanted in VERSIONS else VERSIONS[0]
            return {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "makima", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": tools.listed()}
        case "tools/call":
            return _called(tools, request.params or {})
        case _:
            raise _RefusedFrame(_UNKNOWN_METHOD, f"{request.method[:100]} is not offered")


def _called(tools: Tools, params: dict[str, Any]) -> dict[str, Any]:
    try:
        call = _Call.model_validate(params)
    except ValidationError as error:
        raise _RefusedFrame(_INVALID_PARAMS, "tools/call wants a name, and arguments as an object") from error
    done = tools.call(call.name, call.arguments or {})
    if done is None:
        raise _RefusedFrame(_INVALID_PARAMS, f"there is no tool {call.name[:100]!r}")
    text, went_well = done
    return {"content": [{"type": "text", "text": text}], "isError": not went_well}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _send(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    out.flush()
