"""A delivery and a core that remember what they were told, and a daemon between them with real git and processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from daemon.agents.command import CommandAgent
from daemon.agents.shell import ShellAgent
from daemon.git.repositories import Repositories
from daemon.machine import Machine
from daemon.runner import Runner, nothing_more
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox
from daemon.saving.outcomes import Outcomes
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside
from domain.directive_settings import AgentChoice, Limits
from domain.errors import AttemptGone, NotReachable
from domain.models import Question
from domain.progress import Progress
from domain.spawn_task import CommandContext, Outcome, SpawnTask
from domain.statuses import TaskKind
from domain.usage import Usage

TASK = UUID("0d9c2b1e-7a64-5a51-9c1c-7e2f0a9d3b55")


class RememberedDelivery:
    """Keeps what it is told, and answers as the test says; `away` makes it fail."""

    def __init__(self) -> None:
        self.name = uuid4().hex[:8]
        self.run = ""
        self.asked: list[Question] = []
        self.replies: dict[str, str] = {}
        self.away = self.gone = False
        self.refused = self.confirmed = self.looks = 0
        self.used_before = Usage()
        self.beats: list[Progress] = []
        self.starts: list[str] = []
        self.left: list[Outcome] = []
        self.successor_within = 0.0
        """Above 0: where the test cancels it, its server has lost it."""
        self.has_successor = True
        self.is_mute = False
        """Nobody can be asked for the successor."""

    def beat(self, progress: Progress) -> None:
        self.beats.append(progress)

    async def started(self, delivery: str) -> None:
        self._be_there()
        self.starts.append(delivery)

    async def may_have_successor(self) -> bool:
        self.looks += 1
        if self.is_mute:
            raise RuntimeError("the server's answer is not understood")
        return self.has_successor

    def leaves(self, outcome: Outcome) -> None:
        self.left.append(outcome)

    async def confirm(self) -> None:
        self.confirmed += 1
        if self.gone:
            raise AttemptGone("the attempt was given to another delivery")

    async def ask(self, question: Question) -> None:
        self._be_there()
        self.asked.append(question)

    async def answers(self) -> tuple[Question, ...]:
        self._be_there()
        return tuple(question.model_copy(update={"answer": self.replies.get(question.text)}) for question in self.asked)

    def _be_there(self) -> None:
        if self.away:
            self.refused += 1
            raise NotReachable("the directive has no worker")


class RememberedCore:
    """Keeps the logs and artifacts that it is sent; `away` makes it fail."""

    def __init__(self) -> None:
        self.artifacts: list[Artifact] = []
        self.chunks: list[LogChunk] = []
        self.usage: list[UsageReport] = []
        self.beside = UsedBeside()
        """What other attempts of the directive have used, and how far the day's budgets are."""
        self.away = False

    async def append_log(self, chunk: LogChunk) -> None:
        self.chunks.append(chunk)

    async def report(self, report: DaemonReport) -> None:
        pass

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        self.usage.append(report)
        if self.away:
            raise NotReachable("nobody takes it")
        return self.beside

    async def put_artifact(self, artifact: Artifact) -> None:
        if self.away:
            raise NotReachable("nobody takes it")
        self.artifacts.append(artifact)


class OneDaemon:
    """Runs tasks on an origin, each by a script of its own in place of an agent."""

    def __init__(self, folder: Path, repositories: Repositories, origin: Path) -> None:
        self.core = RememberedCore()
        self.delivery = RememberedDelivery()
        self.tasks = folder / "tasks"
        self.gone = False
        """Whether the attempts turn out to be other deliveries' at their end."""
        self.min_free_disk = self.max_task_memory = 0
        self.more: dict[str, Any] = {}
        """Further fields of its Machine, or others in place of those here."""
        self.runner: Runner
        """The one of the last task."""
        self._repositories = repositories
        self._origin = origin

    async def does(self, script: str, /, kind: TaskKind = TaskKind.PLANNING, **fields: object) -> Outcome:
        """The outcome of a task whose agent is the shell script; each call is a delivery of the same attempt, to a
        daemon that was started again.
        """
        self.starts_with(script)
        replies, self.delivery = self.delivery.replies, RememberedDelivery()
        self.delivery.replies, self.delivery.gone = replies, self.gone
        return await self.runner.spawn(self.command(kind, **fields), self.delivery)

    def starts_with(self, script: str) -> None:
        """Start the daemon, whose agent is the shell script."""
        agent = CommandAgent(kind="command", argv=("sh", "-ec", script))
        given: dict[str, Any] = {
            "name": "here",
            "owner": "me",
            "tasks_folder": self.tasks,
            "repositories": self._repositories,
            "agents": {"scripted": agent},
            "identity": GitIdentity(),
            "sandbox": NoSandbox(),
            "core": self.core,
            "min_free_disk": self.min_free_disk,
            "max_task_memory": self.max_task_memory,
            "after_outcome": nothing_more,
        }
        self.runner = Runner(Machine(**{**given, **self.more}))

    async def base(self) -> str:
        """The head of the origin's branch `main`."""
        cache = await self._repositories.at(f"file://{self._origin}")
        return await cache.prepare("main")

    async def published(self, task: UUID, attempt: int) -> bool:
        """Whether the attempt has ended for everybody."""
        cache = await self._repositories.at(f"file://{self._origin}")
        return await Outcomes(cache).find_outcome(str(task), attempt) is not None

    def command(self, kind: TaskKind, **fields: object) -> SpawnTask:
        limits = Limits(time=timedelta(minutes=2))
        given = {
            "task": TASK,
            "name": "Plan: a house",
            "kind": kind,
            "attempt": 1,
            "owner": "me",
            "directive": uuid4(),
            "directive_title": "A house",
            "generation": 1,
            "prompt": "Plan a house",
            "repository": f"file://{self._origin}",
            "base_branch": "main",
            "agent": AgentChoice(name="scripted"),
            "limits": limits,
            "context": CommandContext(),
        }
        return SpawnTask.model_validate({**given, **fields})


class Steps:
    """Runs steps, each a shell script in place of an agent; the origin's `main` has f.txt with three lines."""

    def __init__(self, daemon: OneDaemon, origin: Path, git: Callable[..., str]) -> None:
        self.daemon, self.origin, self.git = daemon, origin, git

    async def does(self, script: str, /, **fields: Any) -> Outcome:
        """The script is told nothing, so it can't mend what is found."""
        self.daemon.more["agents"] = {"scripted": ShellAgent(kind="shell")}
        return await self._does("", script=script, **fields)

    async def told(self, script: str, mended: str, **fields: Any) -> Outcome:
        """What the script did is mended by another one once it is told what is wrong; `$P` holds the words."""
        self.daemon.more.pop("agents", None)
        both = f'P=$(cat); case "$P" in *"Your work is not finished"*) {mended} ;; *) {script} ;; esac'
        return await self._does(both, **fields)

    async def _does(self, text: str, **fields: Any) -> Outcome:
        base = await self.daemon.base()
        given = {"task": uuid4(), "step_name": "A step", "base_commit": base, "target_branch": "makima/step"}
        return await self.daemon.does(text, TaskKind.STEP, **{**given, **fields})

    def show(self, path: str, ref: str = "makima/step") -> str:
        return self.git(self.origin, "show", f"{ref}:{path}")


async def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for a condition; the limit only ends a test that has failed."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
