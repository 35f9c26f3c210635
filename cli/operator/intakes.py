"""`intake`: issues of a repository that become directives by themselves (rule 7.7)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import IntakeShown, IntakesShown
from cli.operator.printing import print_json, print_lines
from cli.operator.signatures import with_parameters_of
from cli.operator.start_options import PARAMETERS, typed_in
from cli.operator.starting import defaults_told
from domain import names
from domain.errors import NotReachable, Refused
from domain.intake.state import Intake, IntakeState, intake_id, intake_prefix
from domain.problems import first_problem
from domain.protocol import INTAKE, SignalName
from domain.repository_url import masked
from domain.visible import visible
from steering.filled_options import Filled
from steering.new_directive import StartOptions
from steering.opening_options import TYPED_FOR_EACH
from steering.repository_defaults import drafted
from steering.start_checks import Deadline
from workflows.intake import IntakeWorkflow

RUNNING = f"WorkflowType = '{INTAKE}' AND ExecutionStatus = 'Running'"
OF_ONE_GOAL = frozenset(
    {"title", "issue", "yes", "goal", "goal_file", "edit", "like", "repo", "plan", "closes", "on", "label"}
    | {"wait_for_daemon", "requirement", "acceptance", "constraint", TYPED_FOR_EACH}
)
"""Options of `start` that each issue has its own of, or that an intake has none of."""


class IntakeAction(StrEnum):
    ADD = "add"
    LIST = "list"
    REMOVE = "remove"


def directive_options(**typed: Any) -> StartOptions:
    """The options of `start` that hold for each directive of an intake."""
    return StartOptions(title="An issue", goal="What the issue says.", **typed)


directive_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [each for each in PARAMETERS if each.name not in {*OF_ONE_GOAL, "repo"}]
)


class IntakeCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        command = with_parameters_of(self.intake, "options", directive_options)
        app.command("intake", help=inspect.getdoc(self.intake))(command)

    def intake(
        self,
        action: Annotated[IntakeAction, typer.Argument(metavar="add|list|remove")],
        repository: Annotated[str, typer.Argument(metavar="[URL]", help="The repository at its forge.")] = "",
        label: Annotated[
            str, typer.Option(help="Of the issues that are taken; who sets it must have write access.")
        ] = "",
        *,
        context: typer.Context,
        options: Callable[[], StartOptions] = directive_options,
        as_json: Json = False,
    ) -> None:
        """Let issues of a repository become directives, once somebody with write access labels them; docs/intake.md.

        Example: starter.py intake add https://github.com/acme/shop --label makima --planner claude --agent claude
        """
        typed = typed_in(context) - {"label"}  # the issues' here, the daemon's of a directive
        self.run(self._intake(action, repository, label, options, typed, as_json=as_json))

    async def _intake(
        self,
        action: IntakeAction,
        repository: str,
        label: str,
        options: Callable[[], StartOptions],
        typed: frozenset[str],
        *,
        as_json: bool,
    ) -> int:
        owner, filled = self.connections.owner, None
        if action is not IntakeAction.LIST and not repository:
            raise Refused(f"`intake {action}` needs the repository's address")
        if action is IntakeAction.ADD:
            filled = await self._filled(repository, label, options(), typed)
            await add(await self.connections.temporal(), wanted_intake(owner, label, filled))
        elif action is IntakeAction.REMOVE:
            await remove(await self.connections.temporal(), owner, repository)
        found = await intakes(await self.connections.temporal(), owner)
        told = defaults_told(filled.defaults, filled.unread) if filled else []
        if as_json:
            print_lines(told, err=True)  # its object is that of `intake list`
            print_json(IntakesShown(intakes=tuple(map(intake_shown, found))))
        elif action is IntakeAction.LIST:
            print_lines(lines_of(found))
        else:
            done = "added" if action is IntakeAction.ADD else "removed"
            print_lines([f"{done} {visible(masked(repository))}", *told])
        return 0

    async def _filled(self, repository: str, label: str, options: StartOptions, typed: frozenset[str]) -> Filled:
        """With your defaults, and what the repository says now, as far as a daemon that lives can read it."""
        if not label:
            raise Refused("`intake add` needs --label: which issues are to be taken")
        client = self.client
        filled = await client.filled(replace(options, repo=repository), typed)
        completed, _ = await client.completed(filled, Deadline(0), begin=False)
        return completed


def wanted_intake(owner: str, label: str, filled: Filled) -> Intake:
    """Refused with one line where a directive could not be started so."""
    directive = drafted(filled, owner).directive
    intake_id(owner, directive.repository)
    try:
        return Intake(
            owner=owner,
            repository=directive.repository,
            label=label,
            base_branch=directive.base_branch,
            settings=directive.settings,
            every=directive.settings.timings.poll,
        )
    except ValidationError as error:
        raise Refused(f"--label: {first_problem(error)}") from error


async def add(client: Client, wanted: Intake) -> None:
    """Start it; Refused where there is one of the repository."""
    try:
        await client.start_workflow(
            IntakeWorkflow.run,
            IntakeState(wanted=wanted),
            id=intake_id(wanted.owner, wanted.repository),
            task_queue=names.DIRECTIVES_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=visible(f"issues of {masked(wanted.repository)} labelled {wanted.label}")[:200],
        )
    except WorkflowAlreadyStartedError as error:
        raise Refused(
            f"there is an intake of {visible(masked(wanted.repository))}: `intake list` shows it; "
            "to change it, `intake remove` it first"
        ) from error
    except RPCError as error:
        raise NotReachable(f"Temporal did not start the intake: {error.message}") from error


async def remove(client: Client, owner: str, repository: str) -> None:
    """What it has started goes on."""
    handle = client.get_workflow_handle(intake_id(owner, repository))
    try:
        await handle.signal(SignalName.INTAKE_REMOVED, "operator")
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Refused(f"there is no intake of {visible(masked(repository))}: `intake list`") from error
        raise NotReachable(f"Temporal did not take the request: {error.message}") from error


async def intakes(client: Client, owner: str) -> list[IntakeState]:
    """The owner's, as they stand."""
    try:
        running = [each.id async for each in client.list_workflows(RUNNING) if each.id.startswith(intake_prefix(owner))]
        handles = [client.get_workflow_handle_for(IntakeWorkflow.run, each) for each in sorted(running)]
        states = [await each.query(IntakeWorkflow.status) for each in handles]
    except RPCError as error:
        raise NotReachable(f"Temporal did not say what is running: {error.message}") from error
    return [each for each in states if each.wanted.owner == owner]


def lines_of(found: list[IntakeState]) -> list[str]:
    """A line for each, and one for what it has taken, has left alone, and what is the matter."""
    lines: list[str] = []
    for each in found:
        wanted = each.wanted
        lines.append(f"{visible(masked(wanted.repository))}  issues labelled {visible(wanted.label)}")
        lines += [f"  #{taken.number} is {visible(taken.workflow)}" for taken in each.taken[-20:]]
        lines += [f"  #{left.number} is not taken: {visible(left.why)}" for left in each.left]
        lines += [f"  the forge: {visible(each.trouble)}"] if each.trouble else []
    return lines or ["no intake: `intake add URL --label NAME` adds one"]


def intake_shown(state: IntakeState) -> IntakeShown:
    wanted = state.wanted
    repository = masked(wanted.repository)
    return IntakeShown(
        repository=repository, label=wanted.label, taken=state.taken, left=state.left, trouble=state.trouble
    )
