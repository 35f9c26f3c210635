"""Looking on until a directive rests, and a Ctrl-C meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from cli.operator.directives import Look
from cli.operator.watching import silence, until_rest
from domain.errors import NotReachable
from domain.view import DirectiveView


async def test_an_interruption_that_a_look_turns_into_an_error_of_its_own_ends_the_looking() -> None:
    looks = 0

    async def look() -> Look[DirectiveView]:
        nonlocal looks
        looks += 1
        try:
            await asyncio.sleep(0 if looks > 1 else 60)
        except asyncio.CancelledError:
            raise NotReachable("the connection was closed in the middle of an operation") from None
        raise NotReachable("it is being started again")

    looking = asyncio.create_task(until_rest(look, silence))
    while not looks:
        await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(looking, 10)
    assert looks == 1
