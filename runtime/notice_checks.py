"""What `doctor` says of notices and their links on this machine; nothing is sent."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import httpx

from domain.errors import MakimaError
from domain.health_report import Check, failed, good, warning
from runtime.answer_key import answer_key
from runtime.apprise_sending import MISSING
from runtime.channels_file import ChannelSettings, read_channels
from runtime.notice_channels import service
from runtime.shared_settings import SharedSettings

ANSWERS_WITHIN = 5.0  # seconds
_LIBRARY = "pip install 'makima-directives[notices]', where the worker runs"
_FRAMEWORK = ("starlette", "uvicorn")


async def notice_checks(settings: SharedSettings) -> Sequence[Check]:
    """A line for each channel that the settings of this machine name, and for the page of their links."""
    checks = [_command(settings.notify_command)] if settings.notify_command else []
    if settings.notify_webhook:
        checks.append(good("channel webhook", "its address is one; `test-notices` sends by it"))
    if settings.notify_channels:
        try:
            named = read_channels(settings.notify_channels)
        except MakimaError as error:
            checks.append(failed("channels", str(error), "docs/notices.md"))
        else:
            checks += await asyncio.gather(*(_channel(name, each) for name, each in named.items()))
    return [*checks, await _links(settings)] if settings.answer_url else checks


def _command(line: str) -> Check:
    try:
        program = next(iter(shlex.split(line)), "")
    except ValueError as error:
        return failed("channel command", f"MAKIMA_NOTIFY_COMMAND: {error}", "write it as words of a shell")
    if shutil.which(program) is None:
        return failed("channel command", f"there is no program {program!r}", "set MAKIMA_NOTIFY_COMMAND to one")
    return good("channel command", "its program is there; `test-notices` runs it")


async def _channel(name: str, settings: ChannelSettings) -> Check:
    about = f"channel {name}"
    try:
        await service(name, settings)
    except MakimaError as error:
        return failed(about, str(error), _LIBRARY if MISSING in str(error) else "docs/notices.md")
    return good(about, "its address is one of apprise's; `test-notices` sends by it")


async def _links(settings: SharedSettings) -> Check:
    about = "answers"
    if missing := [each for each in _FRAMEWORK if find_spec(each) is None]:
        return failed(about, f"{missing[0]} is missing", "pip install 'makima-directives[notices]'")
    try:
        answer_key(settings)
    except (MakimaError, OSError) as error:
        return failed(about, str(error), "docs/notices.md")
    start = "start `starter.py answers`, and look at what is before it: docs/notices.md"
    try:
        async with httpx.AsyncClient(timeout=ANSWERS_WITHIN) as client:
            told = await client.get(f"{settings.answer_url}/doctor")
    except httpx.HTTPError as error:
        return warning(about, f"{settings.answer_url} does not answer: {type(error).__name__}", start)
    # That is no link: only our own server says just this.
    if (told.status_code, told.text) != (404, "not found\n"):
        return warning(about, f"at {settings.answer_url} there is something else", start)
    return good(about, f"{settings.answer_url} leads to it")
