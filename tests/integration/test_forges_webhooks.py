"""A webhook wakes an intake, and does nothing else (rule 7.9): of each kind of forge, over the real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
import uvicorn
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from cli.operator.http_serving import listen, shown
from cli.operator.webhooks import PATH, Webhooks
from daemon.forges.labelled_issues import LabelledIssues
from domain.intake.progress import progress_mark
from domain.protocol import SignalName
from steering.waking import Waker
from tests.fixtures_forges import KINDS, Site, any_token
from tests.workflows.scripted import until
from tests.workflows.scripted_intake import intake_world, issue

SECRET = "s" * 40


@asynccontextmanager
async def receiving(wake: Callable[[str], Awaitable[bool]]) -> AsyncIterator[str]:
    """The address of a receiver."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(Webhooks(SECRET.encode(), wake), log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"{shown(listening)}{PATH}"
    server.should_exit = True
    await serving


@pytest.mark.rule("7.9")
@pytest.mark.shows("a webhook lets an intake look at once")
@pytest.mark.parametrize("forge_kind", KINDS)
@any_token
async def test_what_people_do_to_issues_wakes_the_repositorys_intake_if_the_secret_is_right(site: Site) -> None:
    woken: list[str] = []

    async def wake(repository: str) -> bool:
        woken.append(repository)
        return True

    async def answered(count: int) -> list[int]:
        async def all_() -> bool:
            return len(await site.forge.hook_answers()) >= count

        await until(all_)
        return (await site.forge.hook_answers())[-1:]

    before = len(await site.forge.hook_answers())
    async with receiving(wake) as url:
        await site.forge.add_hook(site.name, site.kind.value, url, SECRET)
        number = (await site.forge.open_issue(site.name, user="ann", title="Prices"))["number"]
        assert await answered(before + 1) == [202]
        await site.forge.change_issue(site.name, number, user="ann", label="makima")
        assert await answered(before + 2) == [202]
        await site.forge.comment(site.name, number, user="ann", body="/makima replan")
        assert await answered(before + 3) == [202]
        assert woken == [site.name] * 3
        await site.forge.comment(site.name, number, user=site.me, body=f"{progress_mark(UUID(int=1))} working")
        assert await answered(before + 4) == [202] and woken == [site.name] * 4, "our own word is no other"
        wrote = await site.asked("POST|PATCH|PUT", "issues|notes")
        found, left, _ = await LabelledIssues("makima", lambda _: "another").look(await site.adapter.issues(), ())
        assert [each.number for each in left] == [number] and found == []
        assert await site.asked("POST|PATCH|PUT", "issues|notes") == wrote, "and calls for none"
    await site.forge.comment(site.name, number, user="ann", body="The receiver is away.")
    assert await answered(before + 5) == [0]


@pytest.mark.rule("7.9")
@pytest.mark.parametrize("forge_kind", KINDS)
async def test_another_secret_wakes_nothing(site: Site) -> None:
    async def wake(repository: str) -> bool:
        raise AssertionError(repository)

    before = len(await site.forge.hook_answers())
    async with receiving(wake) as url:
        await site.forge.add_hook(site.name, site.kind.value, url, "t" * 40)
        await site.forge.open_issue(site.name, user="ann", title="Prices")

        async def answered() -> bool:
            return len(await site.forge.hook_answers()) > before

        await until(answered)
        assert (await site.forge.hook_answers())[-1] == 401


@pytest.mark.rule("7.9")
async def test_a_woken_intake_looks_long_before_its_poll_and_a_flood_is_two_looks(
    temporal_server: WorkflowEnvironment,
) -> None:
    client = temporal_server.client

    async def temporal() -> Client:
        return client

    async with intake_world(client, every=timedelta(hours=1)) as world:
        await until(lambda: _is(len(world.issues.looks) == 1))
        world.issues.labelled = [issue(7)]
        waker = Waker(temporal, world.directives.owner, soonest=timedelta(hours=1))

        async def known() -> bool:
            """Temporal lists it once it is indexed."""
            return await waker.wake("ACME/shop")

        await until(known)
        assert await asyncio.gather(*(waker.wake("acme/shop") for _ in range(300))) == [True] * 300
        assert not await waker.wake("acme/other")
        await world.until(lambda state: len(state.taken) == 1)
        history = await world.handle.fetch_history()
        signals = [each for each in history.events if each.HasField("workflow_execution_signaled_event_attributes")]
        assert [each.workflow_execution_signaled_event_attributes.signal_name for each in signals] == [
            SignalName.LOOK_NOW
        ]
        assert waker.waiting == 1, "what came after that is one look, later"
        await waker.close()


async def _is(holds: bool) -> bool:
    return holds


@pytest.mark.rule("7.9")
async def test_who_never_ends_a_request_is_let_go_and_others_are_answered_meanwhile() -> None:
    async def wake(_: str) -> bool:
        return True

    async with receiving(wake) as url:
        host, port = httpx.URL(url).host, httpx.URL(url).port or 0
        reader, writer = await asyncio.open_connection(host, port)
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-gitlab-token: {SECRET}\r\ncontent-length: 1000\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        async with httpx.AsyncClient() as people:
            answer = await people.post(
                url, content=b'{"project": {"path_with_namespace": "a/b"}}', headers={"x-gitlab-token": SECRET}
            )
            assert (answer.status_code, answer.content) == (202, b"")
        async with asyncio.timeout(120):
            assert b" 408 " in await reader.readline()
        writer.close()
