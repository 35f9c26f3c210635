"""Whatever dies while a directive is at work: it ends with the same branch, each step's change in it exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.greeter import FIRST_STEPS, Greeter, Result
from tests.acceptance.stack import MortalSite, Servers, Site, daemon_settings, processes_of, until


def check(result: Result, undisturbed: Result) -> None:
    assert result.tree == undisturbed.tree
    result.check_each_step_once()


@pytest.mark.rule("5.5")
def test_a_killed_worker_is_not_missed_by_running_steps(site: Site, undisturbed: Result) -> None:
    worker, _ = site.worker(), site.daemon()
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    worker.kill()
    greeter.let("Changelog")
    site.worker()
    greeter.let("all")
    check(greeter.result(start.ran()), undisturbed)
    assert greeter.starts_of_first_steps() == [1, 1]


@pytest.mark.rule("5.4")
@pytest.mark.rule("6.10")
def test_a_killed_daemon_takes_its_agents_along_and_another_one_goes_on(site: Site, undisturbed: Result) -> None:
    site.worker()
    daemon = site.daemon("one")
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    daemon.kill()
    greeter.until_agents_end()
    site.daemon("two")
    greeter.until_running(*FIRST_STEPS, times=2)
    greeter.let("all")
    result = greeter.result(start.ran())
    check(result, undisturbed)
    assert greeter.starts_of_first_steps() == [2, 2]
    assert {step["daemon"] for step in result.shown["steps"]} == {"two"}
    assert {step["attempt"] for step in result.shown["steps"]} == {1}  # a lost daemon uses no attempt


@pytest.mark.rule("6.8")
def test_a_step_whose_daemon_died_between_push_and_report_is_not_done_again(site: Site, undisturbed: Result) -> None:
    site.worker()
    held = site.folder / "held"
    daemon = site.daemon("one", MAKIMA_TEST_HOLD_AFTER_OUTCOME=held)
    greeter = Greeter(site)
    start = greeter.start(planned=False)
    greeter.until_running(*FIRST_STEPS)
    greeter.let("Changelog")
    until(held.exists, "an outcome that is published and not reported")
    daemon.kill()
    greeter.let("all")
    site.daemon("two")
    check(greeter.result(start.ran()), undisturbed)
    assert [len(greeter.started("Changelog")), len(greeter.started("Greeter package"))] == [1, 2]


@pytest.mark.rule("6.8")
def test_a_planner_whose_daemon_died_after_its_outcome_is_not_asked_again(site: Site, undisturbed: Result) -> None:
    site.worker()
    held = site.folder / "held"
    daemon = site.daemon("one", MAKIMA_TEST_HOLD_AFTER_OUTCOME=held)
    greeter = Greeter(site)
    greeter.let("all")
    start = greeter.start()
    until(held.exists, "a plan that is published and not reported")
    daemon.kill()
    site.daemon("two")
    check(greeter.result(start.ran()), undisturbed)
    assert greeter.planned_times() == 1
    assert greeter.starts_of_first_steps() == [1, 1]


@pytest.mark.rule("9.1")
def test_a_killed_temporal_server_goes_on_from_its_file(mortal_site: MortalSite, undisturbed: Result) -> None:
    site = mortal_site
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    site.servers.child("temporal").kill()
    greeter.let("Changelog")  # ends while nobody can be told
    until(lambda: "temporal ended with exit code -9" in site.servers.up.err, "the word of its death")
    greeter.let("all")
    check(greeter.result(start.ran()), undisturbed)
    assert greeter.starts_of_first_steps() == [1, 1]


@pytest.mark.rule("9.1")
def test_a_killed_postgres_holds_nothing_up_and_loses_nothing(mortal_site: MortalSite, undisturbed: Result) -> None:
    site = mortal_site
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    site.servers.child("postgres").kill()
    greeter.let("all")
    result = greeter.result(start.ran())
    check(result, undisturbed)
    assert greeter.starts_of_first_steps() == [1, 1]
    until(lambda: recorded(site) == [("idle", {"completed": 5})], "the record of it all")


def recorded(site: Site) -> list[tuple[str, dict[str, int]]]:
    """What the record alone says of the owner's directives."""
    return [(each["status"], each["steps"]) for each in site.starter("list", "--json").json()["directives"]]


@pytest.mark.rule("9.1")
def test_a_stack_that_is_stopped_in_the_middle_goes_on_when_it_is_started_again(
    tmp_path: Path, undisturbed: Result
) -> None:
    settings = daemon_settings(tmp_path / "operator", "local")
    with (
        Servers(tmp_path, MAKIMA_DAEMON_CONFIG=str(settings)) as servers,
        Site(servers, tmp_path / "operator", "default") as site,
    ):
        greeter = Greeter(site)
        start = greeter.start()
        greeter.until_running(*FIRST_STEPS)
        assert servers.up.end() == 0
        greeter.until_agents_end()
        greeter.let("all")
        servers.start()
        check(greeter.result(start.ran()), undisturbed)
        assert servers.up.end() == 0
        assert servers.up.err == ""  # no part has died by itself
        assert processes_of(servers.data) == set()


@pytest.mark.rule("9.1")
def test_a_running_stack_whose_temporal_loses_everything_goes_on_from_the_record(
    mortal_site: MortalSite, undisturbed: Result
) -> None:
    site = mortal_site
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    directive = greeter.start_only()
    greeter.until_running(*FIRST_STEPS)
    greeter.let("Changelog")
    until(lambda: [(s, n.get("completed")) for s, n in recorded(site)] == [("active", 1)], "the record of one step")
    for file in site.servers.data.glob("temporal.db*"):
        file.unlink()
    site.servers.child("temporal").kill()
    until(lambda: "lost: " in site.starter("list").out, "the word of the loss")
    assert site.starter("recover", "--all").code == 0
    greeter.until_running("Greeter package", times=2)
    greeter.let("all")
    until(lambda: recorded(site) == [("idle", {"completed": 5})], "the record of it all", 120)
    check(Result(greeter.origin, greeter.shown(directive)), undisturbed)
    assert greeter.starts_of_first_steps() == [2, 1]
