"""The embedded stack: real servers, real signals, real process deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import psutil
import pytest
from pydantic import SecretStr
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from domain.errors import StackFailed
from runtime.addresses import find_database_url, find_web_ui_url
from runtime.connection import connect_temporal
from runtime.shared_settings import SharedSettings
from runtime.stack_file import StackFile, running_stack
from stack.data_folder import DataFolder
from stack.embedded import down, embedded_stack
from stack.temporal import NAMESPACE
from tests.processes import has_ended, names_of

UP = """
import functools
from runtime.exit import leave, run
from runtime.shared_settings import load_settings
from stack.embedded import up
leave(run(lambda: up(load_settings(), functools.partial(print, flush=True), with_worker=False, with_daemon=False)))
"""


@pytest.fixture(autouse=True)
def environment_without_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [each for each in os.environ if each.startswith(("MAKIMA_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def starting_up(folder: Path) -> subprocess.Popen[str]:
    with (folder.parent / f"{folder.name}.stderr").open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-c", UP],
            env={**os.environ, "MAKIMA_DATA_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # its group is what a terminal's Ctrl-C would reach
        )


def is_server(process: psutil.Process, name: str) -> bool:
    with suppress(psutil.Error):  # it ends in this moment
        return process.name() == name or f"fakes.{name}" in process.cmdline()
    return False


@dataclass(frozen=True)
class Up:
    """A running `up`, with the addresses that it published."""

    process: subprocess.Popen[str]
    settings: SharedSettings
    stack: StackFile

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def server(self, name: str) -> psutil.Process | None:
        direct = psutil.Process(self.process.pid).children()
        return next((each for each in direct if is_server(each, name)), None)

    def stderr(self) -> str:
        folder = self.settings.data_dir
        return (folder.parent / f"{folder.name}.stderr").read_text()


@asynccontextmanager
async def up_on(*folders: Path) -> AsyncIterator[list[Up]]:
    """Start `up` on all folders at the same time; whatever still runs at the end is killed."""
    processes = [starting_up(each) for each in folders]
    try:
        running = []
        for process, folder in zip(processes, folders, strict=True):
            assert process.stdout
            lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(5)]
            stack = running_stack(folder)
            assert stack is not None, (folder.parent / f"{folder.name}.stderr").read_text()
            assert stack.temporal_address in lines[0]
            assert stack.web_ui_url in lines[1]
            assert "@127.0.0.1:" in lines[2]
            assert stack.database_url not in lines[2]  # it holds the password
            assert stack.forge_url in lines[3]
            running.append(Up(process, SharedSettings(data_dir=folder), stack))
        yield running
    finally:
        for process in processes:
            with process, suppress(ProcessLookupError):
                process.kill()
        for folder in folders:
            assert await DataFolder(folder).wait_until_unlocked(20)


def servers_of(settings: SharedSettings) -> AbstractAsyncContextManager[StackFile]:
    """Run the two servers in this process; a child that dies fails the test."""
    return embedded_stack(settings, report=pytest.fail, environment={}, with_worker=False, with_daemon=False)


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def answers(url: str) -> bool:
    try:
        return await query(url, "select 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


async def until_answers(url: str) -> None:
    async with asyncio.timeout(60):
        while not await answers(url):
            await asyncio.sleep(0.05)


def port_answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.rule("9.3")
async def test_a_stack_serves_its_folder_alone_and_stops_without_leaving_a_process(tmp_path: Path) -> None:
    folder, told = tmp_path / "data", list[str]()
    assert await down(SharedSettings(data_dir=folder), told.append) == 0
    assert told == [f"no stack is running in {folder}"]
    async with up_on(folder) as (up,):
        client = await connect_temporal(up.settings, identity="test")
        assert await client.service_client.check_health()
        assert find_web_ui_url(up.settings) == up.stack.web_ui_url
        assert await query(find_database_url(up.settings), "select current_database()") == "makima"
        assert [each.name for each in folder.iterdir() if each.stat().st_mode & 0o077] == []

        with starting_up(folder) as second:
            assert await asyncio.to_thread(second.wait) == 2
        refusal = up.stderr()
        assert refusal.count("\n") == 1
        assert f"already running in {folder} (pid {up.process.pid})" in refusal

        children = up.children()
        heard = {each.laddr.ip for child in children for each in child.net_connections() if each.status == "LISTEN"}
        assert heard == {"127.0.0.1"}, "nothing listens for other machines"
        assert up.process.pid not in {os.getpgid(each.pid) for each in children}  # Ctrl-C reaches `up` alone
        os.killpg(up.process.pid, signal.SIGINT)
        assert await asyncio.to_thread(up.process.wait) == 0
        assert all(has_ended(each) for each in children)
        assert running_stack(folder) is None
        assert "fast shutdown request" in (folder / "logs" / "postgres.log").read_text()


async def test_two_folders_are_two_stacks_also_when_started_together(tmp_path: Path) -> None:
    async with up_on(tmp_path / "one", tmp_path / "two") as (one, two):
        await query(one.stack.database_url, "create table only_here ()")
        assert await query(two.stack.database_url, "select to_regclass('only_here')") is None
        addresses = {stack.temporal_address for stack in (one.stack, two.stack)}
        assert len(addresses | {stack.web_ui_url for stack in (one.stack, two.stack)}) == 4
        told = list[str]()
        assert await down(one.settings, told.append) == 0
        assert told == [f"stopped the stack in {one.settings.data_dir}"]
        assert one.process.wait() == 0
        assert await answers(two.stack.database_url)


async def test_killed_servers_are_started_again_with_their_data(tmp_path: Path) -> None:
    async with up_on(tmp_path / "data") as (up,):
        await query(up.stack.database_url, "create table kept as select 7 as value")
        for name in ("postgres", "temporal", "forge"):
            server = up.server(name)
            assert server is not None
            server.kill()
        told = [
            f"makima: {name} ended with exit code -9, started again in 1 s"
            for name in ("forge", "postgres", "temporal")
        ]
        await until(lambda: sorted(up.stderr().splitlines()) == told)
        await until(lambda: up.server("postgres"))
        await until(lambda: up.server("temporal"))
        await until(lambda: port_answers(up.stack.forge_url.removeprefix("http://")))
        await until_answers(up.stack.database_url)
        assert await query(up.stack.database_url, "select value from kept") == 7
        await until(lambda: port_answers(up.stack.temporal_address))
        client = await connect_temporal(up.settings)
        assert await client.service_client.check_health()
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        assert found.config.workflow_execution_retention_ttl.ToTimedelta() >= timedelta(days=30)


async def test_a_killed_up_leaves_no_process_and_the_next_one_goes_on_at_the_same_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with up_on(folder) as (first,):
        await query(first.stack.database_url, "create table kept as select 7 as value")
        children = first.children()
        assert {"postgres", "temporal"} <= names_of(children)
        first.process.kill()
        # At once, while the children of the killed one are still ending.
        async with up_on(folder) as (second,):
            assert all(has_ended(each) for each in children)
            same = second.stack.model_copy(update={"up": first.stack.up})
            assert same == first.stack
            assert await query(second.stack.database_url, "select value from kept") == 7


async def test_a_kept_port_that_a_stranger_took_and_a_pid_that_was_given_away_do_not_stop_the_next_start(
    tmp_path: Path,
) -> None:
    settings = SharedSettings(data_dir=tmp_path / "data")
    async with servers_of(settings) as first:
        port = int(first.temporal_address.partition(":")[2])
    with taken(port) as stranger:
        stale = tmp_path / "data" / "postgres" / "postmaster.pid"
        stale.write_text(f"{stranger}\n{stale.parent}\n")
        async with servers_of(settings) as second:
            assert second.temporal_address != first.temporal_address
            assert second.database_url == first.database_url
            assert await answers(second.database_url)


async def test_a_folder_whose_first_start_was_killed_is_usable(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "half").touch()
    (folder / "temporal.db").touch()  # the server has made its file, but no table in it yet
    (folder / "temporal.db.incomplete").touch()
    async with up_on(folder) as (up,):
        assert await answers(up.stack.database_url)
        assert not (folder / "temporal.db.incomplete").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a user namespace")
async def test_where_root_may_make_no_user_namespace_a_database_of_ones_own_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no `unshare`
    without = SharedSettings(data_dir=tmp_path / "data")
    with pytest.raises(StackFailed, match=r"^[^\n]*MAKIMA_DATABASE_URL[^\n]*$"):
        async with servers_of(without):
            pass
    url = SecretStr("postgresql://me@elsewhere/db")
    async with servers_of(without.model_copy(update={"database_url": url})) as stack:
        assert stack.database_url == url.get_secret_value()
        assert not (tmp_path / "data" / "postgres").exists()


@contextmanager
def taken(port: int) -> Iterator[int]:
    """Let another process listen on the port; yields its pid."""
    program = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout
        stranger.stdout.readline()
        try:
            yield stranger.pid
        finally:
            stranger.kill()
