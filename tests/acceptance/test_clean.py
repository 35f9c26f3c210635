"""`clean` on a machine of one's own: all that Makima has left is listed, and goes; what is nowhere else stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.stack_file import ProcessMark
from tests.acceptance.stack import STARTER, Ran, Running, environment, processes_of, typed, until

PLAN = {"steps": [{"name": "Prices", "task_plan": "echo 42 > prices.txt"}]}


class Newcomer:
    """Somebody who has set nothing: all that Makima writes lies below a HOME of their own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.shop = folder / "shop"
        self.env = environment(HOME=self.home)
        for name in [each for each in self.env if each.startswith("XDG_")]:
            del self.env[name]
        self.home.mkdir()
        self.data = self.home / ".local/share/makima"
        self.up: Running
        self.starts_counted = 0

    def types(self, *args: str) -> Ran:
        return typed(args, self.env)

    def starts(self) -> None:
        self.up = Running("up", (*STARTER, "up"), self.env, self.home.parent / "output")
        self.starts_counted += 1
        until(lambda: self.up.out.count("Ready ") == self.starts_counted or self.up.err, "the stack")
        assert not self.up.err, self.up.err

    def stops(self) -> None:
        assert self.types("down").code == 0
        assert self.up.wait() == 0

    def has_shop(self) -> None:
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.shop)], check=True)
        self.git("commit", "-q", "--allow-empty", "-m", "A shop")
        (self.home.parent / "plan.json").write_text(json.dumps(PLAN))

    def git(self, *args: str) -> str:
        person = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        done = subprocess.run(["git", "-C", self.shop, *person, *args], capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def refs(self) -> set[str]:
        return set(self.git("for-each-ref", "--format=%(refname)").split())

    def directive(self, title: str) -> str:
        """One whose step is done; its id."""
        given = ("--title", title, "--goal", "Prices", "--repo", str(self.shop), "--agent", "shell")
        started = self.types("start", *given, "--plan", str(self.home.parent / "plan.json"), "--json")
        directive = str(started.json()["id"])
        until(lambda: self.types("status", directive, "--json").json()["status"] == "idle", "the step")
        return directive

    @property
    def files(self) -> set[str]:
        """All that is in the HOME, folders too, but for what any program of the machine puts there."""
        return {
            str(Path(at, each).relative_to(self.home))
            for at, inside, files in os.walk(self.home)
            for each in (*inside, *files)
        }


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    newcomer = Newcomer(tmp_path)
    newcomer.has_shop()
    try:
        newcomer.starts()
        yield newcomer
    finally:
        newcomer.up.kill()
        until(lambda: not processes_of(newcomer.home), "the stack's end")


@pytest.mark.rule("9.7")
@pytest.mark.rule("9.8")
def test_after_clean_nothing_is_left_and_before_it_nothing_is_lost_unsaid(newcomer: Newcomer) -> None:
    directive = newcomer.directive("Prices")
    assert newcomer.types("diff", directive, "Prices").code == 0
    before = newcomer.files
    assert {".local/share/makima", ".local/state/makima", ".cache/makima/changes"} <= before

    runs = newcomer.types("clean", "--lose-work", "--yes")
    assert (runs.code, runs.out) == (2, "") and "a stack is already running" in runs.err

    newcomer.stops()
    stopped = newcomer.files
    listed = newcomer.types("clean", "--dry-run")
    assert listed.code == 0, listed
    lost = [line.strip() for line in listed.out.splitlines() if "would be lost" in line]
    assert lost == [f"would be lost: {directive[:8]} of default, idle: Prices"], "the step's work is on the remote"
    for part in ("temporal.db", "postgres", "forge", "daemon/local", "daemon.toml", "logs/worker.log"):
        assert str(newcomer.data / part) in listed.out, part

    refused = newcomer.types("clean", "--yes")
    assert refused.code == 2 and "nothing was removed" in refused.err and "idle: Prices" in refused.err
    unasked = newcomer.types("clean", "--lose-work")
    assert unasked.code == 2 and "nobody is here to be asked: add --yes" in unasked.err
    kept = {each for each in stopped if not each.startswith(".local/share/makima/postgres/")}
    assert kept <= newcomer.files

    newcomer.starts()
    shop = str(newcomer.shop)
    running = newcomer.types("clean", "--remote", shop)
    assert (running.code, running.out) == (0, f"nothing to remove from {shop}\n"), "it has not ended"
    assert newcomer.types("archive", directive, "--yes").code == 0
    leaves_a_remote_to_its_owner(newcomer, directive)
    newcomer.stops()
    removed = newcomer.types("clean", "--yes", "--json").json()
    assert removed["removed"] and not any(each["work"] for each in removed["found"])
    made = (".local", ".local/share", ".local/state", ".cache")
    assert {each for each in newcomer.files if "makima" in each} == set()
    assert newcomer.files <= {*made, *(each for each in newcomer.files if not each.startswith(made))}
    again = newcomer.types("clean", "--yes")
    assert (again.code, again.out) == (0, "nothing to remove\n")


def leaves_a_remote_to_its_owner(newcomer: Newcomer, directive: str) -> None:
    """Work that nothing else holds goes by its own flag; once it is merged all goes, and nothing that isn't ours."""
    shop = str(newcomer.shop)
    newcomer.git("branch", "makima/prices-00000000")
    before = newcomer.refs
    listed = newcomer.types("clean", "--remote", shop, "--dry-run", "--json").json()
    ours = {each["ref"] for each in listed["found"]}
    assert before - ours == {"refs/heads/main", "refs/heads/makima/prices-00000000"}
    assert all(each["directive"] == directive and not each["stays"] for each in listed["found"])
    assert newcomer.types("clean", "--remote", shop, "--yes").code == 0
    kept = {each["ref"] for each in listed["found"] if each["is_work"]}
    assert kept and newcomer.refs - {"refs/heads/main", "refs/heads/makima/prices-00000000"} == kept
    asks = newcomer.types("clean", "--remote", shop, "--lose-work")
    assert asks.code == 2 and "nobody is here to be asked: add --yes" in asks.err

    newcomer.git("merge", "-q", next(each for each in kept if "/directive-prices-" in each))
    done = newcomer.types("clean", "--remote", shop, "--yes")
    assert done.code == 0 and f"removed: {len(kept)}" in done.out, done
    assert newcomer.refs == {"refs/heads/main", "refs/heads/makima/prices-00000000"}


@pytest.mark.rule("9.7")
def test_work_that_no_remote_has_and_what_people_have_written_stay_until_they_are_named(newcomer: Newcomer) -> None:
    directive = newcomer.directive("Prices")
    assert newcomer.types("archive", directive, "--yes").code == 0
    newcomer.stops()
    notes = {each: json.loads(each.read_text()) for each in newcomer.data.glob("daemon/local/tasks/*/delivery.json")}
    note, seen = next((each, told) for each, told in notes.items() if told["head"])
    note.write_text(json.dumps({**seen, "head": "1" * 40, "is_seen": False}))
    settings = newcomer.data / "daemon.toml"
    settings.write_text(settings.read_text() + "# mine\n")
    defaults = newcomer.home / ".config/makima/config.toml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text("[start]\n")

    refused = newcomer.types("clean", "--yes")
    assert refused.code == 2 and f"its commit {'1' * 40} is not on" in refused.err, refused
    assert note.exists()

    done = newcomer.types("clean", "--lose-work", "--yes")
    assert done.code == 0, done
    assert [each.name for each in newcomer.data.iterdir() if each.name != "up.lock"] == ["daemon.toml"]
    assert defaults.exists() and done.out.count("stays: you have written into it") == 2

    assert newcomer.types("clean", "--settings", "--yes").code == 0
    assert not newcomer.data.exists() and not defaults.parent.exists()
    assert any("/directive-prices-" in each for each in newcomer.refs), "remotes are left alone"


Moment = Callable[[Path], bool]
MOMENTS: dict[str, Moment] = {
    "it reads the record": lambda data: (data / "postgres" / "postmaster.pid").exists(),
    "it has said what it removes": lambda data: (data / "clean.json").exists(),
    "the record is half gone": lambda data: (data / "clean.json").exists() and len(files_of(data / "postgres")) < MANY,
    "the record is gone": lambda data: (data / "clean.json").exists() and not (data / "postgres").exists(),
}
MANY = 600
"""A record of Postgres' has about a thousand files."""


def files_of(folder: Path) -> list[str]:
    return [each for _, _, files in os.walk(folder) for each in files]


@pytest.mark.rule("9.7")
def test_a_clean_that_was_killed_is_carried_on_and_takes_nothing_of_others(newcomer: Newcomer, tmp_path: Path) -> None:
    newcomer.stops()
    assert len(files_of(newcomer.data / "postgres")) > MANY
    for number in range(5 * MANY):  # removed behind the record, which takes longer than to see that the record is gone
        (newcomer.data / "forge" / str(number)).touch()
    shutil.copytree(newcomer.data, tmp_path / "before", symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    for moment, is_now in MOMENTS.items():
        shutil.rmtree(newcomer.data, ignore_errors=True)
        shutil.copytree(tmp_path / "before", newcomer.data, symlinks=True)
        (newcomer.data / "mine.txt").write_text("not Makima's")
        command = ("nice", "-n", "19", *STARTER, "clean", "--lose-work", "--yes")  # so that this test sees the moment
        cleaning = subprocess.Popen(command, env=newcomer.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while cleaning.poll() is None and not is_now(newcomer.data):
            time.sleep(0.0005)
        assert cleaning.poll() is None, f"{moment}: it was over before"
        cleaning.kill()
        cleaning.wait()
        again = newcomer.types("clean", "--lose-work", "--yes")
        assert again.code == 0, (moment, again)
        assert files_of(newcomer.data) == ["mine.txt"], moment
        assert not processes_of(newcomer.home), moment


@pytest.mark.rule("9.7")
@pytest.mark.parametrize("left", [("clean.json",), ("clean.json", "logs/"), ("logs/",), ("daemon/",), ()])
def test_a_clean_that_was_killed_behind_its_last_part_is_finished(tmp_path: Path, left: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "up.lock").write_text(ProcessMark(pid=1, started_at=0).model_dump_json())
    for each in left:
        (data / each).mkdir() if each.endswith("/") else (data / each).write_text('{"parts": ["postgres"]}\n')
    env = environment(HOME=tmp_path, MAKIMA_DATA_DIR=data, XDG_STATE_HOME=tmp_path)
    ran = typed(("clean",), env)
    assert (ran.code, ran.out) == (0, "nothing to remove\n"), ran
    assert not data.exists(), files_of(data)
