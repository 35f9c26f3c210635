"""What a completion ships, and what it wants of the forge (rules 2.6, 7)."""

from __future__ import annotations

from graphlib import TopologicalSorter
from uuid import UUID

from domain import names
from domain.change import Draft
from domain.events import EventName, pull_request_is
from domain.models import State, Step, Task
from domain.pull_request import PullRequest, PullRequestState, PullRequestWanted, Reply, Shipped
from domain.pull_requests.base_branch import drop_merges_of_the_base, follow_base
from domain.pull_requests.body import body, reply_text
from domain.pull_requests.merging import fold_over
from domain.pull_requests.watching import unfinished
from domain.shepherd_state import Push, Shepherding
from domain.spawn_task import Outcome
from domain.statuses import StepStatus

VERSIONS_AHEAD = 5
"""How many names of branches a completion may try, where one after the other is found merged or closed."""


def unshipped(state: State) -> list[Step]:
    """Completed steps that the pull request doesn't hold, in the order in which they are merged (rule 7.1)."""
    done = [step for step in state.ordered_steps() if step.status is StepStatus.COMPLETED and not step.shipped]
    wanted = {step.id for step in done}
    graph = {step.id: [other for other in step.depends_on if other in wanted] for step in done}
    return [state.steps[identity] for identity in TopologicalSorter(graph).static_order()]


def is_worth_a_completion(state: State, steps: list[Step]) -> bool:
    """There are commits to merge, reviewers to answer, or a draft whose reason is gone."""
    if any(step.work and step.work.commits for step in steps):
        return True
    return _is_at_forge(state) and (bool(_answers(steps)) or _becomes_ready(state))


def target_branch(state: State) -> str:
    """Where the work is pushed, unless the pull request is found merged or closed (rule 7.3)."""
    return _branches(state)[1 if state.pull_request and state.pull_request.state.is_over else 0]


def wanted(state: State, task: Task) -> PullRequestWanted | None:
    """What the completion brings about at the forge; None: push only."""
    if not state.directive.settings.pull_request:
        return None
    steps = [state.steps[identity] for identity in task.ships]
    return PullRequestWanted(
        title=state.directive.text.title,
        body=body(state, steps),
        draft=state.shepherding.draft,
        keep_draft=state.shepherding.by_hand,
        known=state.pull_request,
        branches=_branches(state),
        replies=_answers(steps),
        pushed=state.shepherding.pushed_heads,
        retarget=state.shepherding.retarget,
        opening=state.directive.settings.opening,
    )


def was_changed_by_hand(state: State) -> bool:
    """A person has made the pull request a draft, or ready, since the newest completion."""
    is_draft = state.pull_request is not None and state.pull_request.state is PullRequestState.DRAFT
    return state.shepherding.by_hand or (_is_at_forge(state) and is_draft != state.shepherding.draft)


def fold_shipped(draft: Draft, task: Task, outcome: Outcome) -> None:
    """The completion has pushed, and has done what it could at the forge."""
    known, now = draft.state.pull_request, _made(draft.state, outcome)
    if outcome.shipped:
        _fold_found_over(draft, known, outcome.shipped)
    left_out = tuple(step for step in task.ships if names.step_task(step) in outcome.not_merged)
    drop_merges_of_the_base(draft, left_out)
    ships = tuple(step for step in task.ships if step not in left_out)
    for step in ships:
        draft.step(step, shipped=True, shipped_in=now.version)
    shepherding = _shepherding(draft.state, known, now, ships)
    if outcome.work:
        push = Push(head=outcome.work.head, steps=ships)
        # The branch was made anew without what had been taken back.
        shepherding = shepherding.model_copy(update={"pushed": shepherding.after(push), "taken_back": ()})
    draft.set(pull_request=now, shepherding=shepherding)
    follow_base(draft, now)
    draft.event(EventName.BRANCH_PUSHED, f"{now.branch} {now.head}", task=task.id)
    if now.url and (known is None or (known.url, known.state) != (now.url, now.state)):
        draft.event(pull_request_is(now.state), now.url, task=task.id)
    if now.state.is_over:  # while it was brought up to date, with all of the work in it
        fold_over(draft, now)


def _fold_found_over(draft: Draft, known: PullRequest | None, shipped: Shipped) -> None:
    """Of the directive's pull requests that are over, those whose end is news: every one of them is in the record."""
    first_news = known.version + known.state.is_over if known else 1
    for former in shipped.over:
        if former.version >= first_news:
            draft.event(pull_request_is(former.state), former.url or former.branch)
            is_known = known is not None and former.version == known.version
            if is_known:
                follow_base(draft, former)
            fold_over(draft, former, shipped.unmerged if is_known else ())


def _made(state: State, outcome: Outcome) -> PullRequest:
    """The pull request as it is after the completion; a daemon that talks to no forge knows only the branch."""
    known = state.pull_request
    if outcome.shipped:
        made = outcome.shipped.pull_request
        if made.url or made.state is not PullRequestState.PUSHED:
            return made
        url = outcome.shipped.compare_url or (known.url if known and known.branch == made.branch else "")
        return made.model_copy(update={"url": url})
    assert outcome.work is not None
    version = (known.version + known.state.is_over) if known else 1
    url = known.url if known and not known.state.is_over else ""
    base = state.directive.base_branch
    return PullRequest(branch=outcome.work.branch, head=outcome.work.head, base=base, url=url, version=version)


def _shepherding(state: State, known: PullRequest | None, now: PullRequest, ships: tuple[UUID, ...]) -> Shepherding:
    """Another pull request is looked after from the beginning; new work in the same one gets all rounds again."""
    before = state.shepherding
    if known is None or known.version != now.version:
        return Shepherding(draft=before.draft, pokes=before.pokes, taken_back=before.taken_back)
    pushed: dict[str, object] = {"failing": (), "gathers": False, "queued": False}
    if any(state.steps[step].fix is None for step in ships):
        return before.model_copy(update={"rounds": 0, "granted": 0, **pushed})
    return before.model_copy(update=pushed)


def _branches(state: State) -> tuple[str, ...]:
    """From the known one's on; that one may have another name than ours, where it was opened by hand."""
    directive, known = state.directive, state.pull_request
    first = known.version if known else 1
    ours = [
        names.directive_branch(directive.text.title, directive.id, first + ahead, directive.settings.prefix)
        for ahead in range(VERSIONS_AHEAD)
    ]
    return (known.branch, *ours[1:]) if known else tuple(ours)


def _is_at_forge(state: State) -> bool:
    known = state.pull_request
    return state.directive.settings.pull_request and known is not None and known.number > 0 and not known.state.is_over


def _answers(steps: list[Step]) -> tuple[Reply, ...]:
    return tuple(
        Reply(comment=comment, text=reply_text(step), settles=bool(step.work and step.work.commits))
        for step in steps
        if step.fix
        for comment in step.fix.comments
    )


def _becomes_ready(state: State) -> bool:
    """What it was a draft for has been done or skipped; a draft that a person made one is left alone."""
    known = state.pull_request
    is_ours = (
        state.shepherding.draft
        and not state.shepherding.by_hand
        and known is not None
        and known.state is PullRequestState.DRAFT
    )
    return is_ours and not unfinished(state)
