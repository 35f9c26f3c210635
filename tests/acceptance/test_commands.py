"""What the operator's commands show and do, on a directive that is done and on one that runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.greeter import FIRST_STEPS, Greeter, Result
from tests.acceptance.stack import STARTER, Ran, Servers, Site, environment, until

STEP_FIELDS = {
    *("id", "name", "status", "generation", "order_index", "depends_on"),
    *("attempt", "branch", "head_sha", "daemon", "failure"),
}


@pytest.fixture
def afterwards(servers: Servers, undisturbed: Result, tmp_path: Path) -> Iterator[Site]:
    """The owner of the undisturbed directive when neither worker nor daemon run any more."""
    with Site(servers, tmp_path, undisturbed.shown["owner"]) as site:
        # A worker that a test before this one has killed is believed to live until it misses three looks.
        until(lambda: not _is_looked_after(site, undisturbed), "the end of belief in workers of other tests")
        yield site


def _is_looked_after(site: Site, result: Result) -> bool:
    return bool(site.status(result.shown["id"])["live"])


@pytest.mark.rule("9.3")
def test_json_is_one_object_of_the_documented_shape(undisturbed: Result) -> None:
    shown = undisturbed.shown
    assert {"id", "title", "status", "reason", "generation", "pr", "steps"} <= shown.keys()
    assert (shown["title"], shown["status"], shown["reason"], shown["generation"]) == ("Greeter", "idle", "", 1)
    assert {"branch", "url", "state"} <= shown["pr"].keys()
    identity = {step["name"]: step["id"] for step in shown["steps"]}
    for step in shown["steps"]:
        assert step.keys() >= STEP_FIELDS
        assert (step["status"], step["attempt"], step["daemon"], step["failure"]) == ("completed", 1, "one", "")
    assert shown["steps"][3]["depends_on"] == [identity["Command line"], identity["Farewell"]]


@pytest.mark.rule("9.1")
@pytest.mark.rule("9.3")
def test_the_record_answers_when_no_worker_does(afterwards: Site, undisturbed: Result) -> None:
    site, shown = afterwards, undisturbed.shown
    recorded = site.status(shown["id"][:8])
    assert (recorded["live"], shown["live"]) == (False, True)
    assert {**recorded, "live": True, "daemons": shown["daemons"]} == shown
    status = site.starter("status", shown["workflow_id"])
    assert "(as last recorded: no worker is there)" in status.out
    assert all(step["name"] in status.out and step["head_sha"][:10] in status.out for step in shown["steps"])

    listed = site.starter("list", "--json").json()["directives"]
    assert [(each["id"], each["status"], each["steps"]) for each in listed] == [(shown["id"], "idle", {"completed": 5})]
    header, line = site.starter("list", "--status", "idle", "--repo", "ORIGIN", "--title", "greet").out.splitlines()
    assert header.split() == ["ID", "STATUS", "AGE", "REPOSITORY", "TITLE"]
    assert re.fullmatch(rf"{shown['id'][:8]}  idle +\d+ (s|min|h) +origin +Greeter  \[5 completed\]", line), line
    for other in (("--status", "open,paused", "--title", "other"), ("--status", "failed"), ("--repo", "elsewhere")):
        assert site.starter("list", *other).out == ""
    assert site.starter("list", "--status", "asleep").code == 2

    said = site.starter("logs", shown["id"], "Command line")
    ended = r" by \S+, [-\d]{10} [:\d]{8} UTC to [-\d]{10} [:\d]{8} UTC: completed\n"
    assert re.fullmatch(rf"--- Greeter: Command line, attempt 1, delivery \w{{8}} on \S+{ended}Hello, Ada!\n", said.out)
    stamped = site.starter("logs", shown["id"], "Command line", "-t").out.splitlines()[1]
    assert re.fullmatch(r"[-\d]{10}T[:\d]{8}Z Hello, Ada!", stamped)
    planning = rf"--- Plan: Greeter, attempt 1, delivery \w{{8}} on \S+{ended}steps so far: none\n"
    assert re.search(planning, site.starter("logs", shown["id"]).out)
    unknown = site.starter("logs", shown["id"], "No such step")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)


@pytest.mark.rule("9.3")
def test_an_unknown_directive_and_another_owners_are_refused_in_one_line(site: Site, undisturbed: Result) -> None:
    foreign, unknown = undisturbed.shown["id"], str(uuid4())
    calls: list[tuple[str, ...]] = [(name, unknown) for name in ("status", "watch", "logs", "resume")]
    calls += [("goal", unknown, "G"), ("archive", "--yes", unknown), ("status", foreign), ("archive", "--yes", foreign)]
    with ThreadPoolExecutor(4) as pool:
        for call, ran in zip(calls, pool.map(lambda call: site.starter(*call), calls), strict=True):
            assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), (call, ran)
            assert f"there is no directive '{foreign if foreign in call else unknown}'" in ran.err


@pytest.mark.rule("2.9")
@pytest.mark.rule("8.2")
def test_archive_ends_what_runs_and_closes_the_directive(site: Site) -> None:
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    directive = greeter.start_only()
    greeter.until_running(*FIRST_STEPS)
    refused = site.starter("resume", directive)
    assert (refused.code, refused.err) == (2, "makima: only a paused directive can be resumed, this one is active\n")
    asked = site.starter("archive", directive)
    assert asked.code == 2  # nobody said yes
    assert greeter.shown(directive)["status"] == "active"
    assert site.starter("archive", directive, "--yes").out == "archived, generation 1\n"
    greeter.until_agents_end()
    watched = site.starter("watch", directive)
    assert (watched.code, watched.out.splitlines()[-1]) == (0, "Greeter: archived")
    closed = until(lambda: site.starter("goal", directive, "G"), "an answer")
    assert closed.code == 2
    assert closed.err.count("\n") == 1
    assert greeter.starts_of_first_steps() == [1, 1]


def test_doctor_says_what_is_missing_until_nothing_is(site: Site, tmp_path: Path) -> None:
    alone = site.starter("doctor")
    assert alone.code == 1
    assert "ok       Temporal" in alone.out
    assert "start one: python -m daemon" in alone.out  # of workers, which serve all owners, another test's may be there
    site.worker()
    site.daemon()

    def healthy() -> Ran | None:
        ran = site.starter("doctor", "--json")
        return ran if ran.code == 0 else None

    shown = {check["about"]: check["found"] for check in until(healthy, "a daemon's report").json()["checks"]}
    assert shown.keys() == {"Temporal", "worker", "Postgres", "daemon one"}
    assert shown["daemon one"] == "serves planner, shell; 4 of 4 slots free; sandbox: none"

    config = site.folder / "one" / "daemon.toml"
    nowhere = site.starter("doctor", "--repository", str(tmp_path / "nowhere"), MAKIMA_DAEMON_CONFIG=config)
    assert nowhere.code == 1
    assert "ok       agent planner" in nowhere.out
    assert "failed   repository" in nowhere.out


def test_a_reader_who_has_enough_ends_a_command_quietly(afterwards: Site) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = environment(MAKIMA_DATA_DIR=afterwards.servers.data, MAKIMA_OWNER=afterwards.owner)
    try:
        listing = subprocess.run([*STARTER, "list"], env=env, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (listing.returncode, listing.stderr) == (141, b"")
