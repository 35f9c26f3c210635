"""What a newcomer meets with a stack of their own: when it is ready, and what its settings do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import MortalSite, Servers, Site, until
from tests.processes import names_of

SETTINGS = 'name = "mine"\nsandbox = "none"\nserves = ["shell"]\nallow_local_repositories = true\n'


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MortalSite]:
    (tmp_path / "daemon.toml").write_text(SETTINGS)
    servers = Servers(tmp_path, MAKIMA_DAEMON_CONFIG=str(tmp_path / "daemon.toml"))
    with servers, MortalSite(servers, tmp_path / "site", "default") as site:
        yield site


@pytest.mark.rule("9.4")
def test_up_says_when_it_is_ready_and_settings_that_are_wrong_leave_the_daemon_as_it_is(
    house: MortalSite, tmp_path: Path
) -> None:
    until(lambda: "Ready        mine serves shell; next: `python starter.py start" in house.servers.up.out, "ready")
    assert '"mine"' in house.starter("daemons", "--json").out, "ready means that it has reported"
    before = house.servers.child("daemon")
    (tmp_path / "daemon.toml").write_text(f'capacity = "many"\n{SETTINGS}')
    refused = house.starter("restart", "daemon")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
    assert "capacity" in refused.err and "the daemon was not restarted, it goes on as it was" in refused.err
    assert before.is_running() and house.servers.child("daemon").pid == before.pid

    before.kill()
    until(lambda: "daemon ended with exit code 2 (makima: " in house.servers.up.err, "why it keeps dying")
    assert "capacity" in house.servers.up.err

    (tmp_path / "daemon.toml").write_text(SETTINGS.replace('"mine"', '"other"'))
    until(lambda: '"other"' in house.starter("daemons", "--json").out, "the daemon, by itself")
    restarted = house.starter("restart", "daemon")
    assert restarted.code == 0, restarted
    assert restarted.out.startswith("restarted the daemon: ready, other serves shell; next: `python starter.py start")
    assert names_of([house.servers.child("daemon")])


@pytest.mark.rule("6.15")
def test_a_second_daemon_of_a_name_is_refused_while_the_first_one_lives(site: Site) -> None:
    site.worker()
    first = site.daemon()
    until(lambda: "one" in site.starter("daemons").out, "the first one")
    twin = Site(site.servers, site.folder / "twin", site.owner)
    with twin:
        second = twin.daemon()
        assert second.wait() == 2
        assert "another daemon 'one'" in second.err and "give this one another name" in second.err
        assert second.err.strip().count("\n") == 0
        first.kill()
        third = twin.daemon("one")
        until(lambda: "serves" in third.err, "that the name is free again")
        assert third.popen.poll() is None
