"""Why a directive pauses, and which command helps: no reason without advice that helps (rule 8.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from domain import names
from domain.change import Draft
from domain.events import EventName
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.models import State, Task
from domain.statuses import DirectiveStatus, TaskKind


class PauseReason(StrEnum):
    """What keeps a directive from going on by itself."""

    OPERATOR = "operator"
    """Paused by hand."""
    NO_STEPS = "no steps"
    """The first plan holds none (rule 2.2)."""
    PLAN = "plan"
    """The planner's plan was refused, also when it was sent back."""
    REPOSITORY = "repository"
    """Unknown repository, no push right, a remote that refuses."""
    BASE_BRANCH = "base branch"
    """It is not there (any more)."""
    UNRELATED = "unrelated"
    """Work and base branch have no commit in common."""
    CONFLICT = "conflict"
    """What the completion had to merge could not be merged, or is not fit to be shipped."""
    VERIFY = "verify"
    """The merged work does not pass its checks."""
    BUDGET = "budget"
    """An agent had used what it may cost."""
    SPENT = "spent"
    """The directive's own budget is used up (rule 2.10)."""
    AUTH = "auth"
    """An agent's login or key was refused."""
    AGENT = "agent"
    """The agent of a planning or completion task failed in another way."""
    MACHINE = "machine"
    """Its daemons were lost, or we have a defect."""


OF_CATEGORY: Mapping[FailureCategory, PauseReason] = {
    FailureCategory.AGENT: PauseReason.AGENT,
    FailureCategory.NO_RESULT: PauseReason.AGENT,
    FailureCategory.CONFLICT: PauseReason.CONFLICT,
    FailureCategory.UNFINISHED: PauseReason.CONFLICT,
    FailureCategory.HISTORY: PauseReason.CONFLICT,
    FailureCategory.LEFT: PauseReason.CONFLICT,
    FailureCategory.POINTER: PauseReason.CONFLICT,
    FailureCategory.SECRET: PauseReason.CONFLICT,
    FailureCategory.PLAN: PauseReason.PLAN,
    FailureCategory.REPOSITORY: PauseReason.REPOSITORY,
    FailureCategory.TIME_LIMIT: PauseReason.AGENT,
    FailureCategory.NO_OUTPUT: PauseReason.AGENT,
    FailureCategory.MEMORY: PauseReason.AGENT,
    FailureCategory.DENIED: PauseReason.AGENT,
    FailureCategory.AUTH: PauseReason.AUTH,
    FailureCategory.BUDGET: PauseReason.BUDGET,
    FailureCategory.CONTEXT: PauseReason.AGENT,
    FailureCategory.CRASHED: PauseReason.AGENT,
    FailureCategory.VERIFY: PauseReason.VERIFY,
    FailureCategory.OPERATOR: PauseReason.MACHINE,
    FailureCategory.LOST: PauseReason.MACHINE,
    FailureCategory.INTERNAL: PauseReason.MACHINE,
}

OF_WORK = (PauseReason.CONFLICT, PauseReason.VERIFY, PauseReason.UNRELATED)
"""Of what steps have done: before there is any, no step can be done again."""
OF_TROUBLE: Mapping[RepositoryTrouble, PauseReason] = {
    RepositoryTrouble.BASE_BRANCH: PauseReason.BASE_BRANCH,
    RepositoryTrouble.UNRELATED: PauseReason.UNRELATED,
}

_RESUME = "`starter.py resume {id}`"
_OTHER_AGENT = "`starter.py edit {id} --agent NAME --planner NAME`"
ADVICE: Mapping[PauseReason, str] = {
    PauseReason.OPERATOR: f"{_RESUME} goes on",
    PauseReason.NO_STEPS: '`starter.py replan {id} --comment "…"` tells the planner what is missing, then ' + _RESUME,
    PauseReason.PLAN: '`starter.py replan {id} --comment "…"` tells the planner what was wrong, then ' + _RESUME,
    PauseReason.REPOSITORY: f"put right what it says, then {_RESUME}",
    PauseReason.BASE_BRANCH: "answer the question with the branch to use (`starter.py questions {id}`), or make that "
    f"branch and {_RESUME}",
    PauseReason.UNRELATED: "`starter.py retry-step {id} STEP --yes` does the step that it names again, from the base "
    f"branch as it is now; then {_RESUME}",
    PauseReason.CONFLICT: "`starter.py edit {id} --agent NAME` lets another agent resolve it, or "
    f"`starter.py retry-step {{id}} STEP --yes` does a step again; then {_RESUME}",
    PauseReason.VERIFY: "`starter.py edit {id} --verify COMMAND` changes the checks, or "
    f"`starter.py retry-step {{id}} STEP --yes` does a step again; then {_RESUME}",
    PauseReason.BUDGET: f"`starter.py edit {{id}} --max-cost USD --max-turns N` allows more, then {_RESUME}",
    PauseReason.SPENT: "`starter.py edit {id} --budget BUDGET` allows more, and it goes on; or answer the question "
    "(`starter.py questions {id}`) with `finish`",
    PauseReason.AUTH: f"log the agent in where its daemon runs, or {_OTHER_AGENT} takes another one; then {_RESUME}",
    PauseReason.AGENT: f"{_OTHER_AGENT} takes another agent where that would help; {_RESUME} tries again",
    PauseReason.MACHINE: f"{_RESUME} tries again",
}
"""`{id}` is the directive's; words in capitals are the operator's to put in."""


def pause(draft: Draft, reason: PauseReason, what: str) -> None:
    """Nothing new is started until an operator resumes; what is said names the command that helps."""
    if draft.state.status.is_final:
        return
    # Of a pause by hand whoever has paused knows what helps: only those who look at it later are told.
    said = what if reason is PauseReason.OPERATOR else f"{what} — {_advice(draft.state, reason)}"
    draft.set(status=DirectiveStatus.PAUSED, reason=said)
    draft.event(EventName.DIRECTIVE_PAUSED, said)


def pause_after(draft: Draft, task: Task, failure: Failure, trouble: RepositoryTrouble | None) -> None:
    """Planning, prepare and completion pause the directive with the reason (rules 2.2, 2.6)."""
    reason = OF_TROUBLE[trouble] if trouble else OF_CATEGORY[failure.category]
    if task.kind in (TaskKind.PLANNING, TaskKind.PREPARE) and reason in OF_WORK:
        reason = PauseReason.AGENT
    pause(draft, reason, f"{task.name}: {failure.report}")


def reason_and_remedy(state: State) -> str:
    """Why the directive stands still; of a paused one always with what helps."""
    if not paused_by_hand(state):
        return state.reason
    return f"{state.reason or 'paused'} — {_advice(state, PauseReason.OPERATOR)}"


def paused_by_hand(state: State) -> bool:
    """By an operator: each other reason to pause names the command that helps."""
    return state.status is DirectiveStatus.PAUSED and "`starter.py " not in state.reason


def _advice(state: State, reason: PauseReason) -> str:
    return ADVICE[reason].format(id=names.short(state.directive.id))
