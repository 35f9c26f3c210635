"""The people around a disturbed system: an operator who asks, changes and mends, and one who pushes to its branch."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from domain.models import Task, TaskKind, Work
from domain.spawn_task import Outcome, OutcomeStatus
from domain.view import DirectiveView
from tests.acceptance.stack import Ran
from tests.chaos.builder import FIRST_STEPS, LOG, extra, first_log
from tests.chaos.system import System
from tests.forge import Person
from workflows.directive import DirectiveWorkflow

NAME = "acme/house"
TRIES_APART = 0.5
ANSWERS_WITHIN = timedelta(seconds=5)


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

    async def start(self) -> None:
        url = f"{self._system.forge.url}/{NAME}.git"
        asked = ("--title", "House", "--goal", self._goal, "--repo", url, "--timings", "fast")
        agents = ("--agent", "planner", "--planner", "planner", "--no-shepherd")
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
        while True:
            ran = await asyncio.to_thread(self._system.site.starter, command, *args)
            assert ran.code in (0, 2, 3) and "Traceback" not in ran.err, ran
            if ran.code != 3:
                return ran
            await asyncio.sleep(TRIES_APART)

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
            assert time.monotonic() < deadline, f"no rest within {seconds:g} s"
            await asyncio.sleep(TRIES_APART)
        return shown

    async def looks_after_it(self) -> None:
        """For as long as this isn't cancelled."""
        while True:
            await self._has_come_to_rest()
            await asyncio.sleep(TRIES_APART)

    async def _has_come_to_rest(self) -> DirectiveView | None:
        shown = await self.shown()
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
    """Who may push, too, and puts outcomes and checkpoints of their own where the directive's belong."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self._eve = Person(system.site.folder / "eve", system.forge.url_with(NAME))
        self._chance = chance
        self.pushed: set[str] = set()
        """Their commits; none of them may be lost, or become a part of the work."""

    async def forges(self, client: Client, workflow: str, seconds: float) -> None:
        """For that long, for tasks that are under way."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(self._chance.uniform(0.5, 2))
            with suppress(AssertionError, RPCError, WorkflowQueryFailedError):
                directive = client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)
                state = await directive.query(DirectiveWorkflow.state_now, rpc_timeout=ANSWERS_WITHIN)
                if live := [task for task in state.live() if task.kind is not TaskKind.PREPARE]:
                    await self._forge(self._chance.choice(live))

    async def _forge(self, task: Task) -> None:
        """An outcome that says that the base branch is the work, or a checkpoint of other files."""
        lie = await self._eve.commit("eve", {"evil.txt": f"{time.time()}\n"}, onto="main")
        made = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.COMPLETED)
        work = Work(branch="main", base=lie, head=lie, commits=1)
        file = made.model_copy(update={"work": work}).model_dump_json()
        lie = await self._eve.commit("eve", {"outcome.json": file, "outcome": file}, onto="main")
        names = (f"outcomes/{task.id}/{task.attempt}", f"checkpoints/{task.id}/{task.attempt}/{lie[:8]}")
        code, *_ = await self._eve.try_git(
            "push", "--quiet", "origin", f"{lie}:refs/makima/{self._chance.choice(names)}"
        )
        if code == 0:
            self.pushed.add(lie)
