"""Servers that a session's tests share, and an owner of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from runtime.stack_file import ProcessMark, StackFile, write_stack_file
from tests.acceptance.greeter import Greeter, Result
from tests.acceptance.stack import MortalSite, Servers, SharedServers, Site, until
from tests.fixtures_ledger import new_database
from tests.forge_schemas import Held
from tests.run_servers import EXCHANGES, Kind, this_run, worker_name

HERE = Path(__file__).parent
LONGEST = tuple(f"test_{name}.py" for name in ("pull_request_trouble", "disturbances", "schedules", "clean", "pauses"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: the other workers would wait for the one that began such a file last."""
    items.sort(key=lambda item: item.path.name not in LONGEST or item.path.parent != HERE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServers]:
    """The run's, with a namespace and a database for the tests of this worker, who leave the servers alive."""
    temporal, forge = this_run().server(Kind.TEMPORAL), this_run().server(Kind.FORGE)
    data = tmp_path_factory.mktemp("servers") / "data"
    data.mkdir(mode=0o700)
    (data / "forge").symlink_to(forge.folder)
    async with new_database(postgres_server) as database:
        addresses = StackFile(
            temporal_address=temporal.url,
            temporal_namespace=f"{worker_name()}-site",
            web_ui_url=temporal.web_ui,
            database_url=database,
            forge_url=forge.url,
            up=ProcessMark(pid=temporal.pid, started_at=psutil.Process(temporal.pid).create_time()),
        )
        write_stack_file(data, addresses)
        yield SharedServers(data, addresses)
    Held(Path(forge.folder, EXCHANGES)).check()


@pytest.fixture
def site(servers: SharedServers, tmp_path: Path) -> Iterator[Site]:
    """Nothing but the servers, for an owner whom no other test knows."""
    with Site(servers, tmp_path, owner(tmp_path)) as alone:
        yield alone


@pytest.fixture
def mortal_site(tmp_path: Path) -> Iterator[MortalSite]:
    """The same on servers of its own, which the test may kill."""
    with (
        Servers(tmp_path / "servers", "--servers-only") as running,
        MortalSite(running, tmp_path / "site", "default") as alone,
    ):
        yield alone


@pytest.fixture(scope="session")
def undisturbed(servers: SharedServers, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The demo's directive where nothing goes wrong; its worker and daemon have ended."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Site(servers, folder, "undisturbed") as site:
        worker = site.worker()
        site.daemon()
        greeter = Greeter(site)
        greeter.let("all")
        result = greeter.result(greeter.start().ran())
        # The record follows the workflow a moment later; without the worker it would do so only with the next one.
        until(lambda: "idle" in site.starter("list").out, "the record of the end")
        worker.end()  # not killed: the record says at once that nobody keeps it up to date
        return result


def owner(folder: Path) -> str:
    """A valid owner's name that is the test's own."""
    return folder.name.lower().replace("_", "-")[:40].strip("-")
