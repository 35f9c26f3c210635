"""A real primary dies and its streaming standby is promoted: the record goes on without a restart (rule 9.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest

from demo.demo_repository import make_origin
from domain.events import EventName
from ledger.pool import open_pool
from ledger.reader import Record
from stack.postgres import PostgresServer
from tests.acceptance.houses import eventually
from tests.acceptance.stack import Site
from tests.relay import Relay
from tests.run_servers import free_port

pytestmark = [pytest.mark.rule("9.1"), pytest.mark.timeout(300)]
PAUSED, RESUMED = EventName.DIRECTIVE_PAUSED, EventName.DIRECTIVE_RESUMED


@asynccontextmanager
async def running(server: PostgresServer) -> AsyncIterator[asyncio.subprocess.Process]:
    """The server's process, killed at the end."""
    child = await server.child()
    with (server.data.parent / f"{server.data.name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *child.prefix, *child.command, env=dict(child.environment), cwd=child.folder, stdout=log, stderr=log
        )

    async def answers() -> bool:
        assert process.returncode is None, "it has ended"
        return await child.is_ready(process.pid)

    try:
        await eventually(answers, f"Postgres on port {server.port}")
        yield process
    finally:
        await killed(process)


async def killed(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def standby_of(primary: PostgresServer) -> PostgresServer:
    """A copy that follows the primary by its log."""
    standby = replace(primary, data=primary.data.with_name("standby"), port=free_port())
    child = await primary.child()
    program = Path(child.command[0]).with_name("pg_basebackup")
    address = urlsplit(primary.url())
    source = f"postgresql://{address.username}@127.0.0.1:{primary.port}"
    options = ("-D", standby.data, "-d", source, "-R", "-c", "fast")
    env = {**child.environment, "PGPASSWORD": str(address.password)}
    copying = await asyncio.create_subprocess_exec(*child.prefix, program, *options, env=env)
    assert await copying.wait() == 0
    return standby


async def ask(server: PostgresServer, question: str) -> object:
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_promoted_standby_goes_on_with_the_record(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "servers"
    folder.mkdir(mode=0o700)
    primary = PostgresServer(folder / "primary", folder / "password", free_port(), ("max_wal_senders=3",))
    await primary.prepare()
    async with running(primary) as first, Relay(f"127.0.0.1:{primary.port}").serving() as relay:
        await primary.create_database()
        standby = await standby_of(primary)
        place = urlsplit(primary.url())
        database = place._replace(netloc=f"{place.username}:{place.password}@{relay.address}").geturl()
        health = f"127.0.0.1:{free_port()}"
        async with running(standby), httpx.AsyncClient(base_url=f"http://{health}") as client:
            assert await ask(standby, "select pg_is_in_recovery()") is True
            worker = site.worker(MAKIMA_DATABASE_URL=database, MAKIMA_HEALTH=health)

            async def health_is(status: int) -> str | None:
                try:
                    answer = await client.get("/health")
                except httpx.TransportError:
                    return None  # it is starting
                return answer.text if answer.status_code == status else None

            await eventually(lambda: health_is(200), "a worker that is well")
            start = (
                *("start", "--title", "Kept", "--goal", "g", "--repo", str(make_origin(tmp_path)), "--on", "any"),
                *("--planner", "planner", "--agent", "shell", "--timings", "fast", "--json"),
            )
            started = await asyncio.to_thread(partial(site.starter, *start, MAKIMA_DATABASE_URL=database))
            directive = started.json()["id"]

            async def does(*words: str) -> None:
                command = partial(site.starter, *words[:1], directive, *words[1:], MAKIMA_DATABASE_URL=database)
                ran = await asyncio.to_thread(command)
                assert ran.code == 0, ran

            await does("pause")
            async with await open_pool(standby.url(), size=1) as pool:

                async def recorded() -> list[str]:
                    return [each.what for each in await Record(pool).events(UUID(directive))]

                async def holds(*events: str) -> bool:
                    return [each for each in await recorded() if each in (PAUSED, RESUMED)] == [*events]

                await eventually(lambda: holds(PAUSED), "the standby to follow")
                # The address leads to the standby, which still only reads: the worker's next sessions begin so.
                relay.lead_to(f"127.0.0.1:{standby.port}")
                await killed(first)
                told = await eventually(lambda: health_is(503), "a health that says so")
                assert "refuses to write" in told or "read only" in told
                await does("resume")
                await does("pause")
                assert await holds(PAUSED), "nobody can write"
                assert await ask(standby, "select pg_promote(true, 30)") is True
                await eventually(lambda: health_is(200), "a worker that is well again")
                await eventually(lambda: holds(PAUSED, RESUMED, PAUSED), "the record of what happened meanwhile")
                await does("resume")
                await eventually(lambda: holds(PAUSED, RESUMED, PAUSED, RESUMED), "the record to go on")
            assert worker.popen.poll() is None
