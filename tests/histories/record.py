"""`make histories`: run the scenarios on a real server and keep their histories for tests/workflows/test_replay.py."""

from __future__ import annotations

import asyncio
import sysconfig
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from runtime.exit import leave
from stack.temporal import SEARCH_ATTRIBUTES, TUNING, find_binary
from tests.histories.intake_scenarios import INTAKES
from tests.histories.scenarios import SCENARIOS
from tests.workflows.scripted import surroundings
from tests.workflows.scripted_intake import intake_world

FOLDER = Path(__file__).parent


async def record() -> None:
    attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    environment = await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=find_binary(),
        dev_server_extra_args=[*TUNING, *attributes],
    )
    async with environment:
        for name, scenario in SCENARIOS.items():
            async with surroundings(environment.client) as world:
                history = await (await scenario(world)).fetch_history()
            keep(name, history)
        for name, (intake, settings) in INTAKES.items():
            async with intake_world(environment.client, **settings) as intakes:
                history = await (await intake(intakes)).fetch_history()
            keep(name, history)


def keep(name: str, history: WorkflowHistory) -> None:
    # Stack traces of what is tried again name files by their whole paths.
    told = history.to_json().replace(f"{sysconfig.get_path('purelib')}/", "").replace(f"{FOLDER.parents[1]}/", "")
    (FOLDER / f"{name}.json").write_text(told + "\n")
    print(f"{name}: {len(history.events)} events")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(record())
    leave(0)
