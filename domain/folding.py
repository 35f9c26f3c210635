"""How what daemons report becomes part of the state (rules 3.5, 5.3–5.5): late reports change nothing."""

from __future__ import annotations

from datetime import datetime

from domain.agents import Away
from domain.change import Change, Draft
from domain.current import is_current, is_late, since_dispatch
from domain.errors import Refused
from domain.events import EventName
from domain.failing import KEPT_REASON, fail, give_up, reopen
from domain.failures import Failure, FailureCategory
from domain.fallbacks import name_of
from domain.memory import forgotten, remembered
from domain.models import Question, State, Task
from domain.moment import not_too_far
from domain.outcome_check import within_limits
from domain.pausing import PauseReason, pause
from domain.plan_folding import NoSteps, fold_plan
from domain.pull_requests.shipping import fold_shipped
from domain.pull_requests.url import claim_pull_request, name_pull_request
from domain.questions import ask
from domain.record import AttemptEnded, DeliveryStarted
from domain.spawn_task import LONGEST_NAME, MemoryChange, Outcome, OutcomeStatus, TaskStarted, cut
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.taking_on import ask_all, is_refused_for_agent, is_taken_on
from domain.usage import Usage
from domain.used import settled, used_in

KEPT_WAIT = 500
"""Characters of what a task waits for; it stays in the state."""
KEPT_REASONS = 4 * 1024
WARNINGS_TOLD = 5
"""Of an attempt; its row in the record has them all."""


def fold_started(state: State, started: TaskStarted, now: datetime) -> Change:
    """The work of an attempt has lived for a second on a daemon (rule 4.4)."""
    draft = Draft(state, now, f"daemon:{started.daemon}")
    task = state.tasks.get(started.task)
    if task and task.status.is_live and task.attempt == started.attempt:
        draft.task(task.id, status=TaskStatus.RUNNING, daemon=started.daemon, delivery=started.delivery, reason="")
        draft.fact(DeliveryStarted(**started.model_dump(exclude={"name"}), at=now, agent=name_of(state, task)))
        draft.event(
            EventName.TASK_STARTED,
            f"attempt {started.attempt}, delivery {started.delivery}",
            task=task.id,
            step=task.step,
        )
        if task.step and not state.steps[task.step].status.is_finished:
            draft.step(task.step, status=StepStatus.RUNNING, blocked_by=())
    return draft.change()


def fold_outcome(
    state: State,
    dispatched: Task,
    outcome: Outcome,
    now: datetime,
    *,
    agent: str = "",
    believes_agents: bool = False,
    counts_late: bool = True,
) -> Change:
    """The result of one attempt, whichever delivery reports it; ignored unless this attempt is the current one.
    What it has used counts all the same; `counts_late`: unless the run has ignored that, as earlier versions did.
    `agent`: whose it is. `believes_agents`: in a run that has taken over a pull request which an agent named, as
    earlier versions did.
    """
    draft = Draft(state, now, f"daemon:{outcome.daemon}")
    task = state.tasks[dispatched.id]
    if counts_late and is_late(state, dispatched, outcome):
        draft.task(task.id, usage=(task.usage or Usage()) + since_dispatch(dispatched, outcome.usage))
    if not is_current(state, task.id, dispatched.attempt) or outcome.task != task.id:
        return draft.change()
    outcome = within_limits(outcome)
    agents = task.agents.model_copy(update={"name": agent or name_of(state, task)}).with_used(outcome.usage)
    task = draft.task(task.id, daemon=outcome.daemon or task.daemon, agents=agents)
    for found in outcome.unverified[:WARNINGS_TOLD]:
        draft.event(EventName.STATE_NOT_VERIFIED, found[:500], task=task.id, step=task.step)
    for change in outcome.memories:
        _remember(draft, task, change)
    if outcome.pull_request_url:
        if believes_agents:
            name_pull_request(draft, outcome.pull_request_url)
        else:
            claim_pull_request(draft, task, outcome.pull_request_url)
    draft.fact(AttemptEnded(outcome=outcome, at=now, agents=agents.used_in_attempt))
    if outcome.status is OutcomeStatus.WAITING:
        task = draft.task(task.id, resume=outcome.resume)
        if not (outcome.away and is_taken_on(draft, task, outcome.away, outcome)):
            ask_all(draft, outcome)
            _wait_for_it(draft, task, outcome)
        return draft.change()
    ask_all(draft, outcome)
    # Not before: an outcome's usage is the attempt's, over all the times that it has waited.
    task = draft.task(task.id, usage=(task.usage or Usage()) + outcome.usage, agents=agents.ended())
    for warning in outcome.warnings[:WARNINGS_TOLD]:
        draft.event(EventName.ATTEMPT_WARNS, warning[:500], task=task.id, step=task.step)
    if outcome.failure:
        fail(draft, task, outcome.failure, outcome.trouble)
    else:
        _succeed(draft, task, outcome)
    return draft.change()


