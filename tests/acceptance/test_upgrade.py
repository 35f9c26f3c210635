"""A running installation is upgraded: directives in every state were begun by the version before, and all go on.

The version before is a commit of this repository's own history, before directives had secrets: servers, worker and
daemon run from its files, and then from those of today, on the same data.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tarfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.houses import forge_of, forge_settings
from tests.acceptance.stack import ROOT, Running, Servers, Site, make_environment, until
from tests.forge import ForgeUnderTest, Person

BEFORE = "469e86a1311cf38a08f576a967ec235f1698e72e"
"""The last commit whose attempts had no secret."""
OWNER = "default"


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The files of that commit."""
    archived = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode != 0:
        pytest.skip(f"the commit before, {BEFORE[:7]}, is not in this clone: fetch its history (git fetch --unshallow)")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as files:
        files.extractall(folder, filter="data")
    make_environment(folder)
    return folder


class Installation:
    """One owner's directives, each in a repository of its own, held by files until the test lets them go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repositories"
        self.gates = folder / "gates"
        self.site: Site
        self.ids: dict[str, str] = {}
        for each in (self.folder, self.gates):
            each.mkdir()

    def waits_for(self, gate: str) -> str:
        return f"touch {self.gates}/{gate}-began; until test -e {self.gates}/{gate}; do sleep 0.05; done"

    def start(self, name: str, script: str = "", *options: str, repository: str = "") -> None:
        (self.folder / name).mkdir()
        repository = repository or str(make_origin(self.folder / name))
        about = ("--title", name, "--goal", name, "--repo", repository, "--timings", "fast", "--on", "any")
        plan = self.folder / name / "plan.json"
        plan.write_text(json.dumps({"steps": [{"name": "Build", "taskPlan": script}]}))
        planned = (*(("--plan", str(plan)) if script else ("--planner", "planner")), "--agent", "shell")
        started = self.site.starter("start", *about, *planned, *options, "--json")
        self.ids[name] = started.json()["id"]

    def shown(self, name: str) -> dict[str, Any]:
        return self.site.status(self.ids[name])

    def is_at(self, name: str, *statuses: str) -> bool:
        return self.shown(name)["status"] in statuses

    def until_at(self, name: str, *statuses: str) -> None:
        until(partial(self.is_at, name, *statuses), f"{name} to be {' or '.join(statuses)}", 120)

    def until_began(self, gate: str) -> None:
        until((self.gates / f"{gate}-began").exists, f"the beginning of {gate}", 120)

    def let(self, *gates: str) -> None:
        for gate in gates:
            (self.gates / gate).touch()

    def has_shipped(self, name: str, steps: int) -> bool:
        shown = self.shown(name)
        return shown["status"] == "idle" and [step["shipped"] for step in shown["steps"]] == [True] * steps

    def result(self, name: str, file: str) -> str:
        """What a file holds on the directive's branch."""
        shown = self.shown(name)
        assert all(step["status"] == "completed" for step in shown["steps"]), shown
        return git(Path(shown["repository"]), "show", f"{shown['pr']['branch']}:{file}")


@pytest.mark.rule("5.2")
@pytest.mark.rule("6.8")
@pytest.mark.timeout(1200)
def test_directives_in_every_state_go_on_after_an_upgrade(before: Path, tmp_path: Path) -> None:
    it = Installation(tmp_path)
    with (
        Servers(tmp_path / "servers", "--servers-only", code=before) as servers,
        Site(servers, tmp_path / "old", OWNER, code=before) as old,
    ):
        it.site = old
        worker, daemon = old.worker(), daemon_of(old, "one")
        with Site(servers, tmp_path / "early", OWNER) as early:
            a_daemon_that_was_upgraded_first_serves_the_old_worker(it, early)
        begin_all(it, servers)
        assert (daemon.end(), worker.end()) == (0, 0), daemon.err + worker.err
    with (
        Servers(tmp_path / "servers", "--servers-only") as servers,
        Site(servers, tmp_path / "old", OWNER, code=before) as old,
        Site(servers, tmp_path / "new", OWNER) as new,
    ):
        it.site = new
        worker = new.worker()
        until(lambda: "no tables yet" not in new.starter("status", it.ids["running"]).err, "the tables of today")
        daemon_of(old, "one")
        old_attempts_go_to_the_old_daemon_and_new_ones_do_not(it)
        daemon_of(new, "two")
        all_go_on(it)
        side_by_side(it)
        no_way_back(it, old, worker)


def daemon_of(site: Site, name: str) -> Running:
    return site.daemon(name, further=forge_settings(forge_of(site.servers)), planner="held_planner.py")


