"""Asking the operator first: before finished work is taken back, and before a pull request is taken over."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from domain.errors import Refused
from domain.lookup import find_step
from domain.models import Step
from domain.pull_requests.url import is_another
from domain.requests import NO_PLAN, Approve, RemoveStep, Repair, RetryStep, SetPullRequest, StepTexts
from domain.retraction import disagreement, followers
from domain.statuses import StepStatus
from domain.view import view
from domain.visible import visible
from steering.directives import Directives


def somebody_is_there() -> bool:
    """Whether a person can be asked."""
    return bool(sys.stdin and sys.stdin.isatty())


async def agreed(directives: Directives, reference: str, request: Repair) -> Repair:
    """The request with the steps that follow, which the operator has agreed to; Refused where that is not so."""
    state = await directives.state(reference)
    step = find_step(state, request.step)
    following = tuple(followers(state, step, request))
    if following and not request.agreed:
        _ask(step, following, request)
    begun_again = () if isinstance(request, RemoveStep) else following
    if isinstance(request, RetryStep):
        begun_again = (step, *begun_again)
    texts = {
        # From the record: a long run has dropped what its completed steps were told.
        each.id: StepTexts(description=each.description, task_plan=each.task_plan)
        for each in begun_again
        if each.status is StepStatus.COMPLETED and each.task_plan
    }
    return request.model_copy(update={"follow": tuple(each.id for each in following), "texts": texts})


async def agreed_to_another(directives: Directives, reference: str, request: SetPullRequest) -> SetPullRequest:
    """The request, once the operator has agreed to hand over a pull request that Makima has not opened; Refused."""
    state = await directives.state(reference)
    if request.agreed or not is_another(state, request.url):
        return request
    known = state.pull_request.url if state.pull_request else ""
    instead = f" in place of {known}" if known else ""
    what = (
        f"{request.url} becomes the directive's pull request{instead}, whatever branch it comes from: "
        "its description is edited, its reviews are answered, and work is pushed to its branch"
    )
    if not somebody_is_there():
        raise Refused(f"{what}; agree to it with --yes")
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise Refused("nothing was changed")
    return request.model_copy(update={"agreed": True})


async def agreed_to_plan(directives: Directives, reference: str, request: Approve) -> Approve:
    """The request for the plan that the operator was shown here; Refused. Where none waits, none is asked for."""
    shown = view(await directives.state(reference)).proposal
    if shown is None:
        return request.model_copy(update={"plan": NO_PLAN})
    if not somebody_is_there():
        raise Refused(
            f"nobody is here to be shown the plan: look at it by `status`, and approve it by --plan {shown.name}"
        )
    typer.echo(f"Plan {shown.name} of generation {shown.generation}:", err=True)
    for change in (*(f"+ {name}" for name in shown.steps), *(f"- {name}" for name in shown.removed)):
        typer.echo(f"  {visible(change)}", err=True)
    if not typer.confirm("Carry it out?", err=True):
        raise Refused("nothing was changed")
    return request.model_copy(update={"plan": shown.name})


def _ask(step: Step, following: Sequence[Step], request: Repair) -> None:
    refusal = disagreement(step, list(following), request)
    if not somebody_is_there():
        raise Refused(refusal if "--yes" in refusal else f"{refusal}, or all that depend on it with --yes")
    what = "Removed" if isinstance(request, RemoveStep) else "Done again"
    typer.echo(f"{what}, too, since they were built on {step.name!r}:", err=True)
    for each in following:
        typer.echo(f"  {each.name} ({each.status})", err=True)
    if not typer.confirm("Go on?", err=True):
        raise Refused("nothing was changed")
