"""Everything that can be asked of a running directive: each handler one line, each rule in domain/operations.py."""

from __future__ import annotations

from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.arguments import query, signal, update

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain import requests
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

    @update
    def begin(self, request: requests.Begin) -> Answer:
        return self._grant(request)

    @update
    def change_goal(self, request: requests.ChangeGoal) -> Answer:
        return self._grant(request)

    @update
    def replan(self, request: requests.Replan) -> Answer:
        return self._grant(request)

    @update
    def pause(self, request: requests.Pause) -> Answer:
        return self._grant(request)

    @update
    def resume(self, request: requests.Resume) -> Answer:
        return self._grant(request)

    @update
    def edit(self, request: requests.EditDirective) -> Answer:
        return self._grant(request)

    @update
    def archive(self, request: requests.Archive) -> Answer:
        return self._grant(request)

    @update
    def approve(self, request: requests.Approve) -> Answer:
        return self._grant(request)

    @update
    def reject(self, request: requests.Reject) -> Answer:
        return self._grant(request)

    @update
    def add_step(self, request: requests.AddStep) -> Answer:
        return self._grant(request)

    @update
    def edit_step(self, request: requests.EditStep) -> Answer:
        return self._grant(request)

    @update
    def remove_step(self, request: requests.RemoveStep) -> Answer:
        return self._grant(request)

    @update
    def set_deps(self, request: requests.SetDependencies) -> Answer:
        return self._grant(request)

    @update
    def retry_step(self, request: requests.RetryStep) -> Answer:
        return self._grant(request)

    @update
    def skip_step(self, request: requests.SkipStep) -> Answer:
        return self._grant(request)

    @update
    def complete_step(self, request: requests.CompleteStep) -> Answer:
        return self._grant(request)

    @update
    def fail_step(self, request: requests.FailStep) -> Answer:
        return self._grant(request)

    @update
    def cancel_step(self, request: requests.CancelStep) -> Answer:
        return self._grant(request)

    @update
    def answer(self, request: requests.AnswerQuestion) -> Answer:
        return self._grant(request)

    @update
    def set_memory(self, request: requests.SetMemory) -> Answer:
        return self._grant(request)

    @update
    def delete_memory(self, request: requests.DeleteMemory) -> Answer:
        return self._grant(request)

    @update
    def set_pr(self, request: requests.SetPullRequest) -> Answer:
        return self._grant(request)

    @update
    def poke(self, request: requests.Poke) -> Answer:
        return self._grant(request)

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

    def _grant(self, request: requests.Request) -> Answer:
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
            self._grant(request.model_validate({"actor": "web ui", **fields}))
        except (ValidationError, ApplicationError) as error:
            workflow.logger.warning("signal ignored: %s", " ".join(str(error).split()))
