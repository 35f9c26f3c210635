"""Everything may die or stand still at any moment, several things at a time: nothing is lost, done twice, or left.

A directive of eight steps, whose agents do to their repositories what agents do and call it done, lives through a
seeded random hand, an operator who meddles, a neighbour who pushes to its
branch, and a forger who pushes to where its state belongs. `make chaos` runs more and longer rounds; the number in a
round's name is its seed, and MAKIMA_CHAOS_SEED repeats it.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.acceptance.stack import MortalSite, Servers, processes_of, until
from tests.chaos.hand import Hand
from tests.chaos.people import Forger, Neighbour, Operator
from tests.chaos.reckoning import Reckoning
from tests.chaos.system import System

ROUNDS = int(os.environ.get("MAKIMA_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("MAKIMA_CHAOS_SEED", "20261122"))
IS_HUNT = bool({"MAKIMA_CHAOS_ROUNDS", "MAKIMA_CHAOS_SEED"} & set(os.environ))
DISTURBED = 25.0 if IS_HUNT else 5.0
"""Seconds of each of two disturbances: on the way to a pull request, and with one."""
RESTS_WITHIN = 400.0
ENDS_WITHIN = 2 * (DISTURBED + RESTS_WITHIN)
"""Seconds of a round; well before pytest's own limit, after which nobody would tell what it has waited for."""


@pytest.mark.rule("6.8")
@pytest.mark.rule("9.1")
@pytest.mark.timeout(ENDS_WITHIN + 240)
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
async def test_nothing_is_lost_or_done_twice_whatever_dies(tmp_path: Path, seed: int) -> None:
    sys.stderr.write(f"to repeat this round: MAKIMA_CHAOS_SEED={seed}\n")
    chance = random.Random(seed)
    with (
        Servers(tmp_path / "servers", "--servers-only") as servers,
        MortalSite(servers, tmp_path / "site", "default") as site,
    ):
        site.folder.mkdir()
        (site.folder / "seed").write_text(str(seed))
        await survive(System(site), chance)


async def survive(system: System, chance: random.Random) -> None:
    client = await Client.connect(system.servers.addresses.temporal_address, data_converter=pydantic_data_converter)
    operator, neighbour = Operator(system, client, random.Random(chance.random())), Neighbour(system)
    hand = Hand(system.parts, random.Random(chance.random()))
    forger = Forger(system, random.Random(chance.random()))
    managing = asyncio.create_task(system.manage())
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            await live_through(system, client, operator, neighbour, hand, forger)
    except Exception as error:
        fault = innermost(error)
        done = [f"{deed.began:.1f}–{deed.ended:.1f} {deed.what}" for deed in hand.diary]
        for note in (*done, *forger.deeds, *await operator.is_told()):
            fault.add_note(note)
        raise fault from error
    finally:
        managing.cancel()
    ended = await asyncio.to_thread(system.end)
    assert ended == [0, 0, 0], (ended, system.said())
    until(lambda: not processes_of(system.site.folder), "the end of all that daemons have started")


def innermost(error: Exception) -> Exception:
    """What a task group wraps."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def live_through(
    system: System, client: Client, operator: Operator, neighbour: Neighbour, hand: Hand, forger: Forger
) -> None:
    """From the start of a directive to its second pull request, disturbed all the while."""
    await neighbour.founds()
    await forger.joins()
    await operator.start()
    async with asyncio.TaskGroup() as beside:
        beside.create_task(forger.forges(client, operator.workflow, 2 * DISTURBED))
        await disturbed(operator, hand)
        shown = await operator.until_rest(RESTS_WITHIN)
    assert shown.pr
    await neighbour.pushes(shown.pr.branch)
    await operator.changes_the_goal()
    async with asyncio.TaskGroup() as beside:
        beside.create_task(forger.forges(client, operator.workflow, 2 * DISTURBED))
        await asyncio.gather(disturbed(operator, hand), neighbour.pushes(shown.pr.branch))
        shown = await operator.until_rest(RESTS_WITHIN)
    reckoning = Reckoning(system, client, operator, neighbour, forger, hand.diary)
    await reckoning.check(shown)
    sys.stderr.write("".join(f"{deed}\n" for deed in forger.deeds))


async def disturbed(operator: Operator, hand: Hand) -> None:
    """The operator looks after the directive all the while, and meddles with it."""
    looking = asyncio.create_task(operator.looks_after_it())
    try:
        await asyncio.gather(hand.disturb(DISTURBED), operator.meddles(DISTURBED))
    finally:
        looking.cancel()
