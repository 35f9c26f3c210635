"""What goes on beside other work never ends without a word."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from domain.errors import NotReachable
from runtime.chores import beside, repeat

pytestmark = pytest.mark.rule("6.11")


async def test_a_chore_has_its_next_turn_whatever_its_last_one_ended_by(caplog: pytest.LogCaptureFixture) -> None:
    troubles: list[Exception] = [NotReachable("it is away"), OSError("the disk is full"), ValueError("nobody knew")]
    rested = asyncio.Event()

    async def chore() -> None:
        if troubles:
            raise troubles.pop(0)
        rested.set()

    async with asyncio.timeout(60), beside(repeat(chore, timedelta(0))):
        await rested.wait()
    told = [(record.levelno, record.exc_info is not None) for record in caplog.records]
    assert told == [(logging.WARNING, False), (logging.ERROR, True), (logging.ERROR, True)]
    assert "nobody knew" in caplog.text, "with where it came from"


async def test_what_fails_beside_a_body_is_logged_when_it_does_and_the_body_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("nobody knew")

    async with beside(fails()):
        async with asyncio.timeout(60):
            while "nobody knew" not in caplog.text:
                await asyncio.sleep(0)
    assert "fails" in caplog.text


async def test_nothing_goes_on_after_its_body() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    with pytest.raises(NotReachable):
        async with beside(waits()):
            await asyncio.sleep(0)
            raise NotReachable("the body's own")
    assert ended.is_set()
