"""Every command of ours in docker-compose.yml, run by hand with its exact environment on real servers.

Only addresses and paths are others; there is no Docker engine here.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.compose_file import Container, Places, container, entrypoint, healthcheck
from workflows.attribute_registration import missing_search_attributes

NAMESPACE = "compose-test"
# What a person may choose: quotes, spaces and the separators of a URL.
VALUES = {
    "POSTGRES_PASSWORD": "the test server has another one",
    "TEMPORAL_DB_PASSWORD": "it's: a/b@c",
    "MAKIMA_DB_PASSWORD": "w\"o?r#k%e\\r's",
    "TEMPORAL_NAMESPACE": NAMESPACE,
}


@pytest.fixture(scope="module")
def places(
    temporal_server: WorkflowEnvironment, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Places:
    target = temporal_server.client.service_client.config.target_host
    return Places(target, postgres_server, tmp_path_factory.mktemp("volumes"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def databases(places: Places) -> AsyncIterator[None]:
    """What the job `databases` made; its second run finds all there, and brings another password in."""
    address = urlsplit(places.postgres)
    superuser = {
        "PGHOST": str(address.hostname),
        "PGPORT": str(address.port),
        "PGUSER": str(address.username),
        "PGPASSWORD": str(address.password),
    }
    job = container("databases", VALUES, places)
    assert await job.run(**superuser, MAKIMA_DB_PASSWORD="an earlier one") == (0, "")
    assert await job.run(**superuser) == (0, "")
    yield
    connection = await asyncpg.connect(places.postgres)
    try:
        for name in ("temporal", "temporal_visibility", "makima"):
            await connection.execute(f"drop database {name} with (force)")
        await connection.execute("drop role temporal, makima_app")
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(places: Places) -> Client:
    """What the job `temporal-namespace` made; its second run finds it there, and brings another retention in.

    No worker has served it yet: that one would add missing search attributes by itself.
    """
    for retention in ("1d", "30d"):
        exit_code, told = await container("temporal-namespace", VALUES, places).run(RETENTION=retention, PATIENCE="30")
        assert exit_code == 0, told
    client = await Client.connect(places.temporal, namespace=NAMESPACE)
    assert await missing_search_attributes(client) == {}
    return client


@asynccontextmanager
async def running(part: Container) -> AsyncIterator[None]:
    """Start it, stop it as compose does, see it end well; what it printed is shown where it doesn't."""
    process = await part.start()
    output = asyncio.create_task(process.communicate())
    try:
        yield
        assert process.returncode is None, "it ended by itself"
    finally:
        if process.returncode is None:
            process.terminate()
        printed, _ = await output
        assert process.returncode == 0, printed.decode()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.05)


async def sql(places: Places, user: str, database: str, statement: str) -> object:
    """Run one statement as a role of the file's, with the password that the file gives it."""
    address = urlsplit(places.postgres)
    password = VALUES[{"makima_app": "MAKIMA_DB_PASSWORD", "temporal": "TEMPORAL_DB_PASSWORD"}[user]]
    connection = await asyncpg.connect(
        host=address.hostname, port=address.port, user=user, password=password, database=database
    )
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("user", "database"), [("makima_app", "makima"), ("temporal", "temporal"), ("temporal", "temporal_visibility")]
)
async def test_a_role_makes_what_it_needs_in_its_own_databases(
    databases: None, places: Places, user: str, database: str
) -> None:
    await sql(places, user, database, "create table made ()")
    await sql(places, user, database, "drop table made")
    # Temporal's schema for visibility makes it, as the role that owns the database.
    await sql(places, user, database, "create extension btree_gin")
    assert await sql(places, user, database, "select rolsuper from pg_roles where rolname = current_user") is False


@pytest.mark.parametrize(("user", "database"), [("makima_app", "temporal"), ("temporal", "makima")])
async def test_a_role_is_turned_away_from_the_databases_of_the_other(
    databases: None, places: Places, user: str, database: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql(places, user, database, "select 1")


def test_the_schema_job_brings_up_both_databases_and_stops_at_the_first_failure(places: Places, tmp_path: Path) -> None:
    job = container("temporal-schema", VALUES, places)
    calls = tmp_path / "calls"
    tool = tmp_path / "temporal-sql-tool"  # the real one is in Temporal's image alone
    tool.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n[ "$(wc -l <{calls})" -lt "${{FAILS_AT:-99}}" ]\n')
    tool.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    def run(**further: str) -> int:
        calls.write_text("")
        return subprocess.run(job.argv, check=False, env={**job.environment, "PATH": path, **further}).returncode

    assert run(FAILS_AT="2") != 0
    assert len(calls.read_text().splitlines()) == 2
    assert run() == 0
    who = "--plugin postgres12 --ep postgres -p 5432 -u temporal --db"
    folder = "/etc/temporal/schema/postgresql/v12"
    assert calls.read_text().splitlines() == [
        f"{who} temporal setup-schema -v 0.0",
        f"{who} temporal update-schema -d {folder}/temporal/versioned",
        f"{who} temporal_visibility setup-schema -v 0.0",
        f"{who} temporal_visibility update-schema -d {folder}/visibility/versioned",
    ]


@pytest.mark.rule("9.2")
async def test_the_namespace_job_registers_all_that_a_directive_needs(namespace: Client) -> None:
    request = DescribeNamespaceRequest(namespace=NAMESPACE)
    found = await namespace.workflow_service.describe_namespace(request)
    assert found.config.workflow_execution_retention_ttl.ToTimedelta().days == 30


async def test_the_namespace_job_gives_up_in_one_line_where_no_server_comes(places: Places) -> None:
    job = container("temporal-namespace", VALUES, places)
    exit_code, told = await job.run(TEMPORAL_ADDRESS="127.0.0.1:1", PATIENCE="1")
    assert exit_code == 1
    assert told.splitlines()[-1] == "gave up after 1 s on: temporal operator cluster health"


@pytest.mark.rule("4.4")
async def test_worker_and_daemon_serve_and_the_starter_answers(
    databases: None, namespace: Client, places: Places
) -> None:
    health = container("worker", VALUES, places, healthcheck)
    assert await health.run() == (1, "no worker polls the queue 'directives'\n")

    async def is_healthy() -> bool:
        return (await health.run())[0] == 0

    async def has_reported() -> bool:
        return bool(await sql(places, "makima_app", "makima", "select exists (select from daemons)"))

    async with running(container("worker", VALUES, places)):
        await until(is_healthy)
        async with running(container("daemon", VALUES, places)):
            await until(has_reported)
        daemon = "select array[owner, name] || agents from daemons"
        assert await sql(places, "makima_app", "makima", daemon) == ["default", "docker", "claude"]
        starter = container("starter", VALUES, places, entrypoint)
        code, listed = await starter.run("list", "--json")
        assert (code, json.loads(listed)["directives"]) == (0, [])
