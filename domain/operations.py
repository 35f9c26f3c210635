"""What an operator may do with a directive (rule 8.2): `apply(state, request) -> Change | Refusal`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain import budgeting, editing, memory, step_operations
from domain.asking import Topic, settle_topic, topic_of
from domain.change import Change, Draft
from domain.errors import Refused
from domain.events import EventName
from domain.models import Answer, Memory, Proposal, State, Text
from domain.pausing import PauseReason, pause
from domain.plan_folding import carry_out, check_against
from domain.pull_requests import shepherd
from domain.pull_requests.url import name_pull_request
from domain.questions import answer_question
from domain.record import GoalRevision
from domain.requests import (
    AddStep,
    AnswerQuestion,
    Approve,
    Archive,
    Begin,
    ChangeGoal,
    DeleteMemory,
    EditDirective,
    Pause,
    Poke,
    Reject,
    Replan,
    Request,
    Resume,
    SetMemory,
    SetPullRequest,
    StepRequest,
)
from domain.size import check_size
from domain.statuses import DirectiveStatus, TaskStatus
from domain.value import Value

MAX_ANSWERED = 500


class Refusal(Value):
    """Why a request is not granted; nothing was changed."""

    reason: str


def apply(state: State, request: Request, now: datetime) -> Change | Refusal:
    """The state after `request`, or why it is refused."""
    if state.status.is_final:
        return Refusal(reason=f"the directive is {state.status}: that is final; `start` begins another one")
    draft = Draft(state, now, request.actor)
    try:
        if state.status is DirectiveStatus.DRAFT and not isinstance(
            request, Begin | Archive | EditDirective | SetMemory | DeleteMemory
        ):
            raise Refused("the directive is a draft: begin it first")
        _apply(draft, request)
        check_size(draft.state)
    except Refused as refused:
        return Refusal(reason=str(refused))
    return draft.change()


def with_answer(state: State, update: str, answer: Answer) -> State:
    """The state that remembers what an update was answered; the oldest of more than 500 are forgotten (design 6)."""
    answered = {**state.answered, update: answer}
    for oldest in list(answered)[:-MAX_ANSWERED]:
        del answered[oldest]
    return state.model_copy(update={"answered": answered})


def _apply(draft: Draft, request: Request) -> None:
    rules: dict[type[Request], Any] = {
        Begin: _begin,
        ChangeGoal: _change_goal,
        Replan: _replan,
        Pause: _pause,
        Resume: _resume,
        EditDirective: editing.edit,
        Archive: _archive,
        Approve: _approve,
        Reject: _reject,
        AnswerQuestion: _answer,
        SetMemory: _set_memory,
        DeleteMemory: _delete_memory,
        SetPullRequest: _set_pull_request,
        Poke: _poke,
    }
    if isinstance(request, StepRequest | AddStep):
        step_operations.apply(draft, request)
    else:
        rules[type(request)](draft, request)


def _begin(draft: Draft, _: Begin) -> None:
    status = draft.state.status
    if status is not DirectiveStatus.DRAFT:
        raise Refused(f"Directive must be in 'draft' status to start, current status: '{status}'")
    draft.set(status=DirectiveStatus.PLANNING)
    _revise(draft, draft.state.directive.text, draft.state.generation)
    draft.event(EventName.DIRECTIVE_STARTED, draft.state.directive.text.goal[:500])


def _change_goal(draft: Draft, request: ChangeGoal) -> None:
    text = draft.state.directive.text.model_copy(update={"goal": request.goal})
    draft.set(directive=draft.state.directive.model_copy(update={"text": text}))
    _plan_again(draft, text, "")
    draft.event(EventName.GOAL_CHANGED, request.goal[:500])


def _replan(draft: Draft, request: Replan) -> None:
    _plan_again(draft, draft.state.directive.text, request.comment)
    draft.event(EventName.REPLAN_REQUESTED, request.comment[:500])


def _plan_again(draft: Draft, text: Text, note: str) -> None:
    """The next generation; a plan that waits for approval belongs to the goal before and is dropped."""
    if draft.state.directive.settings.planner is None:
        raise Refused("the directive has no planner: `starter.py edit ID --planner NAME` gives it one")
    draft.set(generation=draft.state.generation + 1, proposal=None, note=note)
    _revise(draft, text, draft.state.generation)


def _revise(draft: Draft, text: Text, generation: int) -> None:
    draft.fact(GoalRevision(generation=generation, text=text, at=draft.now, actor=draft.actor))


def _pause(draft: Draft, request: Pause) -> None:
    if draft.state.status is DirectiveStatus.PAUSED and not request.now:
        raise Refused("the directive is paused already: `resume` lets it go on, `pause --now` stops what still runs")
    pause(draft, PauseReason.OPERATOR, f"paused by {draft.actor}")
    if request.now:
        draft.set(budgeting=draft.state.budgeting.model_copy(update={"stopped": False}))
        for task in draft.state.live():
            if task.status is not TaskStatus.WAITING:
                draft.task(task.id, unwanted=True)


def _resume(draft: Draft, _: Resume) -> None:
    if draft.state.status is not DirectiveStatus.PAUSED:
        raise Refused(f"only a paused directive can be resumed, this one is {draft.state.status}")
    budgeting.refuse_used_up(draft.state)
    draft.set(status=DirectiveStatus.ACTIVE, reason="")
    settle_topic(draft, Topic.BASE, "resumed")
    draft.event(EventName.DIRECTIVE_RESUMED)


def _archive(draft: Draft, _: Archive) -> None:
    draft.set(status=DirectiveStatus.ARCHIVED, reason="", proposal=None)
    draft.event(EventName.DIRECTIVE_ARCHIVED)


def _waiting_plan(draft: Draft, request: Approve | Reject) -> Proposal:
    """The plan that the request is about; Refused where another one waits than whoever asks has seen."""
    proposal = draft.state.proposal
    if proposal is None:
        raise Refused("no plan waits for approval")
    if request.plan and request.plan != proposal.name:
        raise Refused(f"plan {request.plan} waits no more, but another one, {proposal.name}: look at that first")
    return proposal


def _approve(draft: Draft, request: Approve) -> None:
    proposal = _waiting_plan(draft, request)
    check_against(draft.state, proposal)  # reality may have moved while it waited (rule 3.5)
    draft.set(proposal=None)
    draft.event(EventName.PLAN_APPROVED, f"generation {proposal.generation}")
    carry_out(draft, proposal)


def _reject(draft: Draft, request: Reject) -> None:
    _waiting_plan(draft, request)
    if draft.state.directive.settings.planner is None:
        raise Refused("there is no planner to make another plan: `starter.py edit ID --planner NAME` gives it one")
    draft.set(proposal=None, note=f"The plan before was rejected: {request.comment}")
    draft.event(EventName.PLAN_REJECTED, request.comment[:500])


def _answer(draft: Draft, request: AnswerQuestion) -> None:
    question = answer_question(draft, request)
    if topic_of(question) is Topic.BASE:
        editing.answer_base(draft, request.answer)
    elif topic_of(question) is Topic.BUDGET:
        budgeting.answered(draft, request.answer)
    else:
        shepherd.answered(draft, question)


def _poke(draft: Draft, _: Poke) -> None:
    shepherd.poke(draft)


def _set_memory(draft: Draft, request: SetMemory) -> None:
    new = Memory(key=request.key, value=request.value, category=request.category)
    draft.set(memories=memory.remembered(draft.state.memories, new))
    draft.event(EventName.MEMORY_SET, request.key)


def _delete_memory(draft: Draft, request: DeleteMemory) -> None:
    draft.set(memories=memory.forgotten(draft.state.memories, request.key))
    draft.event(EventName.MEMORY_DELETED, request.key)


def _set_pull_request(draft: Draft, request: SetPullRequest) -> None:
    name_pull_request(draft, request.url)
