"""A lost connection doesn't stop a healthy agent (issue 13, 10): `python -m daemon` behind a connection that is cut."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from domain.spawn_task import Outcome, OutcomeStatus
from tests.integration.conftest import GitCommand
from tests.integration.deliveries import until
from tests.integration.test_stopping import (
    Daemons,
    OneStep,
    base,
    checkpoint_refs,
    counting,
    daemons,
    heads,
    measured,
)
from tests.relay import Relay

__all__ = ["base", "daemons"]  # fixtures

HEARTBEAT = timedelta(seconds=15)
"""The heartbeat timeout: longer than the client's pollers rest after an outage, which is up to ten seconds."""

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(150)]


async def delivered(handle: WorkflowHandle[OneStep, Outcome], count: int) -> None:
    """Wait until the server has given the attempt to a daemon, or wants to, for the `count`th time."""
    async with asyncio.timeout(60):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(each.attempt >= count for each in pending):
                return
            await asyncio.sleep(0.2)


async def attended(handle: WorkflowHandle[OneStep, Outcome], count: int) -> None:
    """Wait until the server has heard a heartbeat of the `count`th delivery."""
    async with asyncio.timeout(60):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(each.attempt >= count and each.HasField("last_heartbeat_time") for each in pending):
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("capacity", [1, 3])
async def test_a_delivery_that_comes_back_takes_over_the_agent_that_still_runs(
    daemons: Daemons,
    temporal_server: WorkflowEnvironment,
    tmp_path: Path,
    origin: Path,
    git: GitCommand,
    base: str,
    capacity: int,
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        await daemons.start("first", relay.address, capacity)
        handle = await daemons.begin(counting(tmp_path), base, HEARTBEAT)
        await until((tmp_path / "alive").exists)
        relay.cut()
        await delivered(handle, 2)
        relay.mend()
        await attended(handle, 2)
        # Past the time after which work that waits for a successor is ended.
        alive_at = time.time() + HEARTBEAT.total_seconds() + 2
        await until(lambda: float((tmp_path / "alive").read_text() or 0) > alive_at)
        (tmp_path / "go").touch()
        outcome = await handle.result()
    assert (outcome.status, outcome.daemon) == (OutcomeStatus.COMPLETED, "first")
    assert (tmp_path / "starts").read_text() == "start\n", "one agent, from its beginning to its end"
    assert not (tmp_path / "stopped").exists()
    tasks = daemons.folder / "first" / "data" / "daemon" / "first" / "tasks"
    assert len(list(tasks.iterdir())) == 1, "folder, log and checkpoints keep the first delivery's name"
    assert outcome.delivery in next(tasks.iterdir()).name
    assert git(origin, "show", "makima/x:first") == git(origin, "show", "makima/x:second")
    assert checkpoint_refs(git, origin) == []


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_what_is_called_back_during_an_outage_is_saved_and_stopped_soon_after_it(
    daemons: Daemons,
    temporal_server: WorkflowEnvironment,
    tmp_path: Path,
    origin: Path,
    git: GitCommand,
    base: str,
    how: str,
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        await daemons.start("first", relay.address, 1)
        handle = await daemons.begin(counting(tmp_path), base, HEARTBEAT)
        await until((tmp_path / "alive").exists)
        relay.cut()
        await (handle.cancel() if how == "cancel" else handle.terminate())
        await given_up(handle)
        relay.mend()
        began = time.monotonic()
        await until((tmp_path / "stopped").exists)
        assert time.monotonic() - began < HEARTBEAT.total_seconds() + 15
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
    assert heads(git, origin) == ["main"]
    assert (tmp_path / "starts").read_text() == "start\n"


async def test_an_agent_whose_attempt_is_another_daemons_by_now_is_not_kept_for_a_successor(
    daemons: Daemons, temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    heartbeat = timedelta(seconds=12)
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        await daemons.start("first", relay.address, 1)
        handle = await daemons.begin(counting(tmp_path), base, heartbeat)
        await until((tmp_path / "alive").exists)
        await daemons.start("second")
        relay.freeze()
        await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n", 60)
        relay.thaw()
        with measured(heartbeat.total_seconds()):
            await until((tmp_path / "stopped").exists)
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
        (tmp_path / "go").touch()
        assert (await handle.result()).daemon == "second"


async def given_up(handle: WorkflowHandle[OneStep, Outcome]) -> None:
    async with asyncio.timeout(60):
        while True:
            told = await handle.describe()
            if told.status is not WorkflowExecutionStatus.RUNNING or not told.raw_description.pending_activities:
                return
            await asyncio.sleep(0.2)


async def test_a_daemon_that_stops_hands_back_what_waits_for_a_successor(
    daemons: Daemons, temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        first = await daemons.start("first", relay.address, 1)
        handle = await daemons.begin(counting(tmp_path), base, HEARTBEAT)
        await until((tmp_path / "alive").exists)
        relay.cut()
        await delivered(handle, 2)
        first.terminate()
        await asyncio.wait_for(first.wait(), 40)
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
        await daemons.start("second")
        await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
        (tmp_path / "go").touch()
        assert (await handle.result()).daemon == "second"
