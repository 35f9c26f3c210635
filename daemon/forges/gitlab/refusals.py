"""What GitLab's refusals mean for a person; pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx
from pydantic import ValidationError

from daemon.forges.refusals import Declined, one_line
from domain.tolerant import Tolerant

_NEEDED = "the scope api, and its account the role Developer, or a higher one, in the project"


class GitLabComplaint(Tolerant):
    """Two shapes: `message` is a string, a list or an object of lists; `error` is of bad parameters and of tokens."""

    message: Any = None
    error: str | None = None
    error_description: str | None = None

    @property
    def text(self) -> str:
        return "; ".join(filter(None, (*_words(self.message), self.error, self.error_description)))


def refusal(answer: httpx.Response, host: str, call: str, place: str) -> Declined | None:
    """Whether GitLab says no; `call` is what was asked for, `place` where the token comes from."""
    if not answer.is_client_error:
        return None
    status, complaint = HTTPStatus(answer.status_code), complaint_of(answer)
    archived = "archived" in complaint.lower()
    needed = "unarchive it, or archive the directive" if archived else f"the token from {place} needs {_NEEDED}"
    remedies = {
        HTTPStatus.UNAUTHORIZED: f": put a valid token into {place}",
        HTTPStatus.FORBIDDEN: f": {needed}",
        # What a token may not see, GitLab calls not found.
        HTTPStatus.NOT_FOUND: f": it isn't there, or the token from {place} needs {_NEEDED}",
    }
    text = f"{host} refuses {call} ({status}: {complaint}){remedies.get(status, '')}"
    return Declined(text, status, complaint)


def complaint_of(answer: httpx.Response) -> str:
    """What the answer says is wrong, on one line."""
    try:
        complaint = GitLabComplaint.model_validate_json(answer.content)
    except ValidationError:
        return answer.reason_phrase
    return one_line(complaint.text) or answer.reason_phrase


def _words(message: Any) -> list[str]:
    match message:
        case str():
            return [message]
        case list():
            return [word for each in message for word in _words(each)]
        case dict():
            return [f"{name} {word}" for name, each in message.items() for word in _words(each)]
        case _:
            return []
