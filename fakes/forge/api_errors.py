"""What the forge answers when it says no, in GitHub's words and shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class Answered(Exception):
    """An answer other than success; `errors` as in GitHub's 422, or `sentences` where that has such in their place."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: tuple[Mapping[str, Any], ...] = (),
        headers: Mapping[str, str] | None = None,
        sentences: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.sentences = sentences
        self.headers = dict(headers or {})

    @property
    def sentence(self) -> str:
        """The sentence of it that says most."""
        return next(
            iter([*self.sentences, *(str(each["message"]) for each in self.errors if "message" in each)]), self.message
        )

    def body(self) -> dict[str, Any]:
        errors = (
            {"errors": self.sentences or [dict(each) for each in self.errors]} if self.sentences or self.errors else {}
        )
        return {"message": self.message, **errors, "documentation_url": DOCUMENTATION, "status": str(self.status)}


def not_found() -> Answered:
    return Answered(404, "Not Found")


def invalid(resource: str, field: str, code: str = "invalid") -> Answered:
    """A field with a value that can't be."""
    return Answered(422, "Validation Failed", ({"resource": resource, "field": field, "code": code},))


def refused(resource: str, message: str) -> Answered:
    """A request that makes sense but breaks a rule, told in a sentence."""
    return Answered(422, "Validation Failed", ({"resource": resource, "code": "custom", "message": message},))