def a_daemon_that_was_upgraded_first_serves_the_old_worker(it: Installation, early: Site) -> None:
    """It reports, takes an attempt that has no secret, and ends it; its result counts after the upgrade, too."""
    daemon = daemon_of(early, "early")
    until(lambda: '"early"' in it.site.starter("daemons", "--json").out, "its report", 120)
    it.start("ahead", "echo ahead > ahead", "--on", "early")
    it.until_at("ahead", "idle")
    assert it.result("ahead", "ahead") == "ahead"
    assert it.shown("ahead")["steps"][0]["daemon"] == "early"
    assert daemon.end() == 0, daemon.err


def begin_all(it: Installation, servers: Servers) -> None:
    """Planning, running, waiting, completing, idle, and one with its pull request open."""
    it.start("planning")
    it.start("running", f"{it.waits_for('run')}; echo ran > ran")
    it.start("waiting", 'test "$(makima directive ask Which? --wait-seconds 1)" = red || exit 0; echo red > answer')
    once = f"test -e {it.gates}/checked || {{ touch {it.gates}/checked; exit 0; }}"
    it.start("completing", "echo done > done", "--verify", f"{once}; {it.waits_for('complete')}")
    it.start("idle", "echo idle > idle")
    forge = forge_of(servers)
    it.start("opened", "echo opened > opened", "--no-shepherd", repository=asyncio.run(founded(forge, it.folder)))
    for gate in ("planner", "run", "complete"):
        it.until_began(gate)
    until(lambda: it.shown("waiting")["questions"], "the question", 120)
    for name in ("idle", "opened"):
        it.until_at(name, "idle")
    assert it.shown("opened")["pr"]["number"] == 1
    at = {name: it.shown(name)["status"] for name in ("planning", "completing", "running", "waiting")}
    assert at == {"planning": "planning", "completing": "completing", "running": "active", "waiting": "active"}


async def founded(forge: ForgeUnderTest, folder: Path) -> str:
    """A repository at the forge with a file on its base branch; its address."""
    repository = await forge.make_repository("acme", "opened", writers=())  # the forge of before knows no roles
    await Person(folder / "ann", forge.url_with("acme/opened")).commit("main", {"README.md": "# Opened\n"})
    return repository.clone_url


def old_attempts_go_to_the_old_daemon_and_new_ones_do_not(it: Installation) -> None:
    """The worker is of today, the only daemon of before."""
    it.let("run")
    it.until_at("running", "idle")
    assert it.result("running", "ran") == "ran"
    it.start("unnamed", "echo unnamed > unnamed")  # the old daemon takes no base branch for one of that name
    it.start("new", "echo new > new", "--base-branch", "main")
    until(lambda: "knows no secrets: upgrade it" in it.site.starter("why", it.ids["new"], "Build").out, "why it waits")
    assert not it.shown("new")["steps"][0]["daemon"]
    assert it.is_at("unnamed", "planning")


def all_go_on(it: Installation) -> None:
    it.let("plan", "complete")
    (question,) = it.shown("waiting")["questions"]
    assert it.site.starter("answer", it.ids["waiting"], question["id"], "red").code == 0
    for name in ("idle", "opened"):
        more = it.site.starter("add-step", it.ids[name], "More", "--task-plan", "echo more > more")
        assert more.code == 0, more
    expected = {"planning": "planned", "waiting": "answer", "completing": "done", "new": "new", "unnamed": "unnamed"}
    for name, file in expected.items():
        it.until_at(name, "idle")
        assert it.result(name, file), name
    assert it.shown("new")["steps"][0]["daemon"] == "two"
    for name in ("idle", "opened"):
        until(partial(it.has_shipped, name, 2), f"{name} to have shipped what was added", 120)
    assert it.shown("opened")["pr"]["number"] == 1, "the same pull request"


def side_by_side(it: Installation) -> None:
    """Both daemons serve, and any may be asked: attempts with a secret are the new one's, others are either's."""
    it.start("beside", "echo beside > beside", "--base-branch", "main")
    for name, daemon in (("ahead", "one"), ("idle", "two")):
        assert it.site.starter("edit", it.ids[name], "--on", daemon).code == 0
        more = it.site.starter("add-step", it.ids[name], f"On {daemon}", "--task-plan", f"echo {daemon} > {daemon}")
        assert more.code == 0, more
    for name, steps, daemon in (("beside", 1, "two"), ("ahead", 2, "one"), ("idle", 3, "two")):
        until(partial(it.has_shipped, name, steps), f"{name} to have shipped its last step", 120)
        assert it.shown(name)["steps"][-1]["daemon"] == daemon
    assert it.result("ahead", "one") == "one"
    assert it.result("idle", "two") == "two"


def no_way_back(it: Installation, old: Site, worker: Running) -> None:
    """A worker of before on the record of today says in one line what to do, and touches nothing."""
    said = old.folder / "worker.err"
    earlier = len(said.read_text())
    before = old.worker()
    assert before.wait(60) == 1
    (line,) = said.read_text()[earlier:].splitlines()
    assert "newer than this Makima" in line and "upgrade Makima" in line
    assert worker.popen.poll() is None
    assert it.is_at("idle", "idle")
