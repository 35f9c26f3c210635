"""Servers that a session's tests share, and an owner of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.greeter import Greeter, Result
from tests.acceptance.stack import Servers, Site, until


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Temporal and Postgres for the tests that leave them alive."""
    with Servers(tmp_path_factory.mktemp("servers"), "--servers-only") as running:
        yield running


@pytest.fixture
def site(servers: Servers, tmp_path: Path) -> Iterator[Site]:
    """Nothing but the servers, for an owner whom no other test knows."""
    with Site(servers, tmp_path, owner(tmp_path)) as alone:
        yield alone


@pytest.fixture
def mortal_site(tmp_path: Path) -> Iterator[Site]:
    """The same on servers of its own, which the test may kill."""
    with (
        Servers(tmp_path / "servers", "--servers-only") as running,
        Site(running, tmp_path / "site", "default") as alone,
    ):
        yield alone


@pytest.fixture(scope="session")
def undisturbed(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The demo's directive where nothing goes wrong; its worker and daemon have ended."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Site(servers, folder, "undisturbed") as site:
        site.worker()
        site.daemon()
        greeter = Greeter(site)
        greeter.let("all")
        result = greeter.result(greeter.start().ran())
        # The record follows the workflow a moment later; without the worker it would do so only with the next one.
        until(lambda: "idle" in site.starter("list").out, "the record of the end")
        return result


def owner(folder: Path) -> str:
    """A valid owner's name that is the test's own."""
    return folder.name.lower().replace("_", "-")[:40].strip("-")