def fold_interrupted(state: State, dispatched: Task, now: datetime) -> Change:
    """The workflow called the task back: no attempt is used (rule 5.5)."""
    draft = Draft(state, now)
    if is_current(state, dispatched.id, dispatched.attempt):
        _interrupt(draft, dispatched)
    return draft.change()


def fold_cannot_serve(
    state: State,
    dispatched: Task,
    daemon: str,
    reason: str,
    now: datetime,
    until: datetime | None = None,
    away: Away | None = None,
) -> Change:
    """A daemon refused the task: it goes to another one, not back to it, before `until` (rule 5.4). `away`: because of
    its agent.
    """
    draft = Draft(state, now, f"daemon:{daemon}")
    task = state.tasks[dispatched.id]
    if not is_current(state, task.id, dispatched.attempt):
        return draft.change()
    if task.unwanted:
        _interrupt(draft, task)
    else:
        about = {name: why for name, why in task.agents.refused_by.items() if name != daemon}
        about |= {daemon: away} if away else {}
        draft.task(
            task.id,
            status=TaskStatus.PENDING,
            agents=task.agents.model_copy(update={"refused_by": about}),
            refusals={**task.refusals, daemon: reason[:500]},
            # A time that is over already says nothing: asked at once, the daemon would refuse at once.
            refused_until=task.refused_until | ({daemon: not_too_far(until, now)} if until and until > now else {}),
            dispatch=task.dispatch + 1,
            daemon="",
            delivery="",
        )
        draft.event(EventName.TASK_REFUSED, reason, task=task.id, step=task.step)
        reopen(draft, task)
    return draft.change()


def fold_no_daemon(state: State, dispatched: Task, now: datetime) -> Change:
    """None is left to ask: it waits, showing each daemon's reason, until the first may be asked again; the others are
    asked when their time has come (rule 5.4). One that named none may be ready soon. Where it is the agent that can't
    be used, the next one may go on (rule 5.9).
    """
    draft = Draft(state, now)
    task = state.tasks[dispatched.id]
    if is_current(state, task.id, dispatched.attempt):
        reasons = "; ".join(f"{daemon}: {reason}" for daemon, reason in task.refusals.items())[:KEPT_REASONS]
        soon = now + state.directive.settings.timings.cannot_serve
        times = {daemon: task.refused_until.get(daemon, soon) for daemon in task.refusals}
        if not is_refused_for_agent(draft, task, reasons, times, soon):
            _wait(draft, task, reasons, min(times.values(), default=soon))
            draft.task(task.id, refused_until=times)
    return draft.change()


def fold_refused(state: State, dispatched: Task, outcome: Outcome, problem: str, now: datetime) -> Change:
    """An outcome that names what its command didn't: nothing of it counts, and the attempt is not tried again."""
    draft = Draft(state, now, f"daemon:{outcome.daemon}")
    task = state.tasks[dispatched.id]
    if task.status.is_live and task.attempt == dispatched.attempt:
        draft.event(EventName.OUTCOME_REFUSED, problem[:500], task=task.id, step=task.step)
        who = outcome.daemon[:LONGEST_NAME] or "a daemon"
        report = f"{who} reported an outcome that can't be this attempt's: {problem[:500]}"
        _broken(draft, task, Failure(category=FailureCategory.INTERNAL, report=report))
    return draft.change()


def fold_question(state: State, asked: Question, now: datetime) -> Change:
    """An agent asks while it runs (rule 8.3)."""
    draft = Draft(state, now, "agent")
    ask(draft, asked)
    return draft.change()


