"""An outcome names nothing that its command didn't (rule 5.3): checked wherever one comes in, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.memory import MAX_ENTRIES
from domain.models import TaskKind, Work
from domain.names import branch_prefix, is_branch
from domain.questions import MAX_OPEN
from domain.spawn_task import Outcome, SpawnTask

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MAX_MEMORY_CHANGES = 10 * MAX_ENTRIES
"""What an agent may set and delete in one attempt; past it nobody has called `memory-set` by hand."""


def problem_of(command: SpawnTask, outcome: Outcome) -> str:
    """The first thing in `outcome` that `command` didn't ask for, as the end of a sentence; empty: there is none."""
    return next(_problems(command, outcome), "")


def _problems(command: SpawnTask, outcome: Outcome) -> Iterator[str]:
    if (outcome.task, outcome.attempt) != (command.task, command.attempt):
        yield f"it is of task {outcome.task}, attempt {outcome.attempt}"
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
