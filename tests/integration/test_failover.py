"""The record goes on: after a Postgres that refused to write for a while, and through a real PgBouncer."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from domain.daemon_messages import LogChunk
from domain.errors import MakimaError, NotReachable
from domain.record import Facts, ProgressWrite, snapshot
from ledger.migrate import migrate, shipped
from ledger.pool import Database, check_writable, open_pool, place, translated
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.fixtures_ledger import administer, database_name
from tests.needs import need
from tests.relay import Relay
from tests.values import directive_with, event
from tests.workflows.scripted import until

pytestmark = pytest.mark.rule("9.1")


async def test_sessions_that_refuse_to_write_are_given_up(postgres_server: str, database: str) -> None:
    """As after a failover: sessions that began while their server was read-only stay so for as long as they live."""
    name, state = database_name(database), directive_with()
    async with await open_pool(database, size=3) as pool:
        ledger = PostgresLedger(pool)
        await ledger.record(snapshot(state, Facts(), "run", 1))
        await check_writable(pool)
        await administer(postgres_server, f"alter database {name} set default_transaction_read_only = on")
        await _end_sessions(postgres_server, name)

        async def refuses() -> bool:
            try:
                await ledger.record(snapshot(state, Facts(), "run", 2))
            except NotReachable as error:  # never RecordError: the statement is right
                return "refuses to write" in str(error)
            return False

        await until(refuses)
        with pytest.raises(NotReachable, match="standby, or set to read only"):
            await check_writable(pool)
        assert await Record(pool).state(state.directive.id) is not None, "it can still be read"
        pinned = await asyncio.gather(*(pool.fetchval("select pg_sleep(0.1)") for _ in range(3)))
        assert len(pinned) == 3, "three sessions, and all began read-only"
        await administer(postgres_server, f"alter database {name} reset default_transaction_read_only")
        for _ in range(4):  # each statement that is refused gives up all of them
            if not await refuses():
                break
        await ledger.record(snapshot(state, Facts(events=(event("it goes on"),)), "run", 3))
        await check_writable(pool)
        assert [each.what for each in await Record(pool).events(state.directive.id)] == ["it goes on"]


async def _end_sessions(server: str, name: str) -> None:
    await administer(server, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")


async def test_whoever_loses_a_deadlock_tries_again(empty_database: str) -> None:
    async with await open_pool(empty_database, size=2) as pool:
        both = asyncio.Barrier(2)

        async def locks(*numbers: int) -> str:
            with translated():
                async with pool.acquire() as session, session.transaction():
                    await session.execute(f"select pg_advisory_xact_lock({numbers[0]})")
                    await both.wait()
                    await session.execute(f"select pg_advisory_xact_lock({numbers[1]})")
            return "both"

        ends = await asyncio.gather(locks(1, 2), locks(2, 1), return_exceptions=True)
        lost = [end for end in ends if end != "both"]
        assert len(lost) == 1 and isinstance(lost[0], NotReachable), ends


def test_an_address_of_several_hosts_is_named_without_its_password() -> None:
    assert place("postgresql://me:s3cret@one,two:6432/record?target_session_attrs=primary") == "one:5432,two:6432"
    assert place("postgresql:///record") == "localhost:5432"


@pytest.fixture
def bouncer(empty_database: str) -> Iterator[str]:
    """The URL of an empty database through PgBouncer in transaction mode, with two sessions for all its clients."""
    program = need("pgbouncer", "pgbouncer")
    place_, folder = urlsplit(empty_database), Path(f"/tmp/pgbouncer-{uuid4().hex[:8]}")
    folder.mkdir(mode=0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "users").write_text(f'"{place_.username}" "{place_.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={place_.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder}/users\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n"
    )
    # It refuses to run as root.
    user = ["-u", pwd.getpwnam("nobody").pw_name] if os.getuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *user, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        yield place_._replace(netloc=f"{place_.username}:{place_.password}@127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


async def until_it_serves(bouncer: str) -> None:
    async def answers() -> bool:
        try:
            async with await open_pool(bouncer, size=1):
                return True
        except MakimaError:
            return False

    await until(answers)


async def test_a_pooler_that_comes_between_later_is_noticed(empty_database: str, bouncer: str) -> None:
    """As after a change of a name's address: it is met with statements that were prepared for sessions of its own."""
    await until_it_serves(bouncer)
    direct = urlsplit(empty_database)
    async with Relay(f"127.0.0.1:{direct.port}").serving() as relay:
        address = direct._replace(netloc=f"{direct.username}:{direct.password}@{relay.address}").geturl()
        async with await open_pool(address, size=4) as one, await open_pool(address, size=4) as other:
            await migrate(one)

            async def work(pool: Database) -> int:
                """How often it was not reachable meanwhile."""
                tries = 0
                ledger, state = PostgresLedger(pool), directive_with(steps=5)
                for sequence in range(1, 16):
                    written = snapshot(state, Facts(events=(event(f"{sequence}"),)), "run", sequence)

                    async def goes_on(write: ProgressWrite = written) -> bool:
                        nonlocal tries
                        tries += 1
                        try:
                            await ledger.record(write)
                            return await Record(pool).state(state.directive.id) == state
                        except NotReachable:  # never RecordError: the statement is right
                            return False

                    await until(goes_on)
                return tries - 15

            await asyncio.gather(work(one), work(other))
            relay.lead_to(f"127.0.0.1:{urlsplit(bouncer).port}")

            async def undisturbed() -> bool:
                return not sum(await asyncio.gather(*(work(pool) for pool in (one, other) for _ in range(4))))

            await until(undisturbed)
            await check_writable(one)


async def test_the_record_is_kept_through_pgbouncer_in_transaction_mode(bouncer: str) -> None:
    await until_it_serves(bouncer)
    pools = [await open_pool(bouncer, size=4) for _ in range(3)]
    try:
        applied = await asyncio.gather(*(migrate(pool) for pool in pools))
        assert sorted(name for names in applied for name in names) == [migration.name for migration in shipped()]
        states = [directive_with(steps=5) for _ in range(12)]

        async def work(number: int) -> None:
            ledger, record = PostgresLedger(pools[number % 3]), Record(pools[(number + 1) % 3])
            state = states[number]
            for sequence in (1, 2, 3):
                await ledger.record(snapshot(state, Facts(events=(event(f"{sequence}"),)), "run", sequence))
                chunk = LogChunk(
                    directive=state.directive.id, task=next(iter(state.tasks)), attempt=1, delivery="d",
                    offset=sequence, text="x",
                )  # fmt: skip
                await ledger.append_log(chunk)
            assert await record.state(state.directive.id) == state
            assert [each.what for each in await record.events(state.directive.id)] == ["1", "2", "3"]

        await asyncio.gather(*(work(number) for number in range(len(states))))
        assert len(await Record(pools[0]).directives("me")) == len(states)
        await check_writable(pools[0])
    finally:
        await asyncio.gather(*(pool.close() for pool in pools))
