"""Telling people: a command that gets the notice on stdin, a webhook that gets it as JSON; both retried."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from domain.errors import NoticeFailed
from domain.notices import Notice
from runtime.shared_settings import SharedSettings

COMMAND_WITHIN = 30.0
"""Seconds for one run of the command, and for one call of the webhook."""
TRY_FOR = 60.0
"""Seconds for which one sending is tried; then the notice stays in the outbox and its turn comes again."""

_Way = Callable[[str, Notice], Awaitable[None]]

logger = logging.getLogger(__name__)


async def send(notice: Notice, settings: SharedSettings, try_for: float = TRY_FOR) -> None:
    """Tell it by all the ways that the settings name; raises NoticeFailed when one of them keeps failing."""
    logger.info("notice: %s", notice.text.replace("\n", " | "))
    if settings.notify_command:
        await _tried(_by_command, settings.notify_command, notice, try_for)
    if settings.notify_webhook:
        await _tried(_by_webhook, settings.notify_webhook.get_secret_value(), notice, try_for)


async def _tried(way: _Way, where: str, notice: Notice, try_for: float) -> None:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(NoticeFailed),
        wait=wait_exponential_jitter(multiplier=0.5, max=10),
        stop=stop_after_delay(try_for),
        reraise=True,
    ):
        with attempt:
            await way(where, notice)


async def _by_command(line: str, notice: Notice) -> None:
    """Run the words of `line`, without a shell: the notice is on stdin, nothing of it among the arguments."""
    argv = shlex.split(line)
    environment = {**os.environ, "MAKIMA_NOTICE_KIND": notice.kind.value, "MAKIMA_NOTICE_OWNER": notice.owner}
    for name in ("MAKIMA_DATABASE_URL", "MAKIMA_NOTIFY_WEBHOOK", "PGPASSWORD", "TEMPORAL_API_KEY"):
        environment.pop(name, None)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, env=environment, process_group=0
        )
    except OSError as error:
        raise NoticeFailed(f"MAKIMA_NOTIFY_COMMAND can't be run: {error}") from error
    try:
        async with asyncio.timeout(COMMAND_WITHIN):
            _, said = await process.communicate(notice.model_dump_json().encode())
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise NoticeFailed(f"MAKIMA_NOTIFY_COMMAND did not end within {COMMAND_WITHIN:g} s") from error
    if process.returncode:
        end = said.decode(errors="replace").strip()[-500:]
        raise NoticeFailed(f"MAKIMA_NOTIFY_COMMAND ended with exit code {process.returncode}: {end}")


async def _by_webhook(url: str, notice: Notice) -> None:
    headers = {"content-type": "application/json"}
    try:
        async with httpx.AsyncClient(timeout=COMMAND_WITHIN) as client:
            answer = await client.post(url, content=notice.model_dump_json(), headers=headers)
    except httpx.HTTPError as error:
        # Without the address: it is a secret with most services.
        raise NoticeFailed(f"the webhook does not answer: {type(error).__name__}") from None
    if answer.is_error:
        raise NoticeFailed(f"the webhook answers {answer.status_code}")
