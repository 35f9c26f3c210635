"""Links by which a question is answered, or a plan approved, from a notice: signed, and each for one thing."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from pydantic import AwareDatetime, ValidationError, model_validator

from domain.errors import Refused
from domain.value import Value

GOOD_FOR = timedelta(days=7)
LONGEST = 1024
"""Characters of a token."""
SHORTEST_KEY = 32
_SIGNED_AS = b"makima answer link 1\n"


class AnswerLink(Value):
    """What its holder may do, and until when: answer this question, or decide on this plan."""

    owner: str
    directive: UUID
    question: UUID | None = None
    plan: UUID | None = None
    """The proposal's identity, so that it says nothing of a later plan."""
    channel: str
    """By which channel of notices it went out: who has answered."""
    until: AwareDatetime

    @model_validator(mode="after")
    def _is_for_one_thing(self) -> AnswerLink:
        if (self.question is None) is (self.plan is None):
            raise ValueError("a link is for a question or for a plan")
        return self


class ForgedLink(Refused):
    """It was not made by us for this owner, or is damaged."""


class OldLink(Refused):
    """Its time is over."""


def signed(link: AnswerLink, key: bytes) -> str:
    """The token: of letters, digits, `-`, `_` and one point."""
    body = link.model_dump_json(exclude_none=True).encode()
    return f"{_text(body)}.{_text(_mac(body, key))}"


def read(token: str, key: bytes, owner: str, now: datetime) -> AnswerLink:
    """What a token allows; ForgedLink, OldLink. Nothing in it is looked at before its signature was."""
    if len(token) > LONGEST or not token.isascii():
        raise ForgedLink("no link of ours")
    first, _, second = token.partition(".")
    try:
        body, mac = _bytes(first), _bytes(second)
    except (binascii.Error, ValueError):
        raise ForgedLink("no link of ours") from None
    if not hmac.compare_digest(mac, _mac(body, key)) or token != f"{_text(body)}.{_text(mac)}":
        raise ForgedLink("no link of ours")
    try:
        link = AnswerLink.model_validate_json(body)
    except ValidationError:
        raise ForgedLink("no link of ours") from None
    if link.owner != owner:
        raise ForgedLink("no link of this owner's")
    if link.until <= now:
        raise OldLink("its time is over")
    return link


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _SIGNED_AS + body, sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
