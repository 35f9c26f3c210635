"""How a directive keeps its budget (rule 2.10): a notice before its end; then nothing is started, what runs is handed
back, and the operator is asked.
"""

from __future__ import annotations

from pydantic import ValidationError

from domain import names
from domain.asking import Topic, anew, ask_operator, settle_topic
from domain.budget import NEARLY, USED_UP, Budget, said
from domain.change import Draft
from domain.errors import Refused
from domain.events import EventName
from domain.models import State, Task
from domain.pausing import PauseReason, pause
from domain.problems import first_problem
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import Usage
from domain.used import Costs, Spent, settled, spent

FINISH = "finish"
"""The answer that ends the directive's work with what is there."""
OPEN = (StepStatus.PENDING, StepStatus.READY, StepStatus.RUNNING, StepStatus.BLOCKED)
_ASKS = """\
The budget of {budget} is used up: {used}. Nothing is started any more, and what ran is saved.
Answer with the budget that the directive may use from its beginning on, such as {more}, and it goes on where it \
stopped; or with "{finish}": the steps that are not done are cancelled, and those that are go into the pull request."""


def is_used_up(costs: Costs) -> bool:
    """Whether no agent may be started for the directive any more."""
    budget = costs.state.directive.settings.budget
    return bool(budget) and budget.is_used_up(costs.spent.used)


def left_for(costs: Costs, task: Task) -> Budget:
    """What the task's attempt may have used at its end, with all that it has used before; empty: it has no bound."""
    budget = costs.state.directive.settings.budget
    if not budget or is_used_up(costs):
        return Budget()
    return budget.left_after(costs.spent.used).beside(costs.estimated_in(task))


def told(state: State) -> str:
    """`12.40 of 20usd`: how much of the budget is used; empty: there is none."""
    budget = state.directive.settings.budget
    return _said(budget, spent(state)) if budget else ""


def keep(draft: Draft) -> None:
    """Tell that the budget ends soon, or end what it paid for."""
    state = draft.state
    budget = state.directive.settings.budget
    if not budget or state.status is DirectiveStatus.DRAFT or state.status.is_final:
        return
    now = spent(state)
    if budget.is_used_up(now.used):
        _end(draft, budget, now)
    elif budget.share_of(now.used) >= NEARLY and state.budgeting.noticed != budget:
        draft.set(budgeting=state.budgeting.model_copy(update={"noticed": budget}))
        draft.event(EventName.BUDGET_NEARLY_USED, _said(budget, now))


def refuse_used_up(state: State) -> None:
    """Refused while the directive could start nothing."""
    if is_used_up(Costs(state)):
        raise Refused(f"the budget is used up ({told(state)}): `starter.py edit ID --budget MORE` allows more")


def edited(draft: Draft, before: Budget) -> None:
    """Another budget was given: a directive that stopped for the one before goes on, if this one has something left."""
    state = draft.state
    if state.directive.settings.budget == before or not state.budgeting.stopped:
        return
    refuse_used_up(state)
    settle_topic(draft, Topic.BUDGET, str(state.directive.settings.budget))
    draft.set(budgeting=state.budgeting.model_copy(update={"stopped": False}))
    for task in state.live():
        if task.status is TaskStatus.WAITING and task.reason == USED_UP:
            draft.task(task.id, wait_until=draft.now)
    if state.status is DirectiveStatus.PAUSED:
        draft.set(status=DirectiveStatus.ACTIVE, reason="")
        draft.event(EventName.DIRECTIVE_RESUMED, f"with a budget of {state.directive.settings.budget}")


def answered(draft: Draft, answer: str) -> None:
    """The operator's word at the end of a budget: a larger one, or to finish; Refused for anything else."""
    if answer.strip().lower() == FINISH:
        _finish(draft)
        return
    before = draft.state.directive
    try:
        budget = Budget.model_validate(answer)
    except ValidationError as error:
        raise Refused(f"{first_problem(error)}; or answer {FINISH}") from error
    settings = before.settings.model_copy(update={"budget": budget})
    draft.set(directive=before.model_copy(update={"settings": settings}))
    draft.event(EventName.DIRECTIVE_EDITED, f"budget: {before.settings.budget} → {budget}")
    refuse_used_up(draft.state)
    edited(draft, before.settings.budget)


def _end(draft: Draft, budget: Budget, now: Spent) -> None:
    for task in draft.state.live(TaskKind.PLANNING, TaskKind.STEP):
        if task.status is not TaskStatus.WAITING and not task.unwanted:
            draft.task(task.id, unwanted=True)
    if draft.state.status is DirectiveStatus.PAUSED or not _wants_agent(draft.state):
        return
    used = _said(budget, now)
    pause(draft, PauseReason.SPENT, f"the budget is used up: {used}")
    draft.set(budgeting=draft.state.budgeting.model_copy(update={"stopped": True, "finishing": False}))
    more = budget.beside(Usage.model_validate(budget.model_dump()))
    text = _ASKS.format(budget=budget, used=used, more=more, finish=FINISH)
    ask_operator(draft, Topic.BUDGET, anew(draft), text, ())


def _wants_agent(state: State) -> bool:
    """Whether there is anything to do that an agent would have to be started for. To merge finished work none is, but
    at a conflict; a completion begins without one after the end, and only one that was stopped at it waits for more.
    """
    plans = state.planned < state.generation and not state.proposal and not state.given_plan
    works = any(step.status in (StepStatus.READY, StepStatus.RUNNING) for step in state.steps.values())
    merges = any(task.resume and not task.resume.is_finished for task in state.live(TaskKind.COMPLETION))
    return plans or works or merges


def _finish(draft: Draft) -> None:
    state = draft.state
    if not any(step.status is StepStatus.COMPLETED for step in state.steps.values()):
        name = names.short(state.directive.id)
        raise Refused(f"no step is completed, so there is nothing to finish with: `starter.py archive {name}` ends it")
    for step in state.ordered_steps():
        if step.status in OPEN:
            draft.step(step.id, status=StepStatus.CANCELLED, blocked_by=())
            draft.event(EventName.STEP_CANCELLED, "the budget is used up", step=step.id)
    for task in state.live(TaskKind.COMPLETION):
        draft.task(task.id, **settled(task))  # it is begun again without an agent
    if state.planned < state.generation:
        # No plan for the newest goal: its fixes, should there be any, begin where those of the last plan did.
        bases = {**state.bases, state.generation: state.bases[state.planned]}
        draft.set(planned=state.generation, bases=bases, proposal=None)
    draft.set(budgeting=state.budgeting.model_copy(update={"stopped": False, "finishing": True}))
    if state.status is DirectiveStatus.PAUSED:
        draft.set(status=DirectiveStatus.ACTIVE, reason="")
        draft.event(EventName.DIRECTIVE_RESUMED, "to finish with what is there")


def _said(budget: Budget, now: Spent) -> str:
    return said(budget, now.used, now.estimated_usd)
