"""What people and programs are shown of a directive: the documented shape of `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain import budgeting, names
from domain.fallbacks import name_of, passed_over
from domain.models import Proposal, Question, State, Step, Task
from domain.nodes import Node
from domain.pausing import reason_and_remedy
from domain.pull_requests.pull_request_view import PullRequestView, pull_request_view
from domain.questions import open_questions
from domain.queues import Queue, queue_of
from domain.statuses import DirectiveStatus, StepStatus, TaskStatus
from domain.timers import TimerView, timers
from domain.usage import Usage
from domain.used import total_usage
from domain.value import Value

SOME = 10
"""Names in a line."""


class StepView(Node, Value):
    status: StepStatus
    blocked_by: tuple[UUID, ...]
    attempt: int
    branch: str
    head_sha: str
    daemon: str
    agent: str = ""
    """Whose turn it is, or who had the last one; empty: nobody's yet."""
    passed_over: tuple[str, ...] = ()
    """The agents in whose place that one goes on, each with the reason (rule 5.9)."""
    by_agent: dict[str, Usage] = {}
    """Agent → what it has used."""
    failure: str
    waiting: str
    """Why it has not gone on, in one line; empty while it runs or has finished."""
    shipped: bool
    left_out: tuple[str, ...]
    """What its agent wrote and its commits don't hold, each with the reason."""
    is_fix: bool
    """It mends the pull request, and belongs to no plan."""
    usage: Usage


class ProposalView(Value):
    """A plan that waits for approval (rule 2.4)."""

    generation: int
    name: str = ""
    """What `approve --plan` takes: another plan has another one."""
    steps: tuple[str, ...]
    """The names of the steps that it adds."""
    removed: tuple[str, ...]


class QuestionView(Value):
    """A question that waits for a person (rule 8.3)."""

    id: UUID
    task: str
    """The name of the task that asks; empty where Makima itself does."""
    text: str
    choices: tuple[str, ...]
    context: str
    default: str
    deadline: datetime | None


class DirectiveView(Value):
    id: UUID
    workflow_id: str
    owner: str
    title: str
    goal: str
    repository: str
    base_branch: str
    status: DirectiveStatus
    reason: str
    generation: int
    pr: PullRequestView | None
    steps: tuple[StepView, ...]
    tasks: dict[str, str]
    """The planning, prepare and completion tasks: name → status."""
    queues: tuple[Queue, ...] = ()
    """Where tasks of it wait for a daemon (rule 4.4)."""
    proposal: ProposalView | None = None
    questions: tuple[QuestionView, ...] = ()
    """The open ones."""
    memories: int = 0
    """How many there are."""
    usage: Usage = Usage.model_construct()
    """Of all its tasks."""
    budget: str = ""
    """How much of its budget is used; empty: it has none."""
    agents: dict[str, str] = {}
    """Kind of task → the agents that do it, in order."""
    limits: str = ""
    timers: tuple[TimerView, ...] = ()


def view(state: State) -> DirectiveView:
    """All that is known of a directive without asking a daemon."""
    directive = state.directive
    return DirectiveView(
        id=directive.id,
        workflow_id=names.workflow_id(directive.text.title, directive.id),
        owner=directive.owner,
        title=directive.text.title,
        goal=directive.text.goal,
        repository=directive.repository,
        base_branch=directive.base_branch,
        status=state.status,
        reason=reason_and_remedy(state),
        generation=state.generation,
        pr=pull_request_view(state, state.pull_request) if state.pull_request else None,
        steps=tuple(_step_view(state, step) for step in state.ordered_steps()),
        tasks={
            _task_label(task.name, task.round): ", ".join([described(task.status, task.reason), *passed_over(task)])
            for task in state.tasks.values()
            if task.step is None
        },
        queues=_queues(state),
        proposal=_proposal_view(state, state.proposal) if state.proposal else None,
        questions=tuple(_question_view(state, question) for question in open_questions(state)),
        memories=len(state.memories),
        usage=total_usage(state),
        budget=budgeting.told(state),
        agents=directive.settings.agents_told,
        limits=directive.settings.limits_told,
        timers=timers(state),
    )


def _queues(state: State) -> tuple[Queue, ...]:
    pending = [task for task in state.live() if task.status is TaskStatus.PENDING and not task.unwanted]
    return tuple(dict.fromkeys(queue_of(state, task) for task in pending))


def _proposal_view(state: State, proposal: Proposal) -> ProposalView:
    removed = tuple(state.steps[step].name for step in proposal.remove if step in state.steps)
    return ProposalView(
        generation=proposal.generation,
        name=proposal.name,
        steps=tuple(step.name for step in proposal.add),
        removed=removed,
    )


def _question_view(state: State, question: Question) -> QuestionView:
    shown = question.model_dump(include=set(QuestionView.model_fields) - {"task"})
    task = state.tasks.get(question.task)
    return QuestionView(**shown, task=task.name if task else "")


def _task_label(name: str, round_: int) -> str:
    return name if round_ == 1 else f"{name} ({round_})"


def described(status: TaskStatus, reason: str) -> str:
    """A task's status, and why it is so."""
    return f"{status}: {reason}" if reason else status.value


def _branch_to_be(state: State, task: Task) -> str:
    return names.task_branch(task.name, task.id, state.directive.settings.prefix)


def failure_line(step: Step) -> str:
    """How it failed; empty: it has not."""
    return f"{step.failure.category}: {step.failure.report}" if step.failure else ""


def _step_view(state: State, step: Step) -> StepView:
    task = state.tasks.get(names.step_task(step.id))
    return StepView(
        **step.node(),
        status=step.status,
        blocked_by=step.blocked_by,
        attempt=task.attempt if task else 0,
        branch=step.work.branch if step.work else _branch_to_be(state, task) if task else "",
        head_sha=step.work.head if step.work else "",
        daemon=task.daemon if task else "",
        agent=name_of(state, task) if task else "",
        passed_over=tuple(passed_over(task)) if task else (),
        by_agent=task.agents.by_agent if task else {},
        failure=failure_line(step),
        waiting=waiting_reason(state, step),
        shipped=step.shipped,
        left_out=step.work.left_out if step.work else (),
        is_fix=step.fix is not None,
        usage=(task and task.usage) or Usage(),
    )


def waiting_reason(state: State, step: Step) -> str:
    """Why a step that has not finished is not running, in one line (rule 4.4)."""
    task = state.tasks.get(names.step_task(step.id))
    if step.status is StepStatus.BLOCKED:
        return "blocked by " + _some(state.steps[other].name for other in step.blocked_by)
    if task and task.status is TaskStatus.WAITING:
        return task.reason
    if task and task.status is TaskStatus.PENDING and step.status is StepStatus.READY:
        return f"waits for a daemon on queue {queue_of(state, task).name}"
    if step.status is StepStatus.READY:
        return "waits for a place among the steps in flight"
    if step.status is StepStatus.PENDING:
        waits = [state.steps[other].name for other in step.depends_on if not state.steps[other].status.satisfies]
        rest = "the plan" if state.planned < state.generation else "an earlier phase"
        return "waits for " + (_some(waits) or rest)
    return ""


def _some(names_: Iterable[str]) -> str:
    """The first names, and how many more: a plan may let each of 200 steps wait for all others."""
    listed = list(names_)
    more = [f"{len(listed) - SOME} more"] if len(listed) > SOME else []
    return ", ".join([*listed[:SOME], *more])
