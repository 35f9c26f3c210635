"""What follows once a pull request is merged or closed (rules 7.2, 7.3, 7.5)."""

from __future__ import annotations

from collections.abc import Collection

from domain import names
from domain.agents import TaskAgents
from domain.asking import Topic, ask_operator
from domain.change import Draft
from domain.events import EventName
from domain.models import State, Step
from domain.pull_request import PullRequest, PullRequestState
from domain.pull_requests.closing import end_all, settle_closed
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.tidied import Tidied, Tidying
from domain.usage import Usage

MAX_HEADS = 20
OPEN_ANOTHER = "open a new one"
LEAVE_IT = "leave it"


def held_by(state: State, version: int) -> list[Step]:
    """The completed steps that the pull request of this version holds."""
    return [
        step
        for step in state.ordered_steps()
        if step.status is StepStatus.COMPLETED and step.shipped and step.shipped_in == version
    ]


def fold_over(draft: Draft, former: PullRequest, unmerged: Collection[str] = ()) -> None:
    """`former`, which was the directive's, was found merged or closed; merged without the pushes that `unmerged` names,
    where the forge had not seen them yet.
    """
    draft.fact(former)
    _drop_fixes(draft)
    end_all(draft)
    if former.state is PullRequestState.MERGED:
        settle_closed(draft, former.version, "it was merged")
        _leave_behind(draft, former, unmerged)
        _merged(draft, former)
    elif steps := held_by(draft.state, former.version):
        text = (
            f"The pull request was closed without being merged: {former.url or former.branch}. "
            f"What shall become of its {len(steps)} finished steps?"
        )
        ask_operator(draft, Topic.CLOSED, str(former.version), text, (OPEN_ANOTHER, LEAVE_IT))


def open_another(draft: Draft, version: int) -> None:
    """What a closed pull request held is shipped again, by the next completion, in a new one."""
    for step in held_by(draft.state, version):
        draft.step(step.id, shipped=False, shipped_in=0)


def base_of(state: State, generation: int) -> str:
    """Where a generation's steps without dependencies start; empty: the base branch's head, which is resolved when
    one starts, since the recorded commit is older than a merge (rule 7.2)."""
    return "" if generation <= state.merged.generation else state.bases[generation]


def wanted_tidying(state: State) -> Tidying | None:
    """What may be deleted on the remote, once no work is left that may build on what was merged."""
    if not state.merged.untidied or state.status.is_final or state.live(TaskKind.STEP, TaskKind.COMPLETION):
        return None
    if any(step.status is StepStatus.COMPLETED and step.work and not step.shipped for step in state.steps.values()):
        return None
    directive = state.directive
    done = [step for step in state.ordered_steps() if step.status is StepStatus.MERGED]
    tasks = [task.id for task in state.tasks.values() if task.step is None and not task.status.is_live]
    return Tidying(
        owner=directive.owner,
        directive=directive.id,
        repository=directive.repository,
        base_branch=directive.base_branch,
        branch_prefix=directive.settings.branch_prefix,
        pull_requests=state.merged.untidied,
        branches=tuple(step.work.branch for step in done if step.work and step.work.branch),
        tasks=(*tasks, *(names.step_task(step.id) for step in done)),
    )


def fold_tidied(draft: Draft, tidying: Tidying, tidied: Tidied | None, why: str = "") -> None:
    """The remote was tidied; None: it could not be, and is left as it is."""
    gone = {pull_request.head for pull_request in tidying.pull_requests}
    merged = draft.state.merged
    left = tuple(one for one in merged.untidied if one not in tidying.pull_requests)
    # A head that is no longer on the remote can't be built on; nothing that isn't merged needs it any more.
    heads = tuple(head for head in merged.heads if head not in gone) if tidied else merged.heads
    draft.set(merged=merged.model_copy(update={"untidied": left, "heads": heads}))
    if tidied is None:
        draft.event(EventName.BRANCHES_LEFT, why[:500])
    elif tidied.deleted or tidied.kept:
        kept = f"; kept, not contained: {', '.join(tidied.kept)}" if tidied.kept else ""
        draft.event(EventName.BRANCHES_DELETED, f"{len(tidied.deleted)} refs{kept}"[:500])


def _leave_behind(draft: Draft, former: PullRequest, unmerged: Collection[str]) -> None:
    """The next completion ships again what was not merged."""
    left = {step for push in draft.state.shepherding.pushed if push.head in unmerged for step in push.steps}
    steps = [step for step in held_by(draft.state, former.version) if step.id in left]
    for step in steps:
        draft.step(step.id, shipped=False, shipped_in=0)
        draft.event(
            EventName.NOT_MERGED, f"{former.head} was merged, without it: it goes into the next one", step=step.id
        )


def _merged(draft: Draft, former: PullRequest) -> None:
    state, usage = draft.state, draft.state.merged.usage
    for step in held_by(state, former.version):
        draft.step(step.id, status=StepStatus.MERGED)
        task = state.tasks.get(names.step_task(step.id))
        if task and task.status is TaskStatus.COMPLETED:
            usage += task.usage or Usage()
            draft.task(task.id, status=TaskStatus.MERGED, usage=None, agents=TaskAgents(name=task.agents.name))
    merged = state.merged
    untidied = () if state.directive.settings.keep_branches else (*merged.untidied, former)
    heads = tuple(dict.fromkeys([*merged.heads, former.head]))[-MAX_HEADS:]
    draft.set(
        merged=merged.model_copy(
            update={"heads": heads, "generation": state.generation, "untidied": untidied, "usage": usage}
        )
    )


def _drop_fixes(draft: Draft) -> None:
    """What was still to be mended in it has no place any more; a running fix is called back, its work saved."""
    for step in list(draft.state.steps.values()):
        if step.fix and not step.status.is_finished:
            draft.step(step.id, status=StepStatus.CANCELLED, removed=True, blocked_by=())
            draft.event(EventName.STEP_REMOVED, "its pull request is over", step=step.id)
