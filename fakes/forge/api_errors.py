"""What the forge answers when it says no, in GitHub's words and shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class Answered(Exception):
    """An answer other than success; `errors` as in GitHub's 422."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: tuple[Mapping[str, Any], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        errors = {"errors": [dict(each) for each in self.errors]} if self.errors else {}
        return {"message": self.message, **errors, "documentation_url": DOCUMENTATION, "status": str(self.status)}


def not_found() -> Answered:
    return Answered(404, "Not Found")


def invalid(resource: str, field: str, code: str = "invalid") -> Answered:
    """A field with a value that can't be."""
    return Answered(422, "Validation Failed", ({"resource": resource, "field": field, "code": code},))


def refused(resource: str, message: str) -> Answered:
    """A request that makes sense but breaks a rule, told in a sentence."""
    return Answered(422, "Validation Failed", ({"resource": resource, "code": "custom", "message": message},))
