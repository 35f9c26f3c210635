"""An outcome names nothing that its command didn't (rule 5.3): checked wherever one comes in, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.memory import MAX_ENTRIES
from domain.models import Work
from domain.names import branch_prefix, is_branch
from domain.pull_request import PullRequest
from domain.questions import MAX_OPEN
from domain.spawn_task import LONGEST_NAME, Outcome, OutcomeStatus, SpawnTask, cut
from domain.statuses import TaskKind

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MAX_MEMORY_CHANGES = 10 * MAX_ENTRIES
"""What an agent may set and delete in one attempt; past it nobody has called `memory-set` by hand."""


KEPT_SUMMARY = 16 * 1024
"""Bytes of an agent's last words; their end is kept."""
KEPT_LINES = 100
KEPT_LINE = 4 * 1024


def within_limits(outcome: Outcome) -> Outcome:
    """`outcome` with its texts cut to what the state and a write to the record have room for, whoever wrote them."""
    failure, work, resume = outcome.failure, outcome.work, outcome.resume
    if work:
        work = work.model_copy(update={"verified": _lines(work.verified), "left_out": _lines(work.left_out)})
    return outcome.model_copy(
        update={
            "summary": cut(outcome.summary, KEPT_SUMMARY),
            "failure": failure and failure.model_copy(update={"report": cut(failure.report)}),
            "work": work,
            "resume": resume and resume.model_copy(update={"agent": resume.agent[:LONGEST_NAME]}),
            "warnings": _lines(outcome.warnings),
            "unverified": _lines(outcome.unverified),
            "daemon": outcome.daemon[:LONGEST_NAME],
            "delivery": outcome.delivery[:LONGEST_NAME],
        }
    )


def _lines(told: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line[:KEPT_LINE] for line in told[:KEPT_LINES])


def problem_of(command: SpawnTask, outcome: Outcome) -> str:
    """The first thing in `outcome` that `command` didn't ask for, as the end of a sentence; empty: there is none."""
    return next(_problems(command, outcome), "")


def _problems(command: SpawnTask, outcome: Outcome) -> Iterator[str]:
    if (outcome.task, outcome.attempt) != (command.task, command.attempt):
        yield f"it is of task {outcome.task}, attempt {outcome.attempt}"
    if (outcome.status is OutcomeStatus.FAILED) != bool(outcome.failure):
        yield f"it is {outcome.status} {'with' if outcome.failure else 'without'} a failure"
    if command.kind is TaskKind.COMPLETION and outcome.status is OutcomeStatus.COMPLETED and not _has_shipped(outcome):
        yield "it names neither a branch nor a pull request"
    if outcome.resume and len(outcome.resume.session) > KEPT_LINE:
        yield "its session's name is too long"
    yield from _foreign_parts(command, outcome)
    if outcome.work:
        yield from _work_problems(command, outcome.work)
    if outcome.base_commit and not _COMMIT.fullmatch(outcome.base_commit):
        yield f"its base commit {outcome.base_commit[:80]!r} is no commit's name"
    if outcome.base_branch and not is_branch(outcome.base_branch):
        yield f"its base branch {outcome.base_branch[:80]!r} is no branch's name"
    if outcome.shipped:
        yield from _shipped_problems(command, outcome)
    for question in outcome.questions:
        if question.task != command.task:
            yield f"it asks for task {question.task}"
    if len(outcome.questions) > MAX_OPEN:
        yield f"it asks {len(outcome.questions)} questions"
    if len(outcome.memories) > MAX_MEMORY_CHANGES:
        yield f"it changes {len(outcome.memories)} memories"


def _has_shipped(outcome: Outcome) -> bool:
    return bool(outcome.work or outcome.shipped)


def _foreign_parts(command: SpawnTask, outcome: Outcome) -> Iterator[str]:
    """What only the outcome of another kind of task has."""
    plans = command.kind in (TaskKind.PREPARE, TaskKind.PLANNING)
    if plans and outcome.work:
        yield f"a {command.kind} task has no branch, it names {outcome.work.branch!r}"
    if outcome.branch_prefix and not (plans and _is_prefix(outcome.branch_prefix)):
        yield f"it wants branches that begin with {outcome.branch_prefix[:80]!r}"
    if not plans and outcome.base_commit:
        yield f"a {command.kind} task sets no base commit"
    if command.kind is not TaskKind.PLANNING and outcome.plan:
        yield f"a {command.kind} task makes no plan"
    if command.kind is not TaskKind.COMPLETION and outcome.shipped:
        yield f"a {command.kind} task ships nothing"


def _is_prefix(text: str) -> bool:
    try:
        return bool(branch_prefix(text))
    except ValueError:
        return False


def _work_problems(command: SpawnTask, work: Work) -> Iterator[str]:
    if not _is_own(command, work.branch):
        yield f"its branch {work.branch!r} is not the task's, {command.target_branch!r}"
    elif work.branch and not is_branch(work.branch):  # of a pull request that nobody has looked at yet
        yield f"its branch {work.branch[:80]!r} is no branch's name"
    commits = {"head": work.head, "base": work.base, "replaced commit": work.replaces or work.head}
    for what, commit in commits.items():
        if not _COMMIT.fullmatch(commit):
            yield f"its {what} {commit[:80]!r} is no commit's name"
    bases = _bases(command)
    if bases and work.base not in bases:
        yield f"its base {work.base} is not what the task builds on, {' or '.join(sorted(bases))}"


def _shipped_problems(command: SpawnTask, outcome: Outcome) -> Iterator[str]:
    assert outcome.shipped is not None
    if command.pull_request is None:
        yield "it ships, and the task was to push no more than a branch"
    for each in (outcome.shipped.pull_request, *outcome.shipped.over):
        if not _is_own(command, each.branch):
            yield f"its pull request comes from {each.branch!r}"
        yield from pull_request_problems(each)


def pull_request_problems(seen: PullRequest) -> Iterator[str]:
    """What of a pull request can't be one's: its names go to git, whoever's forge has told them."""
    if seen.head and not is_commit(seen.head):
        yield f"its pull request's head {seen.head[:80]!r} is no commit's name"
    for name in (seen.branch, seen.base):
        if name and not is_branch(name):
            yield f"its pull request names {name[:80]!r}, which is no branch's name"


def is_commit(name: str) -> bool:
    """Whether `name` is a whole name of a commit."""
    return bool(_COMMIT.fullmatch(name))


def _is_own(command: SpawnTask, branch: str) -> bool:
    """Whether the command's work may be pushed to `branch`. That of a pull request which an operator has named, and
    nobody has looked at yet, is known to the forge alone."""
    known = command.pull_request.known if command.pull_request else None
    return branch != command.base_branch and (branch in _branches(command) or (known is not None and known.is_unseen))


def _branches(command: SpawnTask) -> frozenset[str]:
    """Where the command's work may be pushed: a completion's goes on to the next branch once a pull request is over."""
    wanted = command.pull_request
    known = (wanted.known.branch,) if wanted and wanted.known else ()
    later = wanted.branches if wanted else ()
    return frozenset({command.target_branch, *known, *later} - {""})


def _bases(command: SpawnTask) -> frozenset[str]:
    """What a step's work starts from; empty where only git can say it: on a bridge, and on a branch of people's."""
    if command.kind is not TaskKind.STEP or command.bridges or not command.base_commit:
        return frozenset()
    first = command.continue_from.commit if command.continue_from else command.base_commit
    return frozenset({first, command.base_commit})
