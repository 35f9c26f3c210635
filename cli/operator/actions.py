"""What an operator asks of a directive (rule 8.2): an action makes a typed request, and all are sent in one way."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from typing import Annotated

import typer

from cli.operator.agreeing import agreed, agreed_to_another, agreed_to_plan, somebody_is_there
from cli.operator.command_group import Commands, Id, Json, RequestId
from cli.operator.edit import edit
from cli.operator.printing import print_json, print_lines
from cli.operator.signatures import with_parameters_of
from cli.operator.step_actions import STEP_ACTIONS
from domain.editing import running
from domain.errors import Refused
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
    Repair,
    Replan,
    Request,
    Resume,
    SetMemory,
    SetPullRequest,
)
from steering.client import granted, made
from steering.directives import Directives
from steering.shapes import AnswerShown


def begin() -> Begin:
    """Begin a draft that `create` has made.

    Example: starter.py begin 3f2a
    """
    return Begin()


def goal(goal: Annotated[str, typer.Argument(metavar="GOAL", help="The new goal.")]) -> ChangeGoal:
    """Change the goal: the directive is planned again while running steps go on.

    Example: starter.py goal 3f2a "Users can log in with a password or a passkey"
    """
    return ChangeGoal(goal=goal)


def replan(comment: Annotated[str, typer.Option(help="What the planner shall know.")] = "") -> Replan:
    """Plan the same goal again.

    Example: starter.py replan 3f2a --comment "Smaller steps, please"
    """
    return Replan(comment=comment)


def pause(
    now: Annotated[bool, typer.Option("--now/--drain", help="Stop running steps too, or let them end.")] = False,
) -> Pause:
    """Start nothing new: queued steps are called back, running ones end, or are stopped with their work saved.

    Example: starter.py pause 3f2a --now
    """
    return Pause(now=now)


def resume() -> Resume:
    """Go on after a pause.

    Example: starter.py resume 3f2a
    """
    return Resume()


def archive(yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> Archive:
    """Close a directive for good: what runs is cancelled, its work saved.

    Example: starter.py archive 3f2a --yes
    """
    if not yes and not somebody_is_there():
        raise Refused("archive closes the directive for good, and nobody is here to be asked: add --yes")
    if not yes and not typer.confirm("What runs is cancelled, and the directive is closed for good. Go on?"):
        raise Refused("nothing was changed")
    return Archive()


def approve(
    plan: Annotated[
        str, typer.Option(metavar="NAME", help="The plan's, which `status` tells; else you are asked.")
    ] = "",
) -> Approve:
    """Carry out the plan that waits for approval, and no other one: it is named, or shown to you here.

    Example: starter.py approve 3f2a --plan 7c1e09ab
    """
    return Approve(plan=plan)


def reject(
    comment: Annotated[str, typer.Option(help="What shall be different: the planner reads it.")],
    plan: Annotated[str, typer.Option(metavar="NAME", help="Only if it is this one that waits.")] = "",
) -> Reject:
    """Send the plan that waits for approval back to the planner.

    Example: starter.py reject 3f2a --comment "Tests first"
    """
    return Reject(comment=comment, plan=plan)


def answer(
    question: Annotated[str, typer.Argument(help="A question's id or the beginning of it; `questions` lists them.")],
    text: Annotated[str, typer.Argument(help="The answer.")],
) -> AnswerQuestion:
    """Answer a question of an agent's; the work that waits for it goes on.

    Example: starter.py answer 3f2a 91c0 "Use Postgres"
    """
    return AnswerQuestion(question=question, answer=text)


def memory_set(
    key: Annotated[str, typer.Argument(help="What it is remembered by.")],
    value: Annotated[str, typer.Argument(help="What is remembered.")],
    category: Annotated[str, typer.Option(help="A word to sort by.")] = "",
) -> SetMemory:
    """Remember something for the directive's agents, in place of what the key held; `memory` lists them.

    Example: starter.py memory-set 3f2a test-command "make test"
    """
    return SetMemory(key=key, value=value, category=category)


def memory_delete(key: Annotated[str, typer.Argument(help="What it is remembered by.")]) -> DeleteMemory:
    """Forget what a key holds.

    Example: starter.py memory-delete 3f2a test-command
    """
    return DeleteMemory(key=key)


def poke() -> Poke:
    """Look at the pull request at once, in place of at the next of its polls.

    Example: starter.py poke 3f2a
    """
    return Poke()


def set_pr(
    url: Annotated[str, typer.Argument(help="Its address.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> SetPullRequest:
    """Name the pull request that was opened by hand; it is looked after from now on.

    You are asked first where it is another one than the known: it is edited, and its branch pushed to.

    Example: starter.py set-pr 3f2a https://git.example.com/team/shop/pulls/12 --yes
    """
    return SetPullRequest(url=url, agreed=yes)


ACTIONS: tuple[Callable[..., Request], ...] = (
    begin,
    goal,
    replan,
    edit,
    pause,
    resume,
    archive,
    approve,
    reject,
    *STEP_ACTIONS,
    answer,
    memory_set,
    memory_delete,
    set_pr,
    poke,
)
"""Each makes its request from what was typed, and names the command."""


class ActionCommands(Commands):
    """Every action as a command of its name: ID, its own parameters, --request-id, --json."""

    def add_to(self, app: typer.Typer) -> None:
        for build in ACTIONS:
            name = build.__name__.replace("_", "-")
            app.command(name, help=getdoc(build))(with_parameters_of(self._act, "request", build))

    def _act(
        self, directive: Id, request: Callable[[], Request], request_id: RequestId = None, as_json: Json = False
    ) -> None:
        self.run(self._send(directive, request, request_id, as_json=as_json))

    async def _send(
        self, reference: str, build: Callable[[], Request], request_id: str | None, *, as_json: bool
    ) -> int:
        request = made(build)
        async with self.directives() as directives:
            if isinstance(request, Repair):
                request = await agreed(directives, reference, request)
            if isinstance(request, SetPullRequest):
                request = await agreed_to_another(directives, reference, request)
            if isinstance(request, Approve) and not request.plan:
                request = await agreed_to_plan(directives, reference, request)
            given = await granted(directives, reference, request, request_id)
            kept = await self._kept(directives, reference) if isinstance(request, EditDirective) else ""
        if not given.recorded:
            print_lines(["accepted; the record does not hold it yet: what you read next may be from before"], err=True)
        if as_json:
            print_json(given)
        else:
            typer.echo(f"{_line(request, given)}{kept}")
        return 0

    async def _kept(self, directives: Directives, reference: str) -> str:
        """Which tasks run on with what they were started with."""
        names = running(await directives.state(reference))
        return f"; from the next task on: {', '.join(names)} keep what they have" if names else ""


def _line(request: Request, given: AnswerShown) -> str:
    """What a script wants of `add-step` is the id, and nothing else."""
    return str(given.step) if isinstance(request, AddStep) else f"{given.status}, generation {given.generation}"
