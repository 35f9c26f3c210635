"""Everything that can be asked of a running directive: each handler one line, each rule in domain/operations.py."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.change import Change
    from domain.folding import fold_started
    from domain.models import State
    from domain.operations import Answer, Archive, ChangeGoal, Refusal, Request, Resume, apply
    from domain.spawn_task import TaskStarted
    from domain.view import DirectiveView, view


class Operations:
    """The updates, signals and queries of DirectiveWorkflow, which inherits them.

    Handlers only change the state; the main loop reacts (DESIGN 6). They are plain `def`, so that what a validator has
    checked still holds when its handler runs: the SDK runs both in one task, without a yield.
    """

    state: State

    def take(self, change: Change) -> None:
        """Make the change's state the directive's, and remember what the record has to be told."""
        raise AssertionError("DirectiveWorkflow takes changes")

    @workflow.update
    def change_goal(self, request: ChangeGoal) -> Answer:
        return self._grant(request)

    @change_goal.validator
    def _may_change_goal(self, request: ChangeGoal) -> None:
        self._allow(request)

    @workflow.update
    def resume(self, request: Resume) -> Answer:
        return self._grant(request)

    @resume.validator
    def _may_resume(self, request: Resume) -> None:
        self._allow(request)

    @workflow.update
    def archive(self, request: Archive) -> Answer:
        return self._grant(request)

    @archive.validator
    def _may_archive(self, request: Archive) -> None:
        self._allow(request)

    @workflow.signal
    def task_started(self, started: TaskStarted) -> None:
        self.take(fold_started(self.state, started, workflow.now()))

    @workflow.query
    def status(self) -> DirectiveView:
        return view(self.state)

    @workflow.query
    def state_now(self) -> State:
        return self.state

    def _grant(self, request: Request) -> Answer:
        self.take(self._allow(request))
        return Answer(status=self.state.status, generation=self.state.generation)

    def _allow(self, request: Request) -> Change:
        change = apply(self.state, request, workflow.now())
        if isinstance(change, Refusal):
            raise ApplicationError(change.reason, type="Refused", non_retryable=True)
        return change
