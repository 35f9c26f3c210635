"""Taking back what is done already: a step that no pull request holds yet, and all that was built on it (rule 4.5)."""

from __future__ import annotations

from uuid import UUID

from domain import names
from domain.change import Draft
from domain.errors import Refused
from domain.events import EventName
from domain.failures import Failure, FailureCategory
from domain.models import State, Step, Task
from domain.pull_request import PullRequestState
from domain.questions import open_questions, settle
from domain.record import AttemptEnded
from domain.requests import RemoveStep, Repair, StepTexts
from domain.spawn_task import Outcome, OutcomeStatus, cut
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.used import settled, used_in

MAX_TAKEN_BACK = 200
"""Commits that a directive remembers not to ship."""


def followers(state: State, step: Step, request: Repair) -> list[Step]:
    """The steps that `request`, about `step`, changes along with it, in the order of plans: what was built on its work
    is done again, and what needs a removed step is removed.
    """
    if step.removed:
        return []
    built = [each for each in _after(state, step) if not each.removed and each.status is not StepStatus.SKIPPED]
    if isinstance(request, RemoveStep):
        return [each for each in built if not each.status.is_finished or each.status is StepStatus.COMPLETED]
    return [each for each in built if _was_begun(state, each)] if _has_work(step) else []


def take_back(draft: Draft, step: Step, request: Repair) -> None:
    """Let everything that follows from `request` happen to the steps that were built on `step`, and forget its work.

    Raises Refused where one of them is beyond taking back, or is not among those that the operator has agreed to.
    """
    following = followers(draft.state, step, request)
    for each in (step, *following):
        _refuse_held(draft.state, each)
    if missing := [each for each in following if not request.agreed and each.id not in request.follow]:
        raise Refused(disagreement(step, missing, request))
    _call_back_completion(draft, (step, *following))
    for each in following:
        if isinstance(request, RemoveStep):
            remove(draft, each, f"it needs {step.name!r}")
        else:
            begin_again(draft, each, f"Step {step.name!r}, on whose work it was built, was taken back.", request)
            draft.event(EventName.STEP_RETRIED, f"{step.name} was taken back", step=each.id)
    if step.status is StepStatus.COMPLETED:
        _forget_work(draft, step)


def disagreement(step: Step, missing: list[Step], request: Repair) -> str:
    """Why the request is not granted without the operator's yes to what follows from it."""
    if isinstance(request, RemoveStep) and not missing[0].status.is_finished:
        return f"step {missing[0].name!r} depends on {step.name!r}: remove that one first"
    listed = ", ".join(repr(each.name) for each in missing)
    verb = "removed" if isinstance(request, RemoveStep) else "done again"
    return f"what was built on step {step.name!r} would be {verb}, too: {listed}; agree to it with --yes"


def begin_again(draft: Draft, step: Step, why: str, request: Repair) -> None:
    """Let a step be done by another attempt, which starts from nothing that this one has left."""
    texts = _texts(step, request)
    _forget_work(draft, step)
    draft.step(step.id, status=StepStatus.PENDING, failure=None, blocked_by=(), summary="", **texts)
    task = draft.state.tasks.get(names.step_task(step.id))
    if task is None:
        return
    failure = Failure(category=FailureCategory.OPERATOR, report=cut(why))
    if task.status.is_live or task.status is TaskStatus.INTERRUPTED:
        used = used_in(task)
        ended = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.FAILED, failure=failure, usage=used)
        draft.fact(AttemptEnded(outcome=ended, at=draft.now, agents=task.agents.used_in_attempt))
    _settle_questions(draft, task)
    # Not live any more: the workflow cancels what is under way, and whatever that still reports is ignored.
    draft.task(
        task.id, status=TaskStatus.FAILED, reason="begun again", earlier=failure, wait_until=None, **settled(task)
    )


def remove(draft: Draft, step: Step, why: str = "") -> None:
    """Take a step out of the plan; whatever runs of it is called back by the policy."""
    if step.status is StepStatus.COMPLETED:
        _forget_work(draft, step)
    draft.step(step.id, status=StepStatus.CANCELLED, removed=True, blocked_by=())
    draft.event(EventName.STEP_REMOVED, why, step=step.id)


def _after(state: State, step: Step) -> list[Step]:
    """All steps that depend on it, directly or through others."""
    directly: dict[UUID, list[UUID]] = {}
    for each in state.steps.values():
        for other in each.depends_on:
            directly.setdefault(other, []).append(each.id)
    found, waiting = {step.id}, [step.id]
    while waiting:
        more = [other for other in directly.get(waiting.pop(), ()) if other not in found]
        found.update(more)
        waiting += more
    return [each for each in state.ordered_steps() if each.id in found and each.id != step.id]


def _was_begun(state: State, step: Step) -> bool:
    """An agent, or a person with a commit, has worked on top of what it depends on."""
    if step.status.is_finished:
        return step.status is StepStatus.COMPLETED and step.work is not None
    task = state.tasks.get(names.step_task(step.id))
    return task is not None and (task.status.is_live or task.status is TaskStatus.INTERRUPTED)


def _has_work(step: Step) -> bool:
    return step.work is not None and step.work.commits > 0


def _refuse_held(state: State, step: Step) -> None:
    """What reviewers see, or a branch of people's has, is changed by more work, never taken away behind their backs."""
    if step.status is StepStatus.MERGED:
        raise Refused(f"step {step.name!r} is merged: add a step that changes what it did (`add-step`)")
    known = state.pull_request
    if not (step.shipped and _has_work(step) and known and step.shipped_in == known.version):
        return
    if known.state is PullRequestState.CLOSED:
        return
    where = known.url or known.branch
    instead = "add a step that changes what it did (`add-step`)"
    if known.number:
        instead += ", or close the pull request and answer the question about it with 'open a new one'"
    raise Refused(f"the pull request {where} holds step {step.name!r} already: {instead}")


def _call_back_completion(draft: Draft, steps: tuple[Step, ...]) -> None:
    """One that only waits is given up, and made anew without the steps; one that runs may be pushing at this moment."""
    for task in draft.state.live(TaskKind.COMPLETION):
        shipped = [step for step in steps if step.id in task.ships]
        if shipped and task.status is not TaskStatus.WAITING:
            raise Refused(
                f"step {shipped[0].name!r} is being merged for the pull request at this moment: wait until that has "
                f"ended, or stop it with `pause --now`"
            )
        if shipped:
            draft.task(task.id, status=TaskStatus.INTERRUPTED, wait_until=None)
            _settle_questions(draft, task)


def _settle_questions(draft: Draft, task: Task) -> None:
    for question in open_questions(draft.state):
        if question.task == task.id:
            settle(draft, question, "not needed any more", "makima")


def _forget_work(draft: Draft, step: Step) -> None:
    """Nothing is built on it any more, and no completion ships it."""
    work = draft.state.steps[step.id].work
    if work is not None and work.commits:
        shepherding = draft.state.shepherding
        taken_back = (*shepherding.taken_back, work.head)[-MAX_TAKEN_BACK:]
        draft.set(shepherding=shepherding.model_copy(update={"taken_back": taken_back}))
    draft.step(step.id, work=None, shipped=False, shipped_in=0)


def _texts(step: Step, request: Repair) -> dict[str, str]:
    """Its texts, which a long run has dropped from the state; the operator's command line reads them in the record."""
    if step.task_plan:
        return {}
    given: StepTexts | None = request.texts.get(step.id)
    if given is None or not given.task_plan:
        raise Refused(f"what step {step.name!r} has to do is in the record alone by now: ask with starter.py")
    return {"description": given.description, "task_plan": given.task_plan}
