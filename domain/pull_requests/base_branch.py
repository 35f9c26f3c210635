"""The base branch moves under a directive: its pull request's own base is the truth (rule 7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from domain.change import Draft
from domain.editing import is_own_branch, use_base
from domain.events import EventName
from domain.pull_request import PullRequest, PullRequestState
from domain.statuses import StepStatus


def follow_base(draft: Draft, seen: PullRequest) -> None:
    """What follows from the base branch of a pull request as the forge tells it: the directive's becomes the same. What
    was to merge, or has merged, the old one into the pull request's branch is dropped, unless it is pushed already.
    """
    state = draft.state
    wanted = state.shepherding.retarget
    if wanted == seen.base:
        draft.set(shepherding=state.shepherding.model_copy(update={"retarget": ""}))
    if not seen.number or not seen.base or seen.state is PullRequestState.CLOSED:
        return
    if is_own_branch(draft.state, seen.base):
        return  # a completion says so; nothing could begin at what it pushes to
    before = draft.state.directive.base_branch
    if seen.base != before and not wanted:
        where = seen.url or seen.branch
        use_base(draft, seen.base, f"{before} → {seen.base}: {where} is merged into that now")
        drop_merges_of_the_base(draft, draft.state.steps)


def drop_merges_of_the_base(draft: Draft, steps: Iterable[UUID]) -> None:
    """Those of `steps` that mend a conflict with a base branch that is none any more."""
    for step in [draft.state.steps[identity] for identity in steps]:
        if step.fix and step.fix.merges and not step.shipped and not step.removed:
            draft.step(step.id, status=StepStatus.CANCELLED, removed=True, blocked_by=(), work=None)
            draft.event(EventName.STEP_REMOVED, "it was to merge a base branch that is none any more", step=step.id)
