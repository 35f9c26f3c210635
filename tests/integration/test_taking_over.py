"""A lost connection doesn't stop a healthy agent (issue 13, 10): `python -m daemon` behind a connection that is cut."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowHandle
from temporalio.service import RPCStatusCode
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
    ended,
    measured,
)
from tests.relay import Relay

__all__ = ["base", "daemons"]  # fixtures

HEARTBEAT = timedelta(seconds=35)
"""The heartbeat timeout: far longer than the client's pollers rest after an outage, which is up to ten seconds, and a
machine that stands still meanwhile.
"""

STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(600)]


async def delivered(handle: WorkflowHandle[OneStep, Outcome], count: int, *, begun: bool = False) -> None:
    """Wait until the server wants the attempt delivered for the `count`th time, or (`begun`) a daemon has taken it."""
    async with asyncio.timeout(120):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(each.attempt >= count and (each.state == STARTED or not begun) for each in pending):
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
        await delivered(handle, 2, begun=True)
        taken_over = time.time()
        await until(lambda: float((tmp_path / "alive").read_text() or 0) > taken_over + 1)
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


async def test_an_agent_whose_attempt_is_another_daemons_by_now_is_not_kept_for_a_successor(
    daemons: Daemons, temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        await daemons.start("first", relay.address, 1)
        handle = await daemons.begin(counting(tmp_path), base, HEARTBEAT)
        await until((tmp_path / "alive").exists)
        await daemons.start("second")
        relay.freeze()
        await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
        relay.thaw()
        with measured(HEARTBEAT.total_seconds()):  # for so long it would wait for a successor
            await until((tmp_path / "stopped").exists)
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
        (tmp_path / "go").touch()
        assert (await handle.result()).daemon == "second"


async def test_a_daemon_that_is_stopped_during_an_outage_saves_and_stops_its_agent(
    daemons: Daemons, temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        first = await daemons.start("first", relay.address, 1)
        handle = await daemons.begin(counting(tmp_path), base)
        await until((tmp_path / "alive").exists)
        relay.freeze()
        await delivered(handle, 2)
        first.terminate()
        await ended(first)
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
        await daemons.start("second")
        await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
        (tmp_path / "go").touch()
        assert (await handle.result()).daemon == "second"


async def test_a_daemon_outlives_calls_that_die_with_their_connection(
    daemons: Daemons, temporal_server: WorkflowEnvironment
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        first = await daemons.start("first", relay.address, 1)
        log = daemons.folder / "first" / "log"
        relay.refuse(RPCStatusCode.CANCELLED)
        await until(lambda: b"the core did not take the report" in log.read_bytes() or first.poll() is not None)
        assert first.poll() is None
