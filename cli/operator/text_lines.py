"""Directives as lines of text: what `status`, `list` and `watch` print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.names import short
from domain.spending import estimated, total
from domain.statuses import StepStatus, TaskStatus
from domain.usage import by_agents, duration, used
from steering.standing import sandbox_notes, waiting_note

# The classes of what is told: to import them all takes a quarter of a second, and each command needs few.
if TYPE_CHECKING:
    from domain.models import Memory, Question
    from domain.pull_requests.pull_request_view import PullRequestView
    from domain.record import Event
    from domain.reports import DaemonSeen, DirectiveSummary
    from domain.spending import AttemptSpent, DirectiveSpent
    from domain.timers import TimerView
    from domain.view import DirectiveView, ProposalView, QuestionView, StepView
    from steering.recorded import SeenState
    from steering.standing import Standing

GOAL_SHOWN = 200
"""Characters."""
LEAST_SHOWN = 0.005
"""USD; less would read as $0.00."""


def status_lines(standing: Standing) -> list[str]:
    """Everything about one directive."""
    look = standing.look
    shown = look.seen
    lines = [
        shown.title,
        f"  id          {shown.id}",
        f"  status      {shown.status}, generation {shown.generation}" + _source(look),
        f"  repository  {shown.repository}, branch {shown.base_branch or 'by default'}",
    ]
    lines += [f"  reason      {shown.reason}"] if shown.reason else []
    goal = " ".join(shown.goal.split())
    lines += [f"  goal        {goal[:GOAL_SHOWN]}" + ("…" if len(goal) > GOAL_SHOWN else "")]
    lines += [f"  agents      {'; '.join(f'{kind}: {who}' for kind, who in shown.agents.items())}"]
    lines += [f"  limits      {shown.limits}"]
    lines += [f"  branch      {shown.pr.branch} at {shown.pr.head[:10]}"] if shown.pr else []
    lines += pull_request_lines(shown.pr) if shown.pr else []
    lines += [f"  used        {used(shown.usage)}"] if used(shown.usage) else []
    lines += [f"  budget      {shown.budget}"] if shown.budget else []
    lines += [f"  next        {timer_line(each)}" for each in shown.timers]
    lines += [f"  so far      {each.name}, {attempt_line(each)}" for each in standing.running]
    lines += [f"  clash       {line}" for each in standing.running for line in clash_lines(each, shown.steps)]
    lines += [f"  memories    {shown.memories}"] if shown.memories else []
    lines += [f"  web ui      {standing.page}"] if standing.page else []
    undated = {name: why for name, why in look.held_up.items() if name not in look.again}
    lines += [f"  held up     {name}: {why}; it is tried again" for name, why in undated.items()]
    lines += [f"  {name}: {status}" for name, status in shown.tasks.items()]
    lines += ["  " + line for step in shown.steps for line in (step_line(step), *left_out_lines(step))]
    lines += proposal_lines(shown.proposal, short(shown.id)) if shown.proposal else []
    lines += ["  " + line for question in shown.questions for line in question_lines(question, short(shown.id))]
    lines += [f"  sandbox     {note}" for note in sandbox_notes(standing.daemons)]
    waiting = waiting_note(shown, standing.daemons)
    return [*lines, f"  {waiting}"] if waiting else lines


def timer_line(timer: TimerView) -> str:
    """`2026-11-28 14:02:00 UTC: Store goes on (claude's limit is reached)`."""
    when = f"{timer.at:%Y-%m-%d %H:%M:%S} UTC: " if timer.at else ""
    why = " ".join(timer.why.split())
    return f"{when}{timer.what}" + (f" ({why})" if why else "")


def guessed(spent: Sequence[AttemptSpent | DirectiveSpent]) -> str:
    """`, and about $0.40 that nobody tells`; empty: all costs are told."""
    usd = estimated(spent)
    return f", and about ${usd:.2f} that nobody tells" if usd >= LEAST_SHOWN else ""


def attempt_line(spent: AttemptSpent) -> str:
    """`attempt 1: under way on here by claude, $0.40, 1,200 tokens, 5 min, 12 turns`."""
    where = f" on {spent.daemon}" if spent.daemon else ""
    by = f" by {by_agents(spent.agents)}" if spent.agents else ""
    how = "under way" if spent.runs else spent.status or "under way"
    turns = f", {spent.turns} turns" if spent.turns else ""
    return f"attempt {spent.attempt}: {how}{where}{by}, {used(total([spent])) or duration(0)}{guessed([spent])}{turns}"


def clash_lines(spent: AttemptSpent, steps: Sequence[StepView]) -> list[str]:
    """`Taxes and Prices change the same: prices.txt; its agent was told`, that of Taxes, which came later."""
    name = next((step.name for step in steps if step.id == spent.step), spent.name)
    return [
        f"{name} and {each.other} change the same: {each.what}" + ("; its agent was told" if each.told else "")
        for each in spent.clashes
    ]


def _source(look: SeenState[DirectiveView]) -> str:
    if look.lost:
        return f"  ({lost_note(look.lost)})"
    return "" if look.live else "  (as last recorded: no worker is there)"


def lost_note(how: str) -> str:
    """Said of a directive whose workflow has ended before its time (rule 9.2)."""
    return f"lost: {how}; recover goes on"


def pull_request_lines(shown: PullRequestView) -> list[str]:
    """The pull request, and what its checks and reviewers say of it."""
    if not shown.url:
        return []
    lines = [f"  pull req.   {shown.url} ({shown.state}{', approved' if shown.approved else ''})"]
    lines += [f"  checks      failed: {', '.join(shown.failing)}"] if shown.failing else []
    lines += [f"  no merge    {'; '.join(shown.blocked)}"] if shown.blocked else []
    lines += [f"  not heard   {shown.not_heard}, see history: comments, reviews"] if shown.not_heard else []
    left = f"{shown.rounds_left} {'round' if shown.rounds_left == 1 else 'rounds'} of fixes left"
    return [*lines, f"  shepherd    looks after it, {left}"] if shown.watched else lines


def proposal_lines(proposal: ProposalView, directive: str) -> list[str]:
    """The plan that waits for approval (rule 2.4)."""
    return [
        f"  the plan of generation {proposal.generation} waits for approval: "
        f"`starter.py approve {directive} --plan {proposal.name}`, or `reject {directive} --comment …`",
        *(f"    + {name}" for name in proposal.steps),
        *(f"    - {name}" for name in proposal.removed),
    ]


def question_lines(question: QuestionView | Question, directive: str) -> list[str]:
    """A question that waits for a person, and how it is answered (rule 8.3)."""
    lines = [f"question {short(question.id)}: {question.text}"]
    lines += [f"  context: {question.context}"] if question.context else []
    lines += [f"  choices: {', '.join(question.choices)}"] if question.choices else []
    if question.deadline:
        lines.append(f"  answered with {question.default!r} at {question.deadline:%Y-%m-%d %H:%M} UTC")
    return [*lines, f"  `starter.py answer {directive} {short(question.id)} TEXT`"]


def step_line(step: StepView) -> str:
    """One step, in the order in which a reader looks: status, name, where, why."""
    place = f" on {step.daemon}" if step.daemon and step.status is StepStatus.RUNNING else ""
    work = f"  {step.branch} {step.head_sha[:10]}".rstrip() if step.head_sha else ""
    if step.passed_over:
        place += f" by {step.agent} in place of {'; '.join(step.passed_over)}"
    why = step.failure or step.waiting
    return f"{step.status:<10} {step.name}{place}{work}" + (f"  ({why})" if why else "")


def left_out_lines(step: StepView) -> list[str]:
    """What its agent wrote and no commit holds."""
    return [f"           left out: {each}" for each in step.left_out]


def daemon_line(daemon: DaemonSeen, widest: int = 0) -> str:
    """One daemon in a list in which the widest name has so many characters."""
    agents = ", ".join(daemon.agents) or "no agent"
    labels = f"  labels {', '.join(daemon.labels)}" if daemon.labels else ""
    about = f"  version {daemon.version}" + (f", sandbox {daemon.sandbox}" if daemon.sandbox else "")
    parked = "".join(f"\n    parked: {each}" for each in daemon.parked if daemon.reported_lately)
    gone = "" if daemon.reported_lately else "  (gone: nothing heard for 90 s)"
    slots = f"{daemon.free} of {daemon.capacity} slots free, {len(daemon.running)} running"
    ago = f"last contact {daemon.silent_for.total_seconds():.0f} s ago"
    return f"{daemon.name:<{widest}}  {slots}, {ago}  [{agents}]{labels}{about}{gone}{parked}"


def event_line(event: Event, names: Mapping[UUID, str]) -> str:
    """One event: when, who, what, of which step or task, why."""
    about = names.get(event.step or event.task or UUID(int=0), "")
    why = " ".join(event.why.split())
    line = f"{event.at:%Y-%m-%d %H:%M:%S}  {event.actor:<10} {event.what}"
    return line + (f": {about}" if about else "") + (f" ({why})" if why else "")


def memory_lines(memory: Memory) -> list[str]:
    """What a key holds, its further lines set in."""
    first, *others = memory.value.splitlines() or [""]
    category = f" [{memory.category}]" if memory.category else ""
    return [f"{memory.key}{category}: {first}", *(f"    {line}" for line in others)]


LIST_HEADER = f"{'ID':<8}  {'STATUS':<10} {'AGE':<7} {'REPOSITORY':<16} TITLE"


def list_line(summary: DirectiveSummary) -> str:
    """One directive in a list."""
    steps = ", ".join(f"{count} {status}" for status, count in sorted(summary.steps.items()))
    why = lost_note(summary.lost) if summary.lost else summary.reason
    reason = f"  ({why})" if why else ""
    place = summary.repository.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")[:16]
    about = f"{short(summary.id)}  {summary.status:<10} {age_of(summary.age):<7} {place:<16}"
    return f"{about} {summary.title}  [{steps or 'no steps'}]{reason}"


def age_of(age: timedelta) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = age.total_seconds()
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def changes(before: DirectiveView | None, now: DirectiveView) -> list[str]:
    """A line for everything that differs between two looks at a directive."""
    lines = []
    if before is None or (before.status, before.generation) != (now.status, now.generation):
        lines.append(
            f"{now.title}: {now.status}, generation {now.generation}" + (f": {now.reason}" if now.reason else "")
        )
    waiting = _waiting_tasks(before)
    lines += [f"  {name}: {why}" for name, why in _waiting_tasks(now).items() if waiting.get(name) != why]
    known = {step.id: step for step in before.steps} if before else {}
    lines += ["  " + step_line(step) for step in now.steps if _differs(known.get(step.id), step)]
    if now.proposal and (before is None or before.proposal != now.proposal):
        lines += proposal_lines(now.proposal, short(now.id))
    asked = {question.id for question in before.questions} if before else set()
    new = [question for question in now.questions if question.id not in asked]
    lines += ["  " + line for question in new for line in question_lines(question, short(now.id))]
    lines += [] if before and _place(before.pr) == _place(now.pr) else _place(now.pr)
    return lines


def _place(shown: PullRequestView | None) -> list[str]:
    if shown is None:
        return []
    where = [f"  pull request {shown.state}: {shown.url}"] if shown.url else []
    return [f"  branch {shown.branch} at {shown.head[:10]}", *where]


def _waiting_tasks(shown: DirectiveView | None) -> dict[str, str]:
    """Name → why, of the planning, prepare and completion tasks that wait; steps say it themselves."""
    tasks = shown.tasks if shown else {}
    return {name: why for name, why in tasks.items() if why.startswith(TaskStatus.WAITING)}


def _differs(before: StepView | None, now: StepView) -> bool:
    """Why a ready step waits is news, such as a daemon's refusal; for whom of many a pending one waits is not."""

    def of(step: StepView) -> tuple[object, ...]:
        return step.status, step.attempt, step.daemon, step.waiting if step.status is StepStatus.READY else ""

    return before is None or of(before) != of(now)
