"""The nouns of Makima (rule 1) as frozen values: what a directive, its steps and its tasks are at one moment."""

from __future__ import annotations

import operator
from datetime import datetime
from typing import Annotated, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from pydantic import Field, field_serializer

from domain.agents import TaskAgents
from domain.budget import Budgeting
from domain.directive_settings import AgentChoice, Settings
from domain.failures import Failure
from domain.moment import Moment
from domain.nodes import Dependencies, Node
from domain.pull_request import PullRequest
from domain.shepherd_state import Fix, Merged, Shepherding
from domain.statuses import LIVE, DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.tolerant import Tolerant
from domain.usage import ResumableSession, Usage
from domain.value import Value


class Text(Value):
    """What a directive is asked to do (rule 1)."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    goal: Annotated[str, Field(min_length=1, max_length=64 * 1024)]
    requirements: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


class Directive(Value):
    """What a directive is apart from where it stands."""

    id: UUID
    owner: str
    text: Text
    repository: str
    base_branch: str
    """Empty: the remote's default branch, until the first planning or prepare task has said which that is."""
    settings: Settings = Settings.model_construct()


class Work(Tolerant):
    """What an attempt left in git; every commit is on the remote."""

    branch: str
    base: str
    head: str
    commits: Annotated[int, Field(ge=0)]
    files_changed: Annotated[int, Field(ge=0)] = 0
    replaces: str = ""
    """Where the branch was on the remote when the work began; empty: nowhere. The push's lease (rule 6.8)."""
    verified: tuple[str, ...] = ()
    """The verify commands that succeeded at `head` (rule 6.5)."""
    left_out: tuple[Annotated[str, Field(max_length=400)], ...] = Field(default=(), exclude_if=operator.not_)
    """What the agent wrote and no commit holds, each with the reason; at most 21 lines. Written only where there is
    something: workers of before refuse an outcome with a field that they don't know.
    """


class Memory(Tolerant):
    """Something that a directive's agents keep for each other across cycles (rule 1)."""

    key: Annotated[str, Field(min_length=1, max_length=200)]
    value: str
    category: Annotated[str, Field(max_length=100)] = ""


MAX_CHOICES = 20
MAX_CHOICE = 500
"""Characters, also of a default."""


class Question(Tolerant):
    """What an agent asks a person (rule 8.3); its id is a function of task and text, so asked again it is the same."""

    id: UUID
    task: UUID
    """Whose work waits for the answer; the directive's id where Makima itself asks."""
    topic: str = ""
    """What the answer is for, where Makima itself asks (domain/asking.py)."""
    text: Annotated[str, Field(min_length=1, max_length=4096)]
    choices: Annotated[tuple[Annotated[str, Field(max_length=MAX_CHOICE)], ...], Field(max_length=MAX_CHOICES)] = ()
    context: Annotated[str, Field(max_length=8192)] = ""
    default: Annotated[str, Field(max_length=MAX_CHOICE)] = ""
    deadline: Moment | None = None
    """When the default answers it."""
    answer: str | None = None
    answered_by: str = ""

    @property
    def is_open(self) -> bool:
        return self.answer is None


class OpenQuestion(Value):
    """A question that nobody has answered, and whose it is."""

    directive: UUID
    workflow_id: str
    question: Question
    asked_at: datetime
    """When the record was told, by the database's clock."""


class Step(Node, Tolerant):
    """A node of the plan's graph, with what is to be done there and what became of it."""

    position: int
    """Its place in the plan of its generation; ties of readiness end here (rule 4.3)."""
    description: str = ""
    task_plan: str
    """Empty once a completed step's texts were dropped from the state; the record keeps them (design 6)."""
    status: StepStatus = StepStatus.PENDING
    blocked_by: tuple[UUID, ...] = ()
    removed: bool = False
    """A later plan took it out: it is cancelled, and holds up no later phase."""
    work: Work | None = None
    summary: str = ""
    failure: Failure | None = None
    shipped: bool = False
    """The pull request holds it: recorded, never computed from ancestry (rule 7.2)."""
    shipped_in: int = 0
    """That pull request's version; 0: there was none when a step without commits was done."""
    fix: Fix | None = None
    agent: AgentChoice | None = None
    """Its own, with its own list; None: the directive's."""

    @property
    def order(self) -> tuple[int, int, int]:
        return (self.generation, self.order_index, self.position)


