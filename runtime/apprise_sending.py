"""A process of its own that talks to a service by apprise: stdin is an order, stdout what became of it, as JSON.

Of its own, since it can be ended where a service never answers, and since the library takes half a second and 40 MB.
The address of a service is a secret: it is in no argument, in no variable and in nothing that is printed.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from domain.value import Value
from runtime.private_memory import keep_memory_private

WITHIN = 20.0
"""Seconds for all that a service is asked; the process that has started this one waits a little longer."""
SHORTEST_SECRET = 4
MISSING = "the library is missing: install makima-directives[notices]"
NO_ADDRESS = "this is no address that apprise knows: https://appriseit.com/services"
SEVERAL = "it has several targets, of which one may fail alone: make a channel of each"


class Message(Value):
    """What people read."""

    title: str
    text: str
    tone: str
    """One of apprise's: info, success, warning, failure."""
    link: str = ""
    """Where there is one thing to do."""


class Order(Value):
    """What is wanted; without a message: only look at the address."""

    url: SecretStr
    message: Message | None = None


class SendResult(Value):
    """What became of it."""

    done: bool
    why: str = ""
    """Where it is not done: a line without the address."""
    most: int = 0
    """How many characters the service takes."""


def main() -> int:
    keep_memory_private()
    order = Order.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.write(carried_out(order).model_dump_json())
    return 0


def carried_out(order: Order) -> SendResult:
    """Look, or send."""
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError:
        return SendResult(done=False, why=MISSING)
    # Nothing of apprise's own is shown, fetched or kept; a redirected POST would arrive as a GET, and count as sent.
    asset = apprise.AppriseAsset(
        app_id="Makima", app_desc="Makima", app_url="", image_url_mask="", image_url_logo="", http_redirects=False
    )
    url = order.url.get_secret_value()
    service = apprise.Apprise.instantiate(url, asset=asset)
    if not isinstance(service, apprise.NotifyBase):
        return SendResult(done=False, why=NO_ADDRESS)
    if len(service) > 1:
        return SendResult(done=False, why=SEVERAL)
    if order.message is None:
        return SendResult(done=True, most=service.body_maxlen)
    return _sent(apprise, service, order.message, url)


def _sent(apprise: ModuleType, service: Any, message: Message, url: str) -> SendResult:
    said: list[str] = []
    if message.link and hasattr(service, "click"):
        service.click = message.link  # ntfy: what a touch of the notice opens
    result = apprise.Apprise([service]).notify(
        title=message.title,
        body=message.text,
        notify_type=message.tone,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=WITHIN,
        log_callback=lambda entry, _: said.append(entry.message),
    )
    return (
        SendResult(done=True) if result else SendResult(done=False, why=without_secrets(said[-1] if said else "", url))
    )


def without_secrets(said: str, url: str) -> str:
    """What the library says of a failure, in one line, without any part of the address."""
    scheme, _, rest = url.partition("://")
    parts = {part for form in (rest, unquote(rest)) for part in re.split(r"[/:@?&=#,+%\s]+", form)} - {scheme}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            said = said.replace(part, "…")
    said = re.sub(r"https?://\S+", "…", said)  # the link of the notice is one, too, should the service repeat it
    return " ".join(said.split())[:200].rstrip(".") or "the service does not take it"


if __name__ == "__main__":
    sys.exit(main())