def fold_broken(state: State, dispatched: Task, failure: Failure, now: datetime) -> Change:
    """The attempt ended without an outcome for good: its daemons were lost, or ours is a defect. Not tried again."""
    draft = Draft(state, now)
    task = state.tasks[dispatched.id]
    if is_current(state, task.id, dispatched.attempt):
        _broken(draft, task, failure)
    return draft.change()


def _broken(draft: Draft, task: Task, failure: Failure) -> None:
    used = used_in(task)
    ended = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.FAILED, failure=failure, usage=used)
    draft.fact(AttemptEnded(outcome=ended, at=draft.now, agents=task.agents.used_in_attempt))
    give_up(draft, draft.task(task.id, **settled(task)), failure)


def _interrupt(draft: Draft, task: Task) -> None:
    draft.task(task.id, status=TaskStatus.INTERRUPTED, reason="called back", wait_until=None, daemon="", delivery="")
    draft.event(EventName.TASK_CALLED_BACK, task=task.id, step=task.step)
    reopen(draft, task)


def _wait_for_it(draft: Draft, task: Task, outcome: Outcome) -> None:
    """For a person's answer, or until a time: slot, clock and attempt are given back (rule 5.3)."""
    open_ones = [
        question for question in draft.state.questions.values() if question.is_open and question.task == task.id
    ]
    if open_ones:
        _wait(draft, task, f"asks: {open_ones[0].text}"[:500], None)
    else:
        again = draft.state.directive.settings.timings.cannot_serve  # its daemon can't end it now
        soon = draft.now + again if outcome.resume and outcome.resume.is_finished else draft.now
        until = not_too_far(outcome.wait_until, draft.now) if outcome.wait_until else soon
        _wait(draft, task, outcome.summary[:KEPT_WAIT] or "goes on with its answer", until)


def _remember(draft: Draft, task: Task, change: MemoryChange) -> None:
    """What the agent set or deleted; what no longer fits is dropped with an event, the work counts all the same."""
    try:
        if change.memory is None:
            memories = forgotten(draft.state.memories, change.key)
        else:
            memories = remembered(draft.state.memories, change.memory)
        draft.set(memories=memories)
        draft.event(
            EventName.MEMORY_DELETED if change.memory is None else EventName.MEMORY_SET, change.key, task=task.id
        )
    except Refused as refused:
        draft.event(EventName.MEMORY_DROPPED, str(refused), task=task.id)


def _wait(draft: Draft, task: Task, reason: str, until: datetime | None) -> None:
    if draft.state.tasks[task.id].unwanted:  # it was called back meanwhile, perhaps for good: it waits for nothing
        _interrupt(draft, task)
        return
    draft.task(task.id, status=TaskStatus.WAITING, reason=reason, wait_until=until, daemon="", delivery="")
    draft.event(EventName.TASK_WAITS, reason, task=task.id, step=task.step)
    reopen(draft, task)


def _succeed(draft: Draft, task: Task, outcome: Outcome) -> None:
    draft.task(task.id, status=TaskStatus.COMPLETED, reason="")
    match task.kind:
        case TaskKind.STEP:
            _complete_step(draft, task, outcome)
        case TaskKind.PLANNING | TaskKind.PREPARE:
            _plan(draft, task, outcome)
        case TaskKind.COMPLETION:
            fold_shipped(draft, task, outcome)


def _complete_step(draft: Draft, task: Task, outcome: Outcome) -> None:
    assert task.step is not None
    if draft.state.steps[task.step].status.is_finished:
        return  # removed or cancelled while it ran to its end: its work is saved, the plan goes on without it
    draft.step(
        task.step,
        status=StepStatus.COMPLETED,
        work=outcome.work,
        summary=cut(outcome.summary, KEPT_REASON),
        failure=None,
        blocked_by=(),
    )
    draft.event(EventName.STEP_COMPLETED, outcome.summary[:500], step=task.step, task=task.id)


def _plan(draft: Draft, task: Task, outcome: Outcome) -> None:
    """The plan becomes steps, or is proposed, or goes back to the planner with the reason (rule 3.5)."""
    try:
        fold_plan(draft, task, outcome)
    except NoSteps as nothing:
        pause(draft, PauseReason.NO_STEPS, f"{task.name}: {nothing}")
    except Refused as refusal:
        draft.task(task.id, status=TaskStatus.RUNNING)
        fail(draft, task, Failure(category=FailureCategory.PLAN, report=str(refusal)))