class Task(Value):
    """The work of one step, planning or completion, over all its attempts (rule 1)."""

    id: UUID
    kind: TaskKind
    name: str
    step: UUID | None = None
    generation: int
    round: int = 1
    status: TaskStatus = TaskStatus.PENDING
    attempt: int = 1
    dispatch: int = 1
    """Counts how often the workflow has scheduled this attempt; part of the activity's id."""
    unwanted: bool = False
    """The workflow is asked to call it back."""
    wait_until: datetime | None = None
    reason: str = ""
    """Why it waits or was interrupted."""
    daemon: str = ""
    delivery: str = ""
    earlier: Failure | None = None
    """The report of the attempt before this one."""
    refusals: dict[str, str] = {}
    """Daemon → why it can't serve this task; it is not asked before its time in `refused_until` (rule 5.4)."""
    refused_until: dict[str, datetime] = {}
    """Daemon → when it is asked again: as it has said itself, or soon, once there was none left to ask."""
    resume: ResumableSession | None = None
    """The agent's session that the attempt goes on with after its wait."""
    ships: tuple[UUID, ...] = ()
    """Completion: the steps that it merges, fixed when it is made."""
    usage: Usage | None = None
    """Over all attempts that have ended; None: none, or it is part of the sum of what was merged."""
    agents: TaskAgents = TaskAgents.model_construct()


class Answer(Value):
    """What a granted request led to."""

    status: DirectiveStatus
    generation: int
    step: UUID | None = None
    """The step that was added."""


class PlanChanges(Tolerant):
    """What a planning task hands over: validated once at the command, again when it is folded in (rule 3.5)."""

    add: tuple[Step, ...] = ()
    remove: tuple[UUID, ...] = ()
    set_deps: tuple[Dependencies, ...] = ()
    """Of steps that exist already and have not started."""

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.remove or self.set_deps)


class Proposal(PlanChanges, Value):
    """A plan that waits for approval (rule 2.4)."""

    generation: int
    base_commit: str

    @property
    def identity(self) -> UUID:
        """Its own: the steps of a plan have ids that no other plan's have."""
        parts = [self.generation, self.base_commit, *(step.id for step in self.add), "-", *self.remove]
        parts += ["-", *(part for each in self.set_deps for part in (each.step, *each.depends_on))]
        return uuid5(NAMESPACE_OID, " ".join(map(str, parts)))

    @property
    def name(self) -> str:
        """What people call it by."""
        return self.identity.hex[:8]


class DirectiveRow(Value):
    """Where one directive stands, without its steps and tasks: the record's row of it."""

    directive: Directive
    status: DirectiveStatus = DirectiveStatus.DRAFT
    reason: str = ""
    authenticated: bool = False
    """It has a secret, which is no part of this value: its state on a remote is authenticated."""
    generation: int = 1
    """The newest goal's."""
    planned: int = 0
    """The newest generation whose plan was folded in; smaller than `generation` while a plan is wanted."""
    bases: dict[int, str] = {}
    """Generation → the commit where its steps without dependencies start (rule 2.3)."""
    given_plan: tuple[Step, ...] = ()
    """A plan handed over with the directive, folded in when its base is known."""
    proposal: Proposal | None = None
    note: str = ""
    """For the next planner: why the last plan was rejected, or what the operator wants from a re-plan."""
    memories: dict[str, Memory] = {}
    questions: dict[UUID, Question] = {}
    pull_request: PullRequest | None = None
    shepherding: Shepherding = Shepherding.model_construct()
    merged: Merged = Merged.model_construct()
    budgeting: Budgeting = Budgeting.model_construct()
    answered: dict[str, Answer] = {}
    """The last 500 updates by id, so that the same id twice has one effect, also across runs (design 6)."""


class State(DirectiveRow):
    """Where one directive stands: the whole truth about it, one payload of at most 1.5 MB (design 6)."""

    steps: dict[UUID, Step] = {}
    tasks: dict[UUID, Task] = {}

    @field_serializer("steps", "tasks", when_used="json")
    def _briefly(self, known: dict[UUID, Step] | dict[UUID, Task]) -> dict[str, Any]:
        """A thousand finished steps have to fit one payload: what is as in every new one is left out, and read so."""
        return {str(identity): each.model_dump(mode="json", exclude_defaults=True) for identity, each in known.items()}

    def ordered_steps(self) -> list[Step]:
        """The steps as plans and lists show them: (generation, order_index, position)."""
        return sorted(self.steps.values(), key=lambda step: step.order)

    def live(self, *kinds: TaskKind) -> list[Task]:
        """The tasks of these kinds (all, if none is named) that hold or will hold a place on a daemon."""
        return [task for task in self.tasks.values() if task.status in LIVE and (not kinds or task.kind in kinds)]
