"""What a daemon tells the core beside the work, through a real Temporal (design 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import ActivityHandle, Client, Interceptor, OutboundInterceptor, StartActivityInput
from temporalio.service import RetryConfig, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.daemon_reports import TelemetryActivities
from activities.presence import is_present
from daemon.core.temporal_core import TemporalCore
from domain import names
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside
from domain.errors import NotReachable
from tests.relay import Relay


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

    async def note_usage(self, report: UsageReport) -> UsedBeside:
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


class Begun(Interceptor):
    """Tells what the server has taken, once it has: the call then waits for its end."""

    def __init__(self) -> None:
        self.activity: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Begun(next, self.activity)


class _Begun(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, activity: asyncio.Future[str]) -> None:
        super().__init__(next)
        self._activity = activity

    async def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        handle = await super().start_activity(input)
        self._activity.set_result(handle.id)
        return handle


@pytest_asyncio.fixture
async def relay(temporal_server: WorkflowEnvironment) -> AsyncIterator[Relay]:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as between:
        yield between


async def sent_artifact(client: Client) -> None:
    await TemporalCore(client).put_artifact(artifact("x"))


async def sent_log(client: Client) -> None:
    chunk = LogChunk(directive=uuid4(), task=uuid4(), attempt=1, delivery="d", offset=0, text="x")
    await TemporalCore(client).append_log(chunk)


async def sent_report(client: Client) -> None:
    report = DaemonReport(owner="me", name="here", version="1", agents=(), labels=(), capacity=1, running=())
    await TemporalCore(client).report(report)


async def asked_for_presence(client: Client) -> None:
    await is_present(client, "me", "here", timedelta(minutes=5))


@pytest.mark.rule("5.4")
@pytest.mark.parametrize("call", [sent_artifact, sent_log, sent_report, asked_for_presence])
async def test_a_call_that_dies_with_its_connection_has_not_arrived_and_cancels_nobody(
    temporal_server: WorkflowEnvironment, relay: Relay, call: Callable[[Client], Coroutine[Any, Any, None]]
) -> None:
    """Temporal's client raises CancelledError for gRPC's CANCELLED: it ended a daemon's reports, and with them it."""
    known, begun = temporal_server.client, Begun()
    client = await Client.connect(
        relay.address,
        namespace=known.namespace,
        data_converter=known.data_converter,
        interceptors=[begun],
        retry_config=RetryConfig(max_retries=4, initial_interval_millis=10),
    )
    calling = asyncio.create_task(call(client))
    waiting = known.get_activity_handle(await begun.activity)  # for a worker, and there is none
    relay.refuse(RPCStatusCode.CANCELLED)
    with pytest.raises(NotReachable):
        await calling
    await waiting.terminate()
