"""What a daemon tells the core beside the work, through a real Temporal (design 4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.daemon_reports import TelemetryActivities
from daemon.core.temporal_core import TemporalCore
from domain import names
from domain.daemon_messages import Artifact, DaemonReport, LogChunk


class RememberedTelemetry:
    """Keeps what arrives; `opened` lets it arrive."""

    def __init__(self) -> None:
        self.artifacts: list[Artifact] = []
        self.opened = asyncio.Event()

    async def append_log(self, chunk: LogChunk) -> None:
        raise AssertionError("no log was sent")

    async def put_artifact(self, artifact: Artifact) -> None:
        self.artifacts.append(artifact)
        await self.opened.wait()

    async def knows_daemon(self, owner: str, name: str) -> bool:
        raise AssertionError("no report was sent")

    async def report_daemon(self, report: DaemonReport) -> None:
        raise AssertionError("no report was sent")


@pytest.fixture
def client(temporal_server: WorkflowEnvironment) -> Client:
    return temporal_server.client


def artifact(content: str) -> Artifact:
    return Artifact(directive=uuid4(), task=uuid4(), attempt=1, name="plan.json", content=content)


@pytest.mark.rule("1")
async def test_an_artifact_at_its_limit_arrives_once_though_it_is_sent_twice_at_a_time(client: Client) -> None:
    """A daemon whose line broke sends again while the first call is still under way."""
    telemetry, core, sent = RememberedTelemetry(), TemporalCore(client), artifact("x" * 1024 * 1024)
    worker = Worker(
        client,
        task_queue=names.TELEMETRY_QUEUE,
        activities=[TelemetryActivities(telemetry).put_artifact],
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    async with worker, asyncio.timeout(30):
        twice = [asyncio.create_task(core.put_artifact(sent)) for _ in range(2)]
        while not telemetry.artifacts:
            await asyncio.sleep(0.02)
        telemetry.opened.set()
        await asyncio.gather(*twice)
    assert set(telemetry.artifacts) == {sent}
