"""Steps that run beside each other are merged on trial, and the later one hears of a clash (rule 6.14)."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.command import CommandAgent
from daemon.git.git import Git
from daemon.git.merge_trial import unmergeable
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.session.radar import Radar
from domain.clash import MOST_PATHS
from domain.daemon_messages import SavedWork, UsageReport, UsedBeside, WorkBeside
from domain.directive_settings import Limits
from domain.errors import GitError
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from domain.statuses import TaskKind
from runtime.chores import beside
from tests.agents.installed_stand_in import install, starts
from tests.agents.stand_in import Scene, Start
from tests.integration.deliveries import OneDaemon, RememberedCore, until

pytestmark = pytest.mark.rule("6.14")
GitCommand = Callable[..., str]
Committer = Callable[..., str]
OFTEN = {"pulse": timedelta(milliseconds=100), "checkpoint_every": timedelta(milliseconds=200)}


# What git can merge


@pytest.fixture
def sides(origin: Path, git: GitCommand, tmp_path: Path) -> Callable[[str, str, str], tuple[str, str]]:
    """`sides(first, ours, theirs)`: two commits, made by scripts on top of what the first one leaves."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))

    def commit(script: str, on: str) -> str:
        git(clone, "checkout", "--quiet", "--detach", on)
        subprocess.run(["sh", "-ec", script], cwd=clone, check=True)
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--allow-empty", "-m", script)
        return git(clone, "rev-parse", "HEAD")

    def make(first: str, ours: str, theirs: str) -> tuple[str, str]:
        base = commit(first, "origin/main")
        made = commit(ours, base), commit(theirs, base)
        git(clone, "push", "--quiet", "origin", f"{made[0]}:refs/heads/ours", f"{made[1]}:refs/heads/theirs")
        return made

    return make


LINES = "seq 9 > f.txt"
CASES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "lines": (LINES, "sed -i s/5/five/ f.txt", "sed -i s/5/fem/ f.txt", ("f.txt",)),
    "elsewhere": (LINES, "sed -i s/1/one/ f.txt", "sed -i s/9/nine/ f.txt", ()),
    "unrelated": (LINES, "echo a > a.txt", "echo b > b.txt", ()),
    "the same": (LINES, "sed -i s/5/five/ f.txt", "sed -i s/5/five/ f.txt", ()),
    "both new": ("true", "echo a > n.txt", "echo b > n.txt", ("n.txt",)),
    "renamed and deleted": (LINES, "git mv f.txt g.txt", "git rm -q f.txt", ("g.txt",)),
    "changed and deleted": (LINES, "echo more >> f.txt", "git rm -q f.txt", ("f.txt",)),
    "renamed and changed": (LINES, "git mv f.txt g.txt", "sed -i s/5/five/ f.txt", ()),
    "binary": ("printf 'a\\0b' > b.bin", "printf 'a\\0c' > b.bin", "printf 'a\\0d' > b.bin", ("b.bin",)),
    "submodule": (
        f"git update-index --add --cacheinfo 160000,{'1' * 40},lib; mkdir lib",
        f"git update-index --cacheinfo 160000,{'2' * 40},lib",
        f"git update-index --cacheinfo 160000,{'3' * 40},lib",
        ("lib",),
    ),
    "union": (
        "echo 'L.md merge=union' > .gitattributes; echo 1 > L.md",
        "echo a >> L.md",
        "echo b >> L.md",
        (),
    ),
    "attributes": ("mkdir .gitattributes; touch .gitattributes/x; seq 3 > f", "echo a >> f", "echo b >> f", ("f",)),
}


@pytest.mark.parametrize("case", CASES)
async def test_two_commits_are_merged_on_trial_and_nothing_of_that_stays(
    case: str, sides: Callable[[str, str, str], tuple[str, str]], cache: RepositoryCache
) -> None:
    first, ours, theirs, clashes = CASES[case]
    ours, theirs = sides(first, ours, theirs)
    await cache.fetch()
    before = sorted(cache.folder.rglob("*"))
    assert await unmergeable(cache, ours, theirs) == clashes
    assert await unmergeable(cache, theirs, ours) == clashes
    assert sorted(cache.folder.rglob("*")) == before


