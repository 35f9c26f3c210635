"""The people around a disturbed system: an operator who asks, changes and mends, and one who pushes to its branch."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from daemon.git.state_refs import BRANCHES, REFS
from domain.models import State, Task, Work
from domain.names import task_branch
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.view import DirectiveView
from tests.acceptance.stack import Ran
from tests.chaos.builder import FIRST_STEPS, FORMATTER, LOG, extra, first_log
from tests.chaos.system import System
from tests.forge import Person
from workflows.directive import DirectiveWorkflow

NAME = "acme/house"
TRIES_APART = 0.5
ANSWERS_WITHIN = timedelta(seconds=5)
ANSWERED_WITHIN = 180.0
"""Seconds of tries, after which a command that nobody answers is a fault."""


class Operator:
    """Who has started the directive; a command that isn't answered is given again, as people do."""

    def __init__(self, system: System, client: Client, chance: random.Random) -> None:
        self._system = system
        self._client = client
        self._chance = chance
        self.id = ""
        self.workflow = ""
        self.annexes = 1
        """How many the newest goal asks for."""
        self._last_seen = "nothing"

    async def start(self) -> None:
        url = f"{self._system.forge.url}/{NAME}.git"
        asked = ("--title", "House", "--goal", self._goal, "--repo", url, "--timings", "fast")
        agents = ("--agent", "planner", "--planner", "planner", "--no-shepherd", "--verify", FORMATTER)
        started = json.loads((await self.says("start", *asked, *agents, "--json")).out)
        self.id, self.workflow = started["id"], started["workflow_id"]

    @property
    def _goal(self) -> str:
        return f"A house with {self.annexes} annexes"

    @property
    def wanted(self) -> list[str]:
        """The names of all steps that there shall be."""
        return [*FIRST_STEPS, *(extra(number) for number in range(self.annexes))]

    async def says(self, command: str, *args: str) -> Ran:
        """A command of starter.py, given until it is answered: done, or refused with a reason."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while True:
            ran = await asyncio.to_thread(self._system.site.starter, command, *args)
            assert ran.code in (0, 2, 3) and "Traceback" not in ran.err, ran
            if ran.code != 3:
                return ran
            assert time.monotonic() < deadline, f"no answer to {command} within {ANSWERED_WITHIN:g} s: {ran.err}"
            await asyncio.sleep(TRIES_APART)

    async def is_told(self) -> list[str]:
        """What there is to tell of a directive that has not done what it should, the shortest last."""
        told = []
        for command in ("history", "status"):
            with suppress(Exception):  # what has failed is told in any case
                ran = await asyncio.to_thread(self._system.site.starter, command, self.id)
                told.append(ran.out or ran.err)
        return [*told, f"last seen: {self._last_seen}"]

    async def shown(self) -> DirectiveView | None:
        """What the directive says of itself; None while nobody answers for it."""
        try:
            directive = self._client.get_workflow_handle_for(DirectiveWorkflow.run, self.workflow)
            return await directive.query(DirectiveWorkflow.status, rpc_timeout=ANSWERS_WITHIN)
        except (RPCError, WorkflowQueryFailedError):
            return None

    async def changes_the_goal(self) -> None:
        self.annexes += 1
        changed = await self.says("goal", self.id, self._goal)
        assert changed.code == 0, changed

    async def meddles(self, seconds: float) -> None:
        """Changes the goal, pauses and resumes, now and then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(self._chance.uniform(1, 8))
            if self.annexes < 2 and self._chance.random() < 0.5:
                await self.changes_the_goal()
            else:
                await self.says("pause", self.id, *self._chance.choice(([], ["--now"], ["--drain"])))
                await asyncio.sleep(self._chance.uniform(0, 3))
                await self.says("resume", self.id)

    async def until_rest(self, seconds: float) -> DirectiveView:
        """Answers questions, retries and resumes, until nothing is left to do; `seconds` at most."""
        deadline = time.monotonic() + seconds
        while not (shown := await self._has_come_to_rest()):
            assert time.monotonic() < deadline, f"no rest within {seconds:g} s: {self._last_seen}"
            await asyncio.sleep(TRIES_APART)
        return shown

    async def looks_after_it(self) -> None:
        """For as long as this isn't cancelled."""
        while True:
            await self._has_come_to_rest()
            await asyncio.sleep(TRIES_APART)

    async def _has_come_to_rest(self) -> DirectiveView | None:
        shown = await self.shown()
        self._last_seen = self._brief(shown)
        if shown is None:
            return None
        for question in shown.questions:
            answer = self._chance.choice(question.choices) if question.choices else "red"
            await self.says("answer", self.id, str(question.id), answer)
        for step in shown.steps:
            if step.status in ("failed", "cancelled"):
                await self.says("retry-step", self.id, str(step.id))
        if shown.status == "paused" and not shown.reason.startswith("paused by"):
            await self.says("resume", self.id)
        is_shipped = {step.name for step in shown.steps if step.shipped} == set(self.wanted)
        return shown if shown.status == "idle" and is_shipped else None

    def _brief(self, shown: DirectiveView | None) -> str:
        """In a line, what keeps a directive from its rest."""
        if shown is None:
            return f"nobody answers for it at {time.time():.0f}"
        left = [f"{step.name} {step.status}" for step in shown.steps if not step.shipped]
        missing = set(self.wanted) - {step.name for step in shown.steps}
        return (
            f"{shown.status} ({shown.reason}) at {time.time():.0f}; {', '.join(left)}; not planned: {sorted(missing)}"
        )


