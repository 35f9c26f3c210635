"""The ways to people: a command that gets a notice on stdin, a webhook that gets it as JSON, all apprise reaches."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import httpx
from pydantic import SecretStr, ValidationError

from domain.errors import NoticeFailed, SettingsError
from domain.health_report import Check, Health, all_of, failed, good
from domain.notices import Notice, NoticeKind
from runtime.apprise_sending import WITHIN, Message, Order, SendResult
from runtime.channels_file import VARIABLE, ChannelSettings, read_channels
from runtime.shared_settings import SharedSettings

COMMAND_WITHIN = 30.0
"""Seconds for one run of the command, and for one call of the webhook."""
MOST = 3000
"""Characters of a notice in a chat or a mail."""
LEAST = 100
ROOM_FOR_TITLE = 80
_FOR_THE_LIBRARY = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_SECRET_SETTINGS = [
    name for name, each in SharedSettings.model_fields.items() if SecretStr in get_args(each.annotation)
]
_SECRETS = (*(f"MAKIMA_{name.upper()}" for name in _SECRET_SETTINGS), "PGPASSWORD", "TEMPORAL_API_KEY")
"""Variables that a command is not given."""


Send = Callable[[Notice], Awaitable[None]]


@dataclass(frozen=True)
class Channel:
    """A way to people. `send` raises NoticeFailed where it wasn't taken; the text says why, without secrets."""

    name: str
    send: Send
    kinds: tuple[NoticeKind, ...] = tuple(NoticeKind)
    most: int | None = None
    """Characters that a notice may have there."""


async def channels(settings: SharedSettings) -> tuple[Channel, ...]:
    """All that the settings name; SettingsError where one of them can be no channel."""
    found = []
    if settings.notify_command:
        found.append(Channel("command", partial(_by_command, settings.notify_command)))
    if settings.notify_webhook:
        found.append(Channel("webhook", partial(_by_webhook, settings.notify_webhook)))
    if settings.notify_channels:
        named = read_channels(settings.notify_channels)
        found += await asyncio.gather(*(service(name, each) for name, each in named.items()))
    return tuple(found)


async def tried(settings: SharedSettings) -> Health:
    """Send a test notice by all of them at once: what became of each; SettingsError."""
    found = await channels(settings)
    return all_of(await asyncio.gather(*(_tried(channel, settings.owner) for channel in found)))


async def _tried(channel: Channel, owner: str) -> Check:
    sample = Notice(kind=channel.kinds[0], owner=owner, text="a test: notices arrive here", happenings=())
    try:
        await channel.send(sample)
    except NoticeFailed as failure:
        return failed(channel.name, str(failure), "what is due waits, and is sent once the channel takes it")
    return good(channel.name, "has taken a test notice")


async def service(name: str, settings: ChannelSettings) -> Channel:
    """A section of the file as a channel; SettingsError where apprise knows no such address, or is not installed."""
    told = await _asked_of_apprise(Order(url=settings.url))
    if not told.done:
        raise SettingsError(f"{VARIABLE}: [{name}]: {told.why}")
    most = max(min(MOST, told.most - ROOM_FOR_TITLE), LEAST)
    return Channel(name, partial(_by_apprise, settings.url), settings.kinds, most)


async def _by_apprise(url: SecretStr, notice: Notice) -> None:
    """Nothing in the title is from outside: it becomes a header of a mail."""
    message = Message(
        title=f"Makima ({notice.owner}): {notice.kind}",
        text=notice.for_chat,
        tone=notice.kind.tone,
        link=notice.happenings[0].link if len(notice.happenings) == 1 else "",
    )
    told = await _asked_of_apprise(Order(url=url, message=message))
    if not told.done:
        raise NoticeFailed(told.why)


async def _asked_of_apprise(order: Order) -> SendResult:
    variables = {*_FOR_THE_LIBRARY, *_PROXIES, *(each.upper() for each in _PROXIES)}
    environment = {name: value for name, value in os.environ.items() if name in variables}
    environment["NETRC"] = os.devnull  # a login of the user's for that host is for other things
    argv = (sys.executable, "-I", "-m", "runtime.apprise_sending")
    # On its stdin, where no other process reads: SecretStr would write stars.
    line = order.model_dump(mode="json") | {"url": order.url.get_secret_value()}
    ended = await _run(argv, json.dumps(line).encode(), environment, WITHIN + 10, stdout=PIPE)
    try:
        return SendResult.model_validate_json(ended.printed or b"")
    except ValidationError:
        raise NoticeFailed(f"apprise ended with exit code {ended.code}, and said nothing") from None


async def _by_command(line: str, notice: Notice) -> None:
    """Run the words of `line`, without a shell: the notice is on stdin, nothing of it among the arguments."""
    environment = {**os.environ, "MAKIMA_NOTICE_KIND": notice.kind.value, "MAKIMA_NOTICE_OWNER": notice.owner}
    for name in _SECRETS:
        environment.pop(name, None)
    try:
        ended = await _run(shlex.split(line), notice.model_dump_json().encode(), environment, COMMAND_WITHIN)
    except OSError as error:
        raise NoticeFailed(f"MAKIMA_NOTIFY_COMMAND can't be run: {error}") from error
    if ended.code:
        complaint = ended.complaint
        for link in (each.link for each in notice.happenings if each.link):
            complaint = complaint.replace(link, "…")
        raise NoticeFailed(f"MAKIMA_NOTIFY_COMMAND ended with exit code {ended.code}: {complaint}")


@dataclass(frozen=True)
class _Ended:
    code: int | None
    printed: bytes | None
    complaint: str


async def _run(
    argv: Sequence[str], stdin: bytes, environment: Mapping[str, str], within: float, stdout: int = DEVNULL
) -> _Ended:
    """To its end, or not at all: it is killed where it takes too long, or nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE, stdout=stdout, stderr=PIPE, env=environment, process_group=0
    )
    try:
        async with asyncio.timeout(within):
            printed, said = await process.communicate(stdin)
    except TimeoutError as error:
        raise NoticeFailed(f"it did not end within {within:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _Ended(process.returncode, printed, said.decode(errors="replace").strip()[-500:])


async def _by_webhook(url: SecretStr, notice: Notice) -> None:
    headers = {"content-type": "application/json"}
    try:
        async with httpx.AsyncClient(timeout=COMMAND_WITHIN) as client:
            answer = await client.post(url.get_secret_value(), content=notice.model_dump_json(), headers=headers)
    except httpx.HTTPError as error:
        # Without the address: it is a secret with most services.
        raise NoticeFailed(f"the webhook does not answer: {type(error).__name__}") from None
    if answer.is_error:
        raise NoticeFailed(f"the webhook answers {answer.status_code}")
