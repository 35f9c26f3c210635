"""The client: what an operator may do with directives (docs/python.md). `steering.connect` makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import ValidationError

from domain.errors import Refused
from domain.models import State
from domain.problems import first_problem
from domain.reports import DaemonSeen
from domain.requests import (
    NO_PLAN,
    AddStep,
    AnswerQuestion,
    Approve,
    Archive,
    Begin,
    CancelStep,
    ChangeGoal,
    CompleteStep,
    DeleteMemory,
    EditDirective,
    EditStep,
    FailStep,
    Pause,
    Poke,
    Reject,
    RemoveStep,
    Replan,
    Request,
    Resume,
    RetryStep,
    SetDependencies,
    SetMemory,
    SetPullRequest,
    SkipStep,
)
from steering.directives import Directives
from steering.filled_options import Filled, like, with_own_defaults
from steering.from_issue import Agree, not_agreed, of_issue, refuse_known, with_issue
from steering.launching import launch
from steering.looking import Looking
from steering.new_directive import StartOptions, placed
from steering.repository_defaults import Prepared, drafted, sketched, told_of, with_repositorys_own
from steering.shapes import AnswerShown, StartedShown
from steering.standing import sandbox_notes
from steering.start_checks import Deadline, Looked, checked, daemons_known
from workflows.directive import DirectiveWorkflow

UPDATES: dict[type[Request], Any] = {
    Begin: DirectiveWorkflow.begin,
    ChangeGoal: DirectiveWorkflow.change_goal,
    Replan: DirectiveWorkflow.replan,
    EditDirective: DirectiveWorkflow.edit,
    Pause: DirectiveWorkflow.pause,
    Resume: DirectiveWorkflow.resume,
    Archive: DirectiveWorkflow.archive,
    Approve: DirectiveWorkflow.approve,
    Reject: DirectiveWorkflow.reject,
    AddStep: DirectiveWorkflow.add_step,
    EditStep: DirectiveWorkflow.edit_step,
    RemoveStep: DirectiveWorkflow.remove_step,
    SetDependencies: DirectiveWorkflow.set_deps,
    RetryStep: DirectiveWorkflow.retry_step,
    SkipStep: DirectiveWorkflow.skip_step,
    CompleteStep: DirectiveWorkflow.complete_step,
    FailStep: DirectiveWorkflow.fail_step,
    CancelStep: DirectiveWorkflow.cancel_step,
    AnswerQuestion: DirectiveWorkflow.answer,
    SetMemory: DirectiveWorkflow.set_memory,
    DeleteMemory: DirectiveWorkflow.delete_memory,
    SetPullRequest: DirectiveWorkflow.set_pr,
    Poke: DirectiveWorkflow.poke,
}
"""What is asked → the update of the workflow that takes it."""


class Client(Looking):
    """Each method raises Refused, in one line that says what to do, and NotReachable where a part is away; then nothing
    was changed, or the same may be asked again under the same `request_id`, which has no second effect.
    """

    async def start(self, options: StartOptions, *, begin: bool = True, request_id: str | None = None) -> StartedShown:
        """Start a directive, or make a draft of one."""
        prepared = await self.prepared(await self.filled(options), begin=begin)
        async with self.directives() as directives:
            started = await self.launched(directives, prepared, begin=begin, request_id=request_id)
            await directives.until_known(started.id)
        return started

    async def filled(self, options: StartOptions, typed: frozenset[str] = frozenset()) -> Filled:
        """The options, and for what is not said those of the directive that it is like, or else your defaults. `typed`:
        what was said, also where it is what counts anyway.
        """
        if options.like:
            async with self.recorded() as directives:
                options = like(options, (await directives.state(options.like)).directive)
        return with_own_defaults(options, self.connections.config, typed)

    async def prepared(self, filled: Filled, *, begin: bool, agree: Agree = not_agreed) -> Prepared:
        """What would be started, with what its repository says where nobody else has said anything; an issue of a forge
        is read by a daemon.
        """
        late, owner, issue = Deadline(), self.connections.owner, filled.options.issue or ""
        if issue:
            told = await with_issue(filled.options, await self.connections.temporal(), owner, agree)
            filled = replace(filled, options=told)
        filled, looked = await self.completed(filled, late, begin=begin)
        draft = drafted(filled, owner)
        return Prepared(of_issue(draft, issue) if issue else draft, filled, late, issue, looked)

    async def completed(self, filled: Filled, late: Deadline, *, begin: bool) -> tuple[Filled, Looked | None]:
        """The options with the repository's own for what nobody has said, and the look at it that this took. Refused
        before anything is asked where they make no directive whatever it says.
        """
        filled, sketch = sketched(filled, self.connections.owner)
        if filled.options.wait_for_daemon:
            return replace(filled, unread="--wait-for-daemon asks nobody"), None
        async with self.directives() as directives:
            return await with_repositorys_own(directives, filled, sketch, late if begin else None)

    async def launched(
        self, directives: Directives, prepared: Prepared, *, begin: bool, request_id: str | None = None
    ) -> StartedShown:
        """Start its workflow, once for each `request_id`, and once for the issue that it is of."""
        draft, filled, issue = prepared.draft, prepared.filled, prepared.issue
        if request_id is not None and not issue:
            draft = _identified(draft, request_id)
        state, daemons = await self.looked_at(directives, replace(prepared, draft=draft), begin=begin)
        if issue and request_id is None:
            await refuse_known(directives, state, issue)
        workflow = await launch(directives, state, begin=begin, once=bool(issue), unless_there=request_id is not None)
        return StartedShown(
            id=state.directive.id,
            workflow_id=workflow,
            title=state.directive.text.title,
            web_ui=self.page(workflow),
            sandbox=tuple(sandbox_notes(daemons)),
            defaults=filled.defaults,
            defaults_unread=filled.unread,
        )

    async def looked_at(
        self, directives: Directives, prepared: Prepared, *, begin: bool
    ) -> tuple[State, Sequence[DaemonSeen]]:
        """The draft as it can be started, and the daemons there are. Refused where nothing could come of it, unless it
        is to wait.
        """
        draft, filled = prepared.draft, prepared.filled
        if not begin or filled.options.wait_for_daemon:
            daemons = await daemons_known(directives)
            return placed(draft, daemons), daemons
        try:
            return await checked(directives, draft, prepared.late, prepared.looked)
        except Refused as refused:
            raise told_of(refused, filled) from refused

    async def approve(self, directive: str, plan: str, *, request_id: str | None = None) -> AnswerShown:
        """Carry out the plan that waits for approval, by its name, which `status` and `plan` tell."""
        return await self.ask(directive, partial(Approve, plan=plan or NO_PLAN), request_id)

    async def reject(
        self, directive: str, comment: str, *, plan: str = "", request_id: str | None = None
    ) -> AnswerShown:
        """Send the plan that waits for approval back to the planner, which reads the comment."""
        return await self.ask(directive, partial(Reject, comment=comment, plan=plan), request_id)

    async def answer(self, directive: str, question: str, text: str, *, request_id: str | None = None) -> AnswerShown:
        """Answer an agent's question, named by its id or a beginning of it."""
        return await self.ask(directive, partial(AnswerQuestion, question=question, answer=text), request_id)

    async def goal(self, directive: str, goal: str, *, request_id: str | None = None) -> AnswerShown:
        """Change the goal: the directive is planned again while running steps go on."""
        return await self.ask(directive, partial(ChangeGoal, goal=goal), request_id)

    async def pause(self, directive: str, *, now: bool = False, request_id: str | None = None) -> AnswerShown:
        """Start nothing new; `now`: stop running steps, too, their work saved."""
        return await self.ask(directive, partial(Pause, now=now), request_id)

    async def resume(self, directive: str, *, request_id: str | None = None) -> AnswerShown:
        """Go on after a pause."""
        return await self.ask(directive, Resume, request_id)

    async def ask(self, directive: str, build: Callable[[], Request], request_id: str | None = None) -> AnswerShown:
        """Any request of `domain.requests`, which `build` makes."""
        request = made(build)
        async with self.directives() as directives:
            return await granted(directives, directive, request, request_id)


def made(build: Callable[[], Request]) -> Request:
    """What `build` makes; Refused with the first thing that is wrong in it."""
    try:
        return build()
    except ValidationError as error:
        raise Refused(first_problem(error)) from error


async def granted(
    directives: Directives, directive: str, request: Request, request_id: str | None = None
) -> AnswerShown:
    """Ask it of a directive, under a name of its own where none is given."""
    name = request_id or str(uuid4())
    given, held = await directives.ask(directive, UPDATES[type(request)], request, name)
    return AnswerShown(**given.model_dump(), request_id=name, recorded=held)


def _identified(draft: State, request_id: str) -> State:
    """The draft with the one id that belongs to this request of this owner."""
    directive = draft.directive
    mine: UUID = uuid5(NAMESPACE_URL, f"makima:{directive.owner}:{request_id}")
    return draft.model_copy(update={"directive": directive.model_copy(update={"id": mine})})
