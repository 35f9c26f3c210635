"""When a channel is given its notices, and what is linked in them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from domain.answer_links import GOOD_FOR, AnswerLink, signed
from domain.errors import NoticeFailed
from domain.notices import Happening, Notice
from runtime.answer_key import answer_key
from runtime.notice_channels import Channel, Send
from runtime.shared_settings import SharedSettings

LONGEST_REST = 300.0
"""Seconds between two looks at a channel that is away."""
FINISHED_WITHIN = 10.0
"""Seconds that the end of the worker waits for a channel's answer."""
logger = logging.getLogger(__name__)


class Turns:
    """One channel's turns: one that is away is told of in one line, and asked less and less often."""

    def __init__(
        self, channel: Channel, empty: Callable[[Send], Awaitable[None]], longest_rest: float = LONGEST_REST
    ) -> None:
        self._channel = channel
        self._empty = empty
        self._longest_rest = longest_rest
        self._failures = 0
        self._rests_until = 0.0

    async def turn(self) -> None:
        """Send what is due. One that is ended is given the time to hear the channel's answer: nobody sends it again."""
        if time.monotonic() < self._rests_until:
            return
        sending = asyncio.ensure_future(self._empty(self._send))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=FINISHED_WITHIN)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            raise
        except NoticeFailed as failure:
            self._rest(failure)
        else:
            if self._failures:
                logger.info("channel %s: it takes notices again", self._channel.name)
            self._failures = 0

    def _rest(self, failure: NoticeFailed) -> None:
        if not self._failures:
            logger.warning("channel %s: %s; notices wait, and are sent once it takes them", self._channel.name, failure)
        self._failures += 1
        self._rests_until = time.monotonic() + min(2.0 ** min(self._failures, 10), self._longest_rest)

    async def _send(self, notice: Notice) -> None:
        await self._channel.send(notice)
        logger.info("notice: %s (%s)", notice.text.replace("\n", " | "), self._channel.name)


def linking(settings: SharedSettings, channel: str) -> Callable[[Happening], Happening]:
    """Gives what can be answered its link at this channel, where the settings name an address for it; SettingsError."""
    if not settings.answer_url:
        return lambda happening: happening
    key = answer_key(settings)

    def linked(happening: Happening) -> Happening:
        if not (happening.question or happening.plan):
            return happening
        link = AnswerLink(
            owner=settings.owner,
            directive=happening.directive,
            question=happening.question,
            plan=happening.plan,
            channel=channel,
            until=datetime.now(UTC) + GOOD_FOR,
        )
        return happening.model_copy(update={"link": f"{settings.answer_url}/{signed(link, key)}"})

    return linked
