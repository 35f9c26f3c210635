"""What must be true of a system that was disturbed, once it has come to rest: nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

from temporalio.client import Client

from daemon.workspace.delivery_note import read_note
from demo.demo_repository import git
from domain.models import State, Task
from domain.questions import LEFT_CHOICES
from domain.record import Event
from domain.statuses import TaskStatus
from domain.view import DirectiveView
from ledger.pool import open_pool
from ledger.reader import Record
from tests.acceptance.houses import eventually
from tests.chaos.builder import LOG, SECRET, file_of, line_of
from tests.chaos.hand import Deed
from tests.chaos.people import NAME, Forger, Neighbour, Operator
from tests.chaos.system import DAEMONS, System
from workflows.directive import DirectiveWorkflow

LATE = 3.0
"""Seconds for which a daemon that was frozen may not know that its attempt has ended."""


class Reckoning:
    """Compares what the forge, the workflow, the record and the machines say."""

    def __init__(
        self,
        system: System,
        client: Client,
        operator: Operator,
        neighbour: Neighbour,
        forger: Forger,
        diary: list[Deed],
    ) -> None:
        self._system = system
        self._client = client
        self._operator = operator
        self._neighbour = neighbour
        self._forger = forger
        self._diary = diary
        self._tasks: Mapping[UUID, Task] = {}
        self._bare = system.forge.folder / "repositories" / f"{NAME}.git"

    async def check(self, shown: DirectiveView) -> None:
        """AssertionError at the first thing that is not as it must be."""
        head = await self._one_pull_request(shown)
        self._every_step_once(shown, head)
        self._nothing_wrong(head)
        self._peoples_work(head)
        self._nothing_forged(head)
        self._nothing_secret()
        state, events = await self._one_truth(shown)
        self._tasks = state.tasks
        self._no_second_run(state, events)
        self._left_commits(state)
        await self._every_view_answers()
        try:
            await eventually(self._is_tidy, "tidiness", 120)
        except AssertionError as error:
            error.add_note(f"left: {self.leftovers()}")
            raise

    async def _one_pull_request(self, shown: DirectiveView) -> str:
        """The head of the only one that was ever opened."""
        async with self._system.forge.rest() as client:
            pulls = (await client.get(f"/repos/{NAME}/pulls", params={"state": "all"})).json()
        assert len(pulls) == 1, [(each["number"], each["head"]["ref"], each["base"]["ref"]) for each in pulls]
        (pull,) = pulls
        assert shown.pr and pull["number"] == shown.pr.number and pull["state"] == "open", (pull, shown.pr)
        assert not pull["draft"], pull["body"]
        head: str = pull["head"]["sha"]
        return head

    def _every_step_once(self, shown: DirectiveView, head: str) -> None:
        """In its own file, in the log that all share, and in the history."""
        log = Counter(git(self._bare, "show", f"{head}:{LOG}").splitlines())
        steps = git(self._bare, "log", "--format=%(trailers:key=Makima-Step,valueonly,separator=)", f"main..{head}")
        commits = Counter(filter(None, steps.splitlines()))
        for step in shown.steps:
            name = step.name
            assert git(self._bare, "show", f"{head}:{file_of(name)}").splitlines() == [line_of(name)]
            assert log[line_of(name)] == 1, (name, log)
            assert commits[str(step.id)] >= 1, (name, commits)  # one for each round in which something was mended
        assert set(commits) == {str(step.id) for step in shown.steps}
        assert Counter(step.name for step in shown.steps) == Counter(self._operator.wanted)

    def _nothing_wrong(self, head: str) -> None:
        """Nothing of what agents have called done is in there: markers, links to nothing, contents that nobody has."""
        entries = [line.partition("\t") for line in git(self._bare, "ls-tree", "-r", head).splitlines()]
        files = {path: told.split(" ") for told, _, path in entries}
        assert not [path for path, (_, kind, _) in files.items() if kind != "blob"], files
        assert not {"large", "part/x", "side"} & files.keys(), files
        assert (".gitattributes" in files) == ("part.bin" in files), files
        if "part.bin" in files:  # a machine with git-lfs makes a pointer of it, and uploads what that names
            pointer = re.search(
                r"^oid sha256:(..)(..)(.{60})$", git(self._bare, "show", f"{head}:part.bin"), re.MULTILINE
            )
            assert pointer, files
            stored = self._bare.joinpath("lfs", "objects", pointer[1], pointer[2], "".join(pointer.groups()))
            assert stored.read_text() == "content\n"
        for path in files:
            assert "<<<<<<<" not in git(self._bare, "show", f"{head}:{path}"), path

    def _nothing_secret(self) -> None:
        """What looks like a secret has left no machine, in whatever object of whatever ref."""
        listed = git(self._bare, "cat-file", "--batch-check", "--batch-all-objects").splitlines()
        told = "".join(f"{line.split()[0]}\n" for line in listed if line.split()[1] != "tree")
        asked = ("git", f"--git-dir={self._bare}", "cat-file", "--batch")
        found = subprocess.run(asked, check=True, capture_output=True, input=told.encode()).stdout
        assert SECRET.encode() not in found

    def _left_commits(self, state: State) -> None:
        """Whoever was asked about commits beside the work finds them where the question says."""
        asked = [question.text for question in state.questions.values() if question.choices == LEFT_CHOICES]
        for ref in {ref for text in asked for ref in re.findall(r" saved in (refs/[\w/-]+)", text)}:
            kept = git(self._bare, "rev-list", "--parents", "-1", ref).split()[1:]
            files = [git(self._bare, "ls-tree", "--name-only", each) for each in kept]
            assert any("extra-" in names for names in files), (ref, files)

    def _peoples_work(self, head: str) -> None:
        for commit in self._neighbour.pushed:
            git(self._bare, "merge-base", "--is-ancestor", commit, head)

    def _nothing_forged(self, head: str) -> None:
        """No forged commit is part of the work or of the base branch, and nothing was deleted that lay in our place."""
        refs = set(git(self._bare, "for-each-ref", "--format=%(objectname)").splitlines())
        assert self._forger.pushed <= refs, f"gone: {self._forger.pushed - refs}"
        work = git(self._bare, "rev-list", head, "main").splitlines()
        assert self._forger.commits.isdisjoint(work), self._forger.commits.intersection(work)

    async def _one_truth(self, shown: DirectiveView) -> tuple[State, tuple[Event, ...]]:
        """The workflow's state is what the rows say, and the events tell of each step's end once."""
        workflow = self._client.get_workflow_handle_for(DirectiveWorkflow.run, shown.workflow_id)
        async with _record(self._system.servers.addresses.database_url) as record:

            async def same() -> State | None:
                live = await workflow.query(DirectiveWorkflow.state_now)
                return live if live == await record.state(shown.id) else None

            state = await eventually(same, "the record of the end", 120)
            events = await record.events(shown.id)
            attempts = await record.attempts(shown.id)
        completed = Counter(event.step for event in events if event.what == "step completed")
        assert completed == Counter(dict.fromkeys(state.steps, 1)), completed
        ended = Counter(spent.step for spent in attempts if spent.step and spent.status == "completed")
        assert set(ended.values()) == {1}, ended
        return state, events

    def _no_second_run(self, state: State, events: tuple[Event, ...]) -> None:
        """No agent begins a step whose result was reported, but where its daemon was frozen and could not know."""
        ends = {state.steps[each.step].name: each.at.timestamp() for each in events
                if each.what == "step completed" and each.step}  # fmt: skip
        late = [(at, name) for at, name in self._began() if at > ends[name]]
        assert all(self._was_frozen(at) for at, _ in late), (late, ends)

    def _began(self) -> Iterator[tuple[float, str]]:
        for line in (self._system.site.folder / "runs").read_text().splitlines():
            at, what, name = line.split(" ", 2)
            if what == "began":
                yield float(at), name

    def _was_frozen(self, at: float) -> bool:
        frozen = [deed for deed in self._diary if deed.what.startswith("freeze")]
        return any(deed.began <= at <= deed.ended + LATE for deed in frozen)

    async def _every_view_answers(self) -> None:
        asked = (("status",), ("history",), ("why", self._operator.wanted[-1]))
        ask, directive = self._system.site.starter, self._operator.id
        for ran in await asyncio.gather(*(asyncio.to_thread(ask, view, directive, *more) for view, *more in asked)):
            assert ran.code == 0 and ran.out, ran

    async def _is_tidy(self) -> bool:
        """Once each daemon has cleaned up, which it does every hour."""
        clean = self._system.site.cleans
        for cleaned in await asyncio.gather(*(asyncio.to_thread(clean, name) for name in DAEMONS)):
            assert cleaned.code == 0, cleaned
        return not await asyncio.to_thread(self.leftovers)

    def leftovers(self) -> list[str]:
        """What neither the settings nor the directive's life keep."""
        homes = [self._system.home(name) for name in DAEMONS]
        caches = [self._bare, *(cache for home in homes for cache in home.glob("repositories/*.git"))]
        earlier = self._earlier_attempts()
        spared = {*self._forged(), *self._unpublished()}
        refs = [
            ref for cache in caches for ref in _own_refs(cache) if not ref.startswith(earlier) and ref not in spared
        ]
        locks = [lock for folder in (*homes, self._bare) for lock in _locks(folder)]
        dead = [str(work.parent) for home in homes for work in home.glob("tasks/*/work") if not _is_over(work.parent)]
        agents = [str(pid) for pid in self._system.agents()]
        return [*refs, *map(str, locks), *dead, *agents]

    def _forged(self) -> set[str]:
        """The refs that were not moved away, since nobody has looked there, or too much was there already."""
        listed = git(self._bare, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return {ref for ref, _, commit in (line.partition(" ") for line in listed) if commit in self._forger.pushed}

    def _unpublished(self) -> set[str]:
        """What a task had finished when it was called back: kept for as long as its delivery's log."""
        called_back = [each for each in self._tasks.values() if each.status is TaskStatus.INTERRUPTED]
        return {f"refs/makima/finished/{each.id}/{each.attempt}" for each in called_back}

    def _earlier_attempts(self) -> tuple[str, ...]:
        """What their checkpoints begin with: they stay until the pull request is over, for the next one to look at. Of
        an attempt whose outcome was deleted no machine can tell that it is over.
        """
        last = [(str(task.id), task.attempt + (str(task.id) in self._forger.robbed)) for task in self._tasks.values()]
        return tuple(f"refs/makima/checkpoints/{task}/{n}/" for task, end in last for n in range(1, end))


def _own_refs(repository: Path) -> list[str]:
    """Checkpoints, outcomes that are not published, and temporary ones."""
    refs = git(repository, "for-each-ref", "--format=%(refname)").splitlines()
    ours = [ref for ref in refs if "/unverified/" not in ref]
    return [ref for ref in ours if any(kind in ref for kind in ("checkpoints", "/finished/", "tmp"))]


def _locks(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from folder.glob("repositories/*.git/**/*.lock")
        yield from folder.glob("**/tmp_*")


def _is_over(folder: Path) -> bool:
    note = read_note(folder)
    return bool(note and note.is_over)


@asynccontextmanager
async def _record(url: str) -> AsyncIterator[Record]:
    async with await open_pool(url, size=1) as pool:
        yield Record(pool)
