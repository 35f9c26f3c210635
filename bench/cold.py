"""How long a directive of 500 steps takes to answer that its worker has evicted, in hops of its chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from uuid import uuid4

from temporalio.client import WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.ledger import LedgerActivities
from bench import scripted
from bench.figures import Figure
from bench.stage import OWNER, Stage, stage
from domain import names
from domain.plan import PlannedStep
from domain.requests import AddStep, Pause, Resume
from domain.statuses import DirectiveStatus
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.writer import PostgresLedger
from workflows.current_details import CurrentDetails
from workflows.directive import DirectiveWorkflow
from workflows.state import DirectiveResult

STEPS, ROUNDS = 500, 3
PLANNED = 200
"""Steps that a plan may have."""
REMEMBERED = 2
"""Directives in the worker's cache, the least that there may be."""
AIM = 10.0


async def figures() -> list[Figure]:
    """A command to it after so many others that it was evicted, and the next one, which finds it there."""
    cold, warm = [], []
    async with stage(with_worker=False) as on, _forgetful_worker(on):
        handle = await _long_directive(on)
        hop = on.stopwatch.take().median
        for _ in range(ROUNDS):
            for _ in range(2 * REMEMBERED):
                await on.to_rest(scripted.chain(OWNER, 1, once=False))
            began = time.perf_counter()
            await handle.execute_update(DirectiveWorkflow.pause, Pause())
            paused = time.perf_counter()
            await handle.execute_update(DirectiveWorkflow.resume, Resume())
            cold.append(paused - began)
            warm.append(time.perf_counter() - paused)
        history = len((await handle.fetch_history()).events)
    name = f"cold, a command to {STEPS} steps ({history:,} events)"
    beside = "a hop of its chain"
    return [
        Figure(name=name, ours=median(cold), unit="s", beside=hop, beside_what=beside, aim=AIM),
        Figure(name="cold, the next one", ours=median(warm), unit="s", beside=hop, beside_what=beside),
    ]


async def _long_directive(on: Stage) -> WorkflowHandle[DirectiveWorkflow, DirectiveResult]:
    """A chain that is longer than a plan may be: the rest is added by hand, while it is paused."""
    state = scripted.chain(OWNER, min(STEPS, PLANNED), once=False)
    handle = await on.to_rest(state)
    before = state.given_plan[-1].name
    await handle.execute_update(DirectiveWorkflow.pause, Pause())
    for number in range(PLANNED + 1, STEPS + 1):
        step = PlannedStep(name=f"Step {number}", task_plan="Do nothing.", depends_on=(before,))
        await handle.execute_update(DirectiveWorkflow.add_step, AddStep(id=uuid4(), step=step))
        before = step.name
    await handle.execute_update(DirectiveWorkflow.resume, Resume())
    while (await handle.query(DirectiveWorkflow.state_now)).status is not DirectiveStatus.IDLE:  # noqa: ASYNC110
        await asyncio.sleep(1)
    return handle


@asynccontextmanager
async def _forgetful_worker(on: Stage) -> AsyncIterator[None]:
    """As worker.py's, with a small cache, in this process."""
    async with await open_pool(on.stack.database_url) as pool:
        await migrate(pool)
        record = LedgerActivities(PostgresLedger(pool))
        async with Worker(
            on.client,
            task_queue=names.DIRECTIVES_QUEUE,
            workflows=[DirectiveWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[CurrentDetails()],
            activities=[
                record.record_progress,
                record.pick_daemon,
                record.find_outcome,
                record.find_steps_done,
                record.find_rates,
            ],
            max_cached_workflows=REMEMBERED,
        ):
            yield
