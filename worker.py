"""Composition root 1: settings → pool → workers for directives, their record, and the daemons' telemetry."""

from __future__ import annotations

import asyncio
import logging
import signal

from temporalio.client import Client
from temporalio.worker import Worker

from activities.ledger import LedgerActivities
from activities.telemetry import TelemetryActivities
from domain import names
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.writer import PostgresLedger
from runtime.connection import connect_temporal, find_database_url
from runtime.exit import leave, run
from runtime.settings import load_settings
from workflows.directive import DirectiveWorkflow
from workflows.search_attributes import add_missing_search_attributes


def build_workers(client: Client, ledger: PostgresLedger) -> list[Worker]:
    """One worker a queue: telemetry has slots of its own, so that logs never hold up the record (DESIGN 4)."""
    record = LedgerActivities(ledger)
    telemetry = TelemetryActivities(ledger)
    return [
        Worker(
            client,
            task_queue=names.DIRECTIVES_QUEUE,
            workflows=[DirectiveWorkflow],
            activities=[record.record_progress, record.pick_daemon],
        ),
        Worker(
            client,
            task_queue=names.TELEMETRY_QUEUE,
            activities=[telemetry.append_task_log, telemetry.put_artifact, telemetry.report_daemon],
            max_concurrent_activities=20,
        ),
    ]


async def main() -> int:
    settings = load_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database_url = find_database_url(settings)
    client = await connect_temporal(settings, identity="worker")
    await add_missing_search_attributes(client)
    async with await open_pool(database_url) as pool:
        await migrate(pool)
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        workers = build_workers(client, PostgresLedger(pool))
        running = [asyncio.create_task(worker.run()) for worker in workers]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        await asyncio.gather(*running)  # a worker that failed raises its error here
    return 0


if __name__ == "__main__":
    leave(run(main))
