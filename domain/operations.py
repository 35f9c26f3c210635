"""What an operator may ask of a directive (SPEC 8.2): `apply(state, request) -> Change | Refusal`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.change import Change, Draft
from domain.models import DirectiveStatus, State, Text, Value
from domain.record import GoalRevision


class Request(BaseModel):
    """What every request carries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: str = "operator"


class Begin(Request):
    """Start a draft (SPEC 2.1)."""


class ChangeGoal(Request):
    """Another goal for a running directive, which plans it again (SPEC 8.1)."""

    goal: str = Field(min_length=1, max_length=64 * 1024)


class Resume(Request):
    """Go on after a pause."""


class Archive(Request):
    """Cancel what runs, save its work, close (SPEC 2.9)."""


class Refusal(Value):
    """Why a request is not granted; nothing was changed."""

    reason: str


class Answer(Value):
    """What a granted request led to."""

    status: DirectiveStatus
    generation: int


def apply(state: State, request: Request, now: datetime) -> Change | Refusal:
    """The state after `request`, or why it is refused."""
    if state.status.is_final:
        return Refusal(reason=f"the directive is {state.status}: that is final")
    draft = Draft(state, now, request.actor)
    match request:
        case Begin():
            return _begin(draft)
        case ChangeGoal():
            return _change_goal(draft, request)
        case Resume():
            return _resume(draft)
        case Archive():
            return _archive(draft)
        case _:
            return Refusal(reason=f"unknown request {type(request).__name__}")


def _begin(draft: Draft) -> Change | Refusal:
    status = draft.state.status
    if status is not DirectiveStatus.DRAFT:
        return Refusal(reason=f"Directive must be in 'draft' status to start, current status: '{status}'")
    text = draft.state.directive.text
    draft.set(status=DirectiveStatus.PLANNING)
    draft.fact(GoalRevision(generation=draft.state.generation, text=text, at=draft.now, actor=draft.actor))
    draft.event("directive started", text.goal[:500])
    return draft.change()


def _change_goal(draft: Draft, request: ChangeGoal) -> Change | Refusal:
    state = draft.state
    if state.directive.settings.planner is None:
        return Refusal(
            reason="the directive has no planner (it was started with --plan alone): start a new one with --planner"
        )
    text = Text.model_validate({**state.directive.text.model_dump(), "goal": request.goal})
    generation = state.generation + 1
    draft.set(directive=state.directive.model_copy(update={"text": text}), generation=generation)
    draft.fact(GoalRevision(generation=generation, text=text, at=draft.now, actor=draft.actor))
    draft.event("goal changed", request.goal[:500])
    return draft.change()


def _resume(draft: Draft) -> Change | Refusal:
    if draft.state.status is not DirectiveStatus.PAUSED:
        return Refusal(reason=f"only a paused directive can be resumed, this one is {draft.state.status}")
    draft.set(status=DirectiveStatus.ACTIVE, reason="")
    draft.event("directive resumed")
    return draft.change()


def _archive(draft: Draft) -> Change:
    draft.set(status=DirectiveStatus.ARCHIVED, reason="")
    draft.event("directive archived")
    return draft.change()