class Neighbour:
    """Who pushes to the pull request's branch, with git alone."""

    def __init__(self, system: System) -> None:
        self._forge = system.forge
        self._ann = Person(system.site.folder / "ann", self._forge.url_with(NAME))
        self.pushed: list[str] = []
        """The commits of which the forge has said that it has them."""

    async def founds(self) -> None:
        """The repository, with a log that has a heading for each step."""
        owner, _, name = NAME.partition("/")
        await self._forge.make_repository(owner, name)
        await self._ann.commit("main", {"README.md": "# A house\n", LOG: first_log()})

    async def pushes(self, branch: str) -> None:
        """One commit, tried until it is taken: the branch may move, the forge be away."""
        for number in range(100):
            with suppress(AssertionError):
                self.pushed.append(await self._ann.commit(branch, {"ann.txt": f"{branch} {number} {time.time()}\n"}))
                return
            await asyncio.sleep(TRIES_APART)
        raise AssertionError(f"{branch} takes no push")


class Forger:
    """Who may push, too, and does to the directive's state on the remote whatever git lets them do."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self._eve = Person(system.site.folder / "eve", system.forge.url_with(NAME))
        self._chance = chance
        self._known: dict[str, str] = {}
        """All refs of outcomes that were ever seen, with their commits: what is ours at its own place."""
        self.pushed: set[str] = set()
        """Objects of theirs, put where nothing but state of ours belongs; none of them may be lost."""
        self.commits: set[str] = set()
        """All commits of theirs; none of them may become a part of the work."""
        self.robbed: set[str] = set()
        """Tasks of which an outcome was deleted, or a branch moved: one of both, or the work itself might be gone."""
        self.deeds: list[str] = []

    async def joins(self) -> None:
        """While the forge is there for sure."""
        self.commits.add(await self._eve.commit("eve", {"evil.txt": "evil\n"}, onto="main"))

    async def forges(self, client: Client, workflow: str, seconds: float) -> None:
        """For that long, for tasks that are under way or have ended."""
        deadline = time.monotonic() + seconds
        await self._eve.settle()
        while time.monotonic() < deadline:
            await asyncio.sleep(self._chance.uniform(0.5, 2))
            with suppress(AssertionError, RPCError, WorkflowQueryFailedError):
                directive = client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)
                state = await directive.query(DirectiveWorkflow.state_now, rpc_timeout=ANSWERS_WITHIN)
                if live := [task for task in state.live() if task.kind is not TaskKind.PREPARE]:
                    await self._forge(state, self._chance.choice(live))

    async def _forge(self, state: State, task: Task) -> None:
        outcome, checkpoints = f"outcomes/{task.id}/{task.attempt}", f"checkpoints/{task.id}/{task.attempt}"
        deeds: dict[str, Callable[[], Awaitable[bool]]] = {
            "lie": lambda: self._puts(self._lie(task), outcome),
            "lie in the other place": lambda: self._puts(self._lie(task), outcome, BRANCHES),
            "lie for the next attempt": lambda: self._puts(self._lie(task), f"outcomes/{task.id}/{task.attempt + 1}"),
            "made-up checkpoint": lambda: self._puts(self._evil(), f"{checkpoints}/{self._chance.randbytes(4).hex()}"),
            "garbage": lambda: self._puts(self._garbage(), outcome),
            "blocked outcome": lambda: self._puts(self._evil(), f"outcomes/{task.id}"),
            "below an outcome": lambda: self._puts(self._evil(), f"{outcome}/evil"),
            "blocked checkpoints": lambda: self._puts(self._evil(), checkpoints),
            "replay": lambda: self._replays(outcome),
            "replaced checkpoint": lambda: self._replaces(checkpoints),
            "deleted outcome": self._deletes,
            "moved branch": lambda: self._moves(state),
        }
        deed = self._chance.choice(list(deeds))
        took = await deeds[deed]()
        self.deeds.append(
            f"{time.time():.1f} {deed} for {task.name}, attempt {task.attempt}{'' if took else ': refused'}"
        )

    async def _lie(self, task: Task) -> str:
        """An outcome that says that the base branch is the work."""
        lie = await self._evil()
        made = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.COMPLETED)
        file = made.model_copy(update={"work": Work(branch="main", base=lie, head=lie, commits=1)}).model_dump_json()
        return await self._committed({"outcome.json": file, "outcome": file})

    async def _evil(self) -> str:
        """A commit with a file that no step writes."""
        return await self._committed({"evil.txt": f"{time.time()}\n"})

    async def _committed(self, files: dict[str, str]) -> str:
        """On top of what `joins` has fetched: none of theirs is another one's parent, to be pushed over it."""
        await self._eve.git("checkout", "--quiet", "--force", "--detach", "origin/main")
        for name, text in files.items():
            await asyncio.to_thread((self._eve.folder / name).write_text, text)
        await self._eve.git("add", "--all")
        await self._eve.git("commit", "--quiet", "--message", "Outcome of an attempt")
        commit = await self._eve.git("rev-parse", "HEAD")
        self.commits.add(commit)
        return commit

    async def _garbage(self) -> str:
        """What is no commit."""
        await self._committed({"garbage": f"{time.time()}\n"})
        return await self._eve.git("rev-parse", self._chance.choice(("HEAD^{tree}", "HEAD:garbage")))

    async def _puts(self, making: Awaitable[str], name: str, place: str = REFS) -> bool:
        made = await making
        took = await self._pushes(f"{made}:{place}{name}")
        if took:
            self.pushed.add(made)
        return took

    async def _replays(self, place: str) -> bool:
        """An outcome of ours, for another attempt."""
        theirs = {ref: commit for ref, commit in (await self._looks()).items() if not ref.endswith(place)}
        if not theirs:
            return False
        ref = self._chance.choice(list(theirs))
        await self._eve.git("fetch", "--quiet", "origin", ref)
        return await self._pushes(f"{theirs[ref]}:{REFS}{place}")

    async def _replaces(self, checkpoints: str) -> bool:
        """What a daemon has saved."""
        found = await self._listed(f"{REFS}{checkpoints}/*")
        ours = {ref: commit for ref, commit in found.items() if commit not in self.pushed}
        if not ours:
            return False
        ref, evil = self._chance.choice(list(ours)), await self._evil()
        took = await self._pushes(f"{evil}:{ref}", f"--force-with-lease={ref}:{ours[ref]}")
        if took:
            self.pushed.add(evil)
        return took

    async def _deletes(self) -> bool:
        ours = await self._looks()
        spared = {ref: commit for ref, commit in ours.items() if ref.split("/")[3] not in self.robbed}
        if not spared:
            return False
        ref = self._chance.choice(list(spared))
        self.robbed.add(ref.split("/")[3])
        return await self._pushes(f":{ref}", f"--force-with-lease={ref}:{spared[ref]}")

    async def _moves(self, state: State) -> bool:
        """The branch of a step's, wherever the step stands."""
        heads = await self._listed("refs/heads/makima/*")
        tasks = {f"refs/heads/{task_branch(task.name, task.id)}": str(task.id) for task in state.tasks.values()}
        spared = {ref: commit for ref, commit in heads.items() if ref in tasks and tasks[ref] not in self.robbed}
        if not spared:
            return False
        ref, evil = self._chance.choice(list(spared)), await self._evil()
        self.robbed.add(tasks[ref])
        return await self._pushes(f"{evil}:{ref}", f"--force-with-lease={ref}:{spared[ref]}")

    async def _looks(self) -> dict[str, str]:
        """The outcomes of ours that are there now."""
        found = await self._listed(f"{REFS}outcomes/*")
        ours = {ref: at for ref, at in found.items() if at not in self.pushed and at not in self._known.values()}
        there = {ref: at for ref, at in found.items() if ours.get(ref) == at or self._known.get(ref) == at}
        self._known |= ours
        return there

    async def _listed(self, *patterns: str) -> dict[str, str]:
        """Ref → where it is."""
        lines = (await self._eve.git("ls-remote", "--refs", "origin", *patterns)).splitlines()
        return {ref: at for at, _, ref in (line.partition("\t") for line in lines)}

    async def _pushes(self, what: str, *options: str) -> bool:
        code, *_ = await self._eve.try_git("push", "--quiet", *options, "origin", what)
        return code == 0
