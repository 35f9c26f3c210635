"""What a run's patches are in its history (workflows/patches.py)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.histories.scenarios import plain_run, shepherded
from tests.workflows.scripted import Handle, Surroundings, surroundings
from workflows import patches
from workflows.patches import BUNDLE, Patch


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


async def patches_in(handle: Handle) -> list[str]:
    events = (await handle.fetch_history()).events
    told = [event.marker_recorded_event_attributes for event in events]
    data = [each.details["patch-data"].payloads[0].data for each in told if each.marker_name == "core_patch"]
    return [json.loads(each)["id"] for each in data]


async def test_all_patches_that_a_run_comes_to_are_one_marker(world: Surroundings) -> None:
    assert await patches_in(await shepherded(world)) == [BUNDLE]


async def test_what_has_come_since_the_bundle_has_a_marker_of_its_own(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "LATER", frozenset((Patch.PLANNERS_TOLD_COSTS,)))
    assert await patches_in(await plain_run(world)) == [BUNDLE, Patch.PLANNERS_TOLD_COSTS]
