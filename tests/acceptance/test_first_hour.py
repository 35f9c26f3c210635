"""What a newcomer meets with a stack of their own: when it is ready, and what its settings do to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.stack import MortalSite, Ran, Servers, Site, environment, typed, until
from tests.processes import with_word

ROUNDS = int(os.environ.get("MAKIMA_RACES", "3"))
SETTINGS = 'name = "mine"\nsandbox = "none"\nserves = ["shell"]\nallow_local_repositories = true\n'


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MortalSite]:
    (tmp_path / "daemon.toml").write_text(SETTINGS)
    config, state = str(tmp_path / "daemon.toml"), str(tmp_path / "state")
    servers = Servers(tmp_path, MAKIMA_DAEMON_CONFIG=config, XDG_STATE_HOME=state)
    with servers, MortalSite(servers, tmp_path / "site", "default") as site:
        yield site


def daemon_of(site: MortalSite) -> psutil.Process:
    (daemon,) = with_word(psutil.Process(site.servers.up.popen.pid).children(), "daemon")
    return daemon


@pytest.mark.rule("9.4")
def test_up_says_when_it_is_ready_and_settings_that_are_wrong_leave_the_daemon_as_it_is(
    house: MortalSite, tmp_path: Path
) -> None:
    until(lambda: "Ready        mine serves shell; next: `python starter.py start" in house.servers.up.out, "ready")
    assert '"mine"' in house.starter("daemons", "--json").out, "ready means that it has reported"
    assert str(house.servers.data) in (tmp_path / "state" / "makima" / "stacks.json").read_text()
    before = daemon_of(house)
    (tmp_path / "daemon.toml").write_text(f'capacity = "many"\n{SETTINGS}')
    refused = house.starter("restart", "daemon")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
    assert "capacity" in refused.err and "the daemon was not restarted, it goes on as it was" in refused.err
    assert before.is_running() and daemon_of(house).pid == before.pid

    before.kill()
    until(lambda: "daemon ended with exit code 2 (makima: " in house.servers.up.err, "why it keeps dying")
    assert "capacity" in house.servers.up.err

    (tmp_path / "daemon.toml").write_text(SETTINGS.replace('"mine"', '"other"'))
    until(lambda: '"other"' in house.starter("daemons", "--json").out, "the daemon, by itself")
    restarted = house.starter("restart", "daemon")
    assert restarted.code == 0, restarted
    assert restarted.out.startswith("restarted the daemon: ready, other serves shell; next: `python starter.py start")
    assert daemon_of(house).pid != before.pid


@pytest.mark.rule("9.5")
def test_the_stack_that_was_started_last_is_found_by_itself_and_destroyed_only_when_it_is_named(
    mortal_site: MortalSite, tmp_path: Path
) -> None:
    data, state = mortal_site.servers.data, tmp_path / "state"
    state.mkdir()
    (state / "makima").mkdir()
    gone = tmp_path / "gone"
    (state / "makima" / "stacks.json").write_text(json.dumps({"folders": [str(gone), str(data)]}))

    def starter(*args: str, **variables: str) -> Ran:
        env = environment(HOME=tmp_path / "home", XDG_STATE_HOME=state, **variables)
        if not variables:
            del env["TEMPORAL_CONFIG_FILE"]
        return typed(args, env)

    found = starter("doctor")
    assert f"the stack in {data}, which was started last" in found.err
    assert mortal_site.servers.addresses.temporal_address in found.out

    explicit = starter("doctor", MAKIMA_DATA_DIR=str(tmp_path / "another"))
    assert explicit.err == "" and mortal_site.servers.addresses.temporal_address not in explicit.out

    for command in (("down",), ("archive", "abcd", "--yes")):
        refused = starter(*command)
        assert (refused.code, refused.out) == (2, ""), refused
        assert f"needs to be told the stack: MAKIMA_DATA_DIR={data}" in refused.err
    assert mortal_site.servers.up.popen.poll() is None


@pytest.mark.rule("6.15")
def test_of_two_daemons_of_a_name_that_start_at_the_same_moment_one_lives(site: Site) -> None:
    site.worker()
    with Site(site.servers, site.folder / "twin", site.owner) as twin:
        for number in range(ROUNDS):
            one_lives(f"race-{number}", site, twin)


def one_lives(name: str, *sites: Site) -> None:
    both = [each.daemon(name) for each in sites]
    until(lambda: any(each.popen.poll() is not None for each in both), f"{name}: the one that has lost")
    (lost,) = [each for each in both if each.popen.poll() is not None]
    (lives,) = [each for each in both if each is not lost]
    assert lost.wait() == 2 and f"another daemon '{name}'" in lost.err, lost.err
    until(lambda: f"daemon {name} of owner" in lives.err, "the other one")
    assert lives.popen.poll() is None
    lives.kill()


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