async def test_histories_that_have_nothing_in_common_are_an_error_of_git(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    tree = git(origin, "rev-parse", "main^{tree}")
    git(origin, "update-ref", "refs/heads/other", git(origin, "commit-tree", tree, "-m", "root"))
    await cache.fetch()
    with pytest.raises(GitError):
        await unmergeable(cache, git(origin, "rev-parse", "main"), git(origin, "rev-parse", "other"))


# One radar


class Scope:
    """The radar of one step whose checkpoint is `saved`, on a cache of the origin."""

    def __init__(self, cache: RepositoryCache, origin: Path, base: str) -> None:
        self.cache = cache
        self.saved: SavedWork | None = None
        self.lines: list[str] = []
        given = {"task": uuid4(), "name": "Taxes", "step_name": "Taxes", "kind": TaskKind.STEP, "attempt": 1}
        given |= {"owner": "me", "directive": uuid4(), "directive_title": "Shop", "generation": 1, "prompt": "Taxes"}
        given |= {"repository": f"file://{origin}", "base_branch": "main", "base_commit": base}
        given |= {"target_branch": "makima/taxes", "limits": Limits(time=timedelta(minutes=2))}
        command = SpawnTask.model_validate(given)
        self.radar = Radar(command, cache, lambda: self.saved, self.lines.append, lambda text: text)

    async def sees(self, *steps: WorkBeside, running: int = 1) -> None:
        """One look around, whatever it comes to."""
        async with beside(self.radar.look_for_ever()):
            self.radar.heard(UsedBeside(running=running, steps=steps))
            await self.radar.settled.wait()

    @property
    def clashes(self) -> dict[str, tuple[str, ...]]:
        return {found.name: found.paths for found in self.radar.clashes}


@pytest.fixture
async def scope(cache: RepositoryCache, origin: Path, commit: Committer) -> Scope:
    base = commit({"f.txt": "1\n2\n3\n"}, branch="main")
    await cache.fetch()
    return Scope(cache, origin, base)


def work(name: str, commit: str, ref: str = "", step: UUID | None = None) -> WorkBeside:
    return WorkBeside(step=step or uuid4(), name=name, commit=commit, ref=ref)


async def test_of_three_steps_the_last_hears_of_each_clash_once(scope: Scope, commit: Committer) -> None:
    first = work("Prices", commit({"f.txt": "1\ntwo\n3\n"}, branch="a"), "refs/heads/a")
    second = work("Units", commit({"g.txt": "g\n"}, branch="b"), "refs/heads/b")
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\n", "g.txt": "h\n"}, branch="c"))
    await scope.cache.fetch()
    await scope.sees(first, second, running=2)
    assert scope.clashes == {"Prices": ("f.txt",), "Units": ("g.txt",)}
    line, note = scope.radar.news()
    assert line == "the step Prices has changed the same: f.txt; the step Units has changed the same: g.txt"
    assert first.commit in note and second.commit in note
    await scope.sees(first, second, running=2)
    assert scope.radar.news() == ("", ""), "once for each"
    assert all(found.told for found in scope.radar.clashes)

    of_more = commit({"f.txt": "1\ntwo\n3\n", "n.txt": "n\n"}, branch="a")
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\n", "n.txt": "m\n"}, branch="c"))
    await scope.cache.fetch()
    await scope.sees(first.model_copy(update={"commit": of_more}), second)
    assert scope.clashes == {"Prices": ("f.txt", "n.txt")}, "that with the units is gone"
    line, _ = scope.radar.news()
    assert "n.txt" in line and "Units" not in line, "it has become another one"
    assert scope.lines[-1] == "clashes no more with the step Units"


async def test_a_base_branch_that_has_moved_is_something_else_beside(scope: Scope, commit: Committer) -> None:
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\n"}, branch="c"))
    await scope.sees()
    assert scope.clashes == {}
    moved = commit({"f.txt": "1\ntwo\n3\n"}, branch="main")
    await scope.sees()
    assert scope.clashes == {}, "the remote is asked once for a checkpoint"
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\nmore\n"}, scope.saved.commit, branch="c"))
    await scope.sees()
    assert scope.clashes == {"main": ("f.txt",)}
    line, note = scope.radar.news()
    assert line == "the base branch main has changed the same: f.txt" and moved in note
    await scope.radar.look_at(moved)
    assert scope.clashes == {}


async def test_a_step_alone_talks_with_nobody_and_unrelated_ones_say_nothing(scope: Scope, commit: Committer) -> None:
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\n"}, branch="c"))
    commit({"f.txt": "1\ntwo\n3\n"}, branch="main")
    async with beside(scope.radar.look_for_ever()):
        scope.radar.heard(UsedBeside())
        await scope.radar.settled.wait()
    assert scope.clashes == {}, "the base branch was asked for"
    other = work("Units", commit({"g.txt": "g\n"}, scope.saved.commit, branch="b"), "refs/heads/b")
    scope.radar.heard(UsedBeside())
    await scope.sees(other, running=0)
    assert set(scope.clashes) == {"main"} and not await scope.cache.missing([other.commit])


async def test_what_stands_at_a_ref_counts_only_as_the_commit_that_the_record_names(
    scope: Scope, commit: Committer, origin: Path, git: GitCommand, caplog: pytest.LogCaptureFixture
) -> None:
    scope.saved = SavedWork(commit=commit({"f.txt": "1\nzwei\n3\n"}, branch="c"))
    forged = commit({"f.txt": "1\nforged\n3\n"}, branch="forged")
    real = commit({"f.txt": "1\ntwo\n3\n"})
    blob = git(origin, "rev-parse", f"{forged}:f.txt")
    git(origin, "update-ref", "refs/makima/checkpoints/x/1/blob", blob)
    git(origin, "update-ref", "refs/makima/checkpoints/x/1/real", real)
    places = ("refs/heads/forged", "refs/makima/checkpoints/x/1/blob", "refs/makima/checkpoints/x/1/none", "")
    steps = [work(f"Step {at}", real[:-at] + "0" * at if at else real, ref) for at, ref in enumerate(places)]
    await scope.sees(*steps)
    assert scope.clashes == {}
    assert "can't be compared with" in caplog.text
    await scope.sees(work("Prices", real, "refs/makima/checkpoints/x/1/real"))
    assert scope.clashes == {}, "nothing is tried twice"


async def test_paths_are_bounded_and_nothing_in_them_is_obeyed(scope: Scope, commit: Committer) -> None:
    names = [*(f"n{each:02}.txt" for each in range(MOST_PATHS + 5)), "a\x1b[31m\u202eb.txt", "x" * 250]
    ours, theirs = (commit(dict.fromkeys(names, text), branch=text) for text in ("ours", "theirs"))
    scope.saved = SavedWork(commit=ours)
    await scope.cache.fetch()
    await scope.sees(work("Evil\n# step", theirs))
    (found,) = scope.radar.clashes
    assert (found.name, len(found.paths), found.more) == ("Evil # step", MOST_PATHS, 7)
    assert found.paths[0] == r"a\u001b[31m\u202eb.txt"
    _, note = scope.radar.news()
    assert "\x1b" not in note and "\n# step" not in note and "and 7 more" in note
    assert len(scope.radar.clashes[0].model_dump_json()) < 4000


async def test_a_remote_that_fails_is_a_line_in_the_log_and_no_more(
    scope: Scope, commit: Committer, origin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = commit({"f.txt": "1\nzwei\n3\n"}, branch="c")
    await scope.cache.fetch()
    other = work("Prices", commit({"f.txt": "1\ntwo\n3\n"}, branch="a"), "refs/heads/a")
    scope.saved = SavedWork(commit=ours)
    await asyncio.to_thread(origin.rename, origin.with_name("gone"))
    await scope.sees(other)
    assert scope.clashes == {} and "Prices" in caplog.text
    await scope.radar.look_at(ours)
    assert scope.radar.news() == ("", "")


# Two deliveries


class Desk(RememberedCore):
    """Answers as the record does: to each step with those that were there before it, or have ended meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[UUID, UsageReport] = {}
        self.ended: dict[UUID, WorkBeside] = {}

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        self.last[report.task] = report
        before = list(self.last)[: list(self.last).index(report.task)]
        saved = {task: self.last[task].saved for task in before if task not in self.ended}
        steps = [WorkBeside(step=task, name="Prices", **dict(at)) for task, at in saved.items() if at]
        return UsedBeside(running=len(self.last) - 1, steps=(*steps, *self.ended.values()))

    def clashes(self, task: UUID) -> tuple[str, ...]:
        return tuple(path for found in self.last[task].clashes for path in found.paths)


class Machines:
    """Each step on a machine of its own, with a clone of its own."""

    def __init__(self, folder: Path, origin: Path) -> None:
        self.desk = Desk()
        self._folder, self._origin, self._directive = folder, origin, uuid4()

    async def does(self, name: str, task: UUID, script: str, told: str = "exit 7", *, sessions: bool = True) -> Outcome:
        """`told`: what an agent with `sessions` does in its second run, a program without once it hears of a clash."""
        folder = self._folder / name
        git = Git(folder / "own", {"PATH": os.environ["PATH"], "HOME": str(folder)}, allow_local=True)
        await git.prepare()
        daemon = OneDaemon(folder, Repositories(git, folder / "caches"), self._origin)
        daemon.core = self.desk
        daemon.more["agents"] = {"scripted": self._agent(folder / "agent", script, told, sessions=sessions)}
        given: dict[str, Any] = {"task": task, "step_name": name, "target_branch": f"makima/{name}", **OFTEN}
        given |= {"base_commit": await daemon.base(), "directive": self._directive, "secret": "s" * 32}
        return await daemon.does("", TaskKind.STEP, **given)

    def _agent(self, folder: Path, script: str, told: str, *, sessions: bool) -> ClaudeAgent | CommandAgent:
        if sessions:
            scenes = (Scene(script=each, stream="claude_ok.jsonl") for each in (script, told))
            return ClaudeAgent.model_validate({"kind": "claude", "program": str(install(folder, *scenes))})
        both = f'P=$(cat); case "$P" in *"clashes with other work"*) {told} ;; *) {script} ;; esac'
        return CommandAgent(kind="command", argv=("sh", "-ec", both))

    def heard(self, name: str) -> list[str]:
        """The prompts of this step's agent, one that has sessions."""
        return [start.stdin for start in starts(self._folder / name / "agent", Start)]


@pytest.fixture
def machines(tmp_path: Path, origin: Path, commit: Committer) -> Machines:
    commit({"f.txt": "1\n2\n3\n"}, branch="main")
    return Machines(tmp_path, origin)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[Outcome]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


def until_there(file: Path) -> str:
    return f"until test -e {file}; do sleep 0.05; done"


async def test_the_later_of_two_steps_on_two_machines_is_told_and_mends_it_while_both_run(
    machines: Machines, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    first, second, desk = uuid4(), uuid4(), machines.desk
    let = {name: tmp_path / name for name in ("first", "second", "mended")}
    prices = machines.does("prices", first, f"sed -i s/2/two/ f.txt; {until_there(let['first'])}")
    async with running(prices) as prices_run:
        await until(lambda: first in desk.last and bool(desk.last[first].saved))
        told = f"sed -i s/zwei/2/ f.txt; {until_there(let['mended'])}; echo more >> t.txt"
        taxes = f"sed -i s/2/zwei/ f.txt; echo t > t.txt; {until_there(let['second'])}"
        async with running(machines.does("taxes", second, taxes, told)) as taxes_run:
            await until(lambda: second in desk.last and desk.clashes(second) == ("f.txt",))
            assert not desk.last[second].clashes[0].told
            let["second"].touch()
            await until(lambda: len(machines.heard("taxes")) > 1)
            await until(lambda: not desk.last[second].clashes)
            assert not prices_run.done(), "both run"
            let["mended"].touch()
            done = await taxes_run
        let["first"].touch()
        assert (await prices_run).status is OutcomeStatus.COMPLETED
    assert done.status is OutcomeStatus.COMPLETED, done
    _, words = machines.heard("taxes")
    assert "With the step Prices, commit" in words and "f.txt" in words
    assert git(origin, "show", "makima/taxes:f.txt") == "1\n2\n3"
    assert git(origin, "show", "makima/taxes:t.txt") == "t\nmore"
    assert not any(desk.clashes(first) for _ in desk.last), "the earlier one makes no way"


async def test_work_that_ended_meanwhile_is_compared_with_and_an_agent_that_mends_nothing_is_done_all_the_same(
    machines: Machines, tmp_path: Path, origin: Path, commit: Committer, git: GitCommand
) -> None:
    head = commit({"f.txt": "1\ntwo\n3\n"}, branch="makima/prices")
    machines.desk.ended[uuid4()] = WorkBeside(step=uuid4(), name="Prices", commit=head, ref="refs/heads/makima/prices")
    task, let = uuid4(), tmp_path / "let"
    script = f"sed -i s/2/zwei/ f.txt; {until_there(let)}"
    async with running(machines.does("taxes", task, script, "echo told >> told.txt")) as run:
        await until(lambda: task in machines.desk.last and machines.desk.clashes(task) == ("f.txt",))
        let.touch()
        done = await run
    assert done.status is OutcomeStatus.COMPLETED, done
    assert git(origin, "show", "makima/taxes:told.txt") == "told", "told once"
    assert machines.desk.last[task].clashes[0].told


async def test_a_program_without_a_session_does_its_sound_work_once_whatever_clashes_with_it(
    machines: Machines, tmp_path: Path, origin: Path, commit: Committer, git: GitCommand
) -> None:
    head = commit({"f.txt": "1\ntwo\n3\n"}, branch="makima/prices")
    machines.desk.ended[uuid4()] = WorkBeside(step=uuid4(), name="Prices", commit=head, ref="refs/heads/makima/prices")
    task, let = uuid4(), tmp_path / "let"
    script = f"echo run >> runs.txt; sed -i s/2/zwei/ f.txt; {until_there(let)}"
    async with running(machines.does("taxes", task, script, script, sessions=False)) as run:
        await until(lambda: task in machines.desk.last and machines.desk.clashes(task) == ("f.txt",))
        let.touch()
        done = await run
    assert done.status is OutcomeStatus.COMPLETED, done
    assert git(origin, "show", "makima/taxes:runs.txt") == "run"
    assert not machines.desk.last[task].clashes[0].told
