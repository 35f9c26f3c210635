"""The real servers that tests run against, one of each for the whole session."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from stack.data_folder import DataFolder
from stack.postgres import PostgresServer
from stack.supervisor import Supervisor
from stack.temporal import SEARCH_ATTRIBUTES, TUNING, find_binary


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server in memory, tuned as the embedded stack's; its `client` has the pydantic converter."""
    attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    environment = await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=find_binary(),
        dev_server_extra_args=[*TUNING, *attributes],
    )
    async with environment:
        yield environment


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of the database `postgres` on a server of this session, as its superuser."""
    folder = DataFolder(tmp_path_factory.mktemp("postgres-server"))
    folder.prepare()
    async with folder.locked() as lock:
        # No test asks what survives a power cut; without fsync a database is dropped in 0.06 s in place of 0.6 s.
        server = PostgresServer(folder.postgres, folder.postgres_password, free_port(), settings=("fsync=off",))
        supervisor = Supervisor(folder.logs, lock, lambda line: sys.stderr.write(f"{line}\n"))
        try:
            await server.prepare()
            await supervisor.start(await server.child())
            yield server.url("postgres")
        finally:
            await supervisor.stop()


def free_port() -> int:
    """Any one: the preferred one would be taken by all processes of a test run that start at the same moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
