"""Everything that can be asked of a running directive: each update one line, each rule in domain/operations.py."""

from __future__ import annotations

from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.arguments import query, signal, update

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain import day_waits, requests
    from domain.change import Change
    from domain.folding import fold_question, fold_started
    from domain.models import Answer, Question, State
    from domain.operations import Refusal, apply, with_answer
    from domain.protocol import ErrorType, QueryName, SignalName
    from domain.spawn_task import TaskStarted
    from domain.view import DirectiveView, view


class Operations:
    """The updates, signals and queries of DirectiveWorkflow, which inherits them.

    Handlers only change the state; the main loop reacts (design 6). They are plain `def`, so that what a validator has
    checked still holds when its handler runs: the SDK runs both in one task, without a yield.
    """

    state: State

    def take(self, change: Change) -> None:
        """Make the change's state the directive's, and remember what the record has to be told."""
        raise AssertionError("DirectiveWorkflow takes changes")

    begin = update("begin", requests.Begin)
    change_goal = update("change_goal", requests.ChangeGoal)
    replan = update("replan", requests.Replan)
    pause = update("pause", requests.Pause)
    resume = update("resume", requests.Resume)
    edit = update("edit", requests.EditDirective)
    archive = update("archive", requests.Archive)
    approve = update("approve", requests.Approve)
    reject = update("reject", requests.Reject)
    add_step = update("add_step", requests.AddStep)
    edit_step = update("edit_step", requests.EditStep)
    remove_step = update("remove_step", requests.RemoveStep)
    set_deps = update("set_deps", requests.SetDependencies)
    retry_step = update("retry_step", requests.RetryStep)
    skip_step = update("skip_step", requests.SkipStep)
    complete_step = update("complete_step", requests.CompleteStep)
    fail_step = update("fail_step", requests.FailStep)
    cancel_step = update("cancel_step", requests.CancelStep)
    answer = update("answer", requests.AnswerQuestion)
    set_memory = update("set_memory", requests.SetMemory)
    delete_memory = update("delete_memory", requests.DeleteMemory)
    set_pr = update("set_pr", requests.SetPullRequest)
    poke = update("poke", requests.Poke)

    @signal(SignalName.TASK_STARTED)
    def task_started(self, started: TaskStarted) -> None:
        self.take(fold_started(self.state, started, workflow.now()))

    @signal(SignalName.QUESTION_ASKED)
    def question_asked(self, question: Question) -> None:
        self.take(fold_question(self.state, question, workflow.now()))

    @signal(SignalName.GOAL_CHANGED)
    def goal_changed(self, goal: str | dict[str, str]) -> None:
        """From the Web UI: the goal as a plain string, or an object as the update takes it (rule 8.1)."""
        self._wish(requests.ChangeGoal, {"goal": goal} if isinstance(goal, str) else goal)

    @signal(SignalName.DAY_BUDGET_FREED)
    def day_budget_freed(self, account: str) -> None:
        self.take(day_waits.freed(self.state, account, workflow.now()))

    @query()
    def status(self) -> DirectiveView:
        return view(self.state)

    @query()
    def state_now(self) -> State:
        return self.state

    @query(QueryName.QUESTIONS_OF)
    def questions_of(self, task: UUID) -> list[Question]:
        return [question for question in self.state.questions.values() if question.task == task]

    def check(self, request: requests.Request) -> None:
        """An id that was answered before is granted again without another effect (rule 8.2)."""
        if self._earlier_answer() is None:
            self._allow(request)

    def grant(self, request: requests.Request) -> Answer:
        """Carry a request out; ApplicationError with the reason where the rules refuse it."""
        if (earlier := self._earlier_answer()) is not None:
            return earlier
        before = self.state
        self.take(self._allow(request))
        added = next(iter(self.state.steps.keys() - before.steps.keys()), None)
        answer = Answer(status=self.state.status, generation=self.state.generation, step=added)
        if (update := workflow.current_update_info()) is not None:
            self.state = with_answer(self.state, update.id, answer)
        return answer

    def _earlier_answer(self) -> Answer | None:
        update = workflow.current_update_info()
        return self.state.answered.get(update.id) if update else None

    def _allow(self, request: requests.Request) -> Change:
        change = apply(self.state, request, workflow.now())
        if isinstance(change, Refusal):
            raise ApplicationError(change.reason, type=ErrorType.REFUSED, non_retryable=True)
        return change

    def _wish(self, request: type[requests.Request], fields: dict[str, str]) -> None:
        """A signal can't be refused to its sender's face: what makes no sense is left out, with a log line."""
        try:
            self.grant(request.model_validate({"actor": "web ui", **fields}))
        except (ValidationError, ApplicationError) as error:
            workflow.logger.warning("signal ignored: %s", " ".join(str(error).split()))
