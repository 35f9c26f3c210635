"""What both APIs have in common on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pydantic import JsonValue

Json = dict[str, JsonValue]


@dataclass(frozen=True)
class ApiRefusal:
    """An answer of the API that is no reply of the model."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


def event(payload: Json) -> bytes:
    """One server-sent event, named by its `type`."""
    return f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n".encode()
