"""Whether a directive's pull request is looked after now, and until when; pure."""

from __future__ import annotations

from domain.asking import Topic, asked_now
from domain.models import State, Step
from domain.pull_request import PullRequestState, Watch
from domain.statuses import DirectiveStatus, StepStatus, TaskKind


def wanted_watch(state: State) -> Watch | None:
    """The watch that has to be under way now; None: there is nothing to look after."""
    known, directive = state.pull_request, state.directive
    if not directive.settings.shepherd or state.status.is_final or state.status is DirectiveStatus.DRAFT:
        return None
    # One that was closed may be opened again; what was merged stays so.
    if known is None or not known.number or known.state is PullRequestState.MERGED or not state.planned:
        return None
    if state.live(TaskKind.COMPLETION):
        return None
    shepherding, timings = state.shepherding, directive.settings.timings
    return Watch(
        owner=directive.owner,
        directive=directive.id,
        repository=directive.repository,
        pull_request=known,
        seen=(*shepherding.seen, *(shepherding.held if awaits_fixes(state) else ())),
        picture=shepherding.picture,
        pushed=shepherding.pushed_heads,
        retarget=shepherding.retarget,
        opening=directive.settings.opening,
        complete=is_complete(state),
        every=timings.poll,
        at_most=timings.poll_at_most,
        heartbeat=timings.heartbeat,
    )


def waits_in_queue(state: State) -> bool:
    """Whether finished work is better not pushed: the pull request is in the forge's merge queue, as far as the newest
    look has seen, and looked at until that has decided.
    """
    return state.shepherding.queued and wanted_watch(state) is not None


def rounds_left(state: State) -> int:
    """Batches of fixes that may still be made before an operator is asked."""
    shepherding = state.shepherding
    return state.directive.settings.shepherd_rounds + shepherding.granted - shepherding.rounds


def awaits_fixes(state: State) -> bool:
    """Fixes are under way or not pushed yet, or an operator is asked whether to go on."""
    under_way = any(
        step.fix and (not step.status.is_finished or (step.status is StepStatus.COMPLETED and not step.shipped))
        for step in state.steps.values()
    )
    return under_way or bool(asked_now(state, Topic.ROUNDS))


def is_complete(state: State) -> bool:
    """Whether the pull request holds all that the directive is to do."""
    unpushed = any(
        step.status is StepStatus.COMPLETED and not step.shipped and step.work and step.work.commits
        for step in state.steps.values()
    )
    return not (unfinished(state) or unpushed or awaits_fixes(state) or state.live(TaskKind.PLANNING))


def unfinished(state: State) -> list[Step]:
    """Steps of a plan that failed, were cancelled, or wait for such ones: what a draft is a draft for."""
    return [
        step for step in state.ordered_steps() if not step.status.satisfies and not step.removed and step.fix is None
    ]
