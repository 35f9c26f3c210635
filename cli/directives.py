"""Talking to directives: find one, start one, ask where it stands, ask something of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimedOut
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from cli.connections import Record
from domain import names
from domain.errors import NotReachable, Refused
from domain.models import Directive, State, Step, Value
from domain.operations import Answer, Request
from domain.view import DirectiveView, view
from workflows.directive import DirectiveWorkflow
from workflows.search_attributes import missing_search_attributes
from workflows.state import GENERATION, OWNER, REPOSITORY, STATUS, DirectiveInput

ANSWER_WITHIN = timedelta(seconds=3)
"""After this the record is shown in place of the workflow's own answer (SPEC 9.3)."""
GRANT_WITHIN = timedelta(seconds=15)
LISTED_WITHIN = 2.0
"""Seconds after which a directive that has started is among those that Temporal lists."""
LOOK_AGAIN = 0.1


class Shown(Value):
    """Where a directive stands, and whether its workflow itself said so."""

    directive: DirectiveView
    live: bool


class Directives:
    """An owner's directives, through their workflows and the record."""

    def __init__(self, client: Client, record: Record, owner: str) -> None:
        self._client = client
        self._record = record
        self._owner = owner
        self._started: dict[str, str] = {}

    async def start(self, directive: Directive, plan: tuple[Step, ...]) -> str:
        """Create a directive and begin it (SPEC 2.1); its workflow's id."""
        searchable = not await missing_search_attributes(self._client)
        workflow = names.workflow_id(directive.text.title, directive.id)
        attributes: list[SearchAttributePair[Any]] = [
            SearchAttributePair(STATUS, "draft"),
            SearchAttributePair(GENERATION, 1),
            SearchAttributePair(OWNER, directive.owner),
            SearchAttributePair(REPOSITORY, directive.repository),
        ]
        with _answering():
            await self._client.start_workflow(
                DirectiveWorkflow.run,
                DirectiveInput(state=State(directive=directive, given_plan=plan), searchable=searchable),
                id=workflow,
                task_queue=names.DIRECTIVES_QUEUE,
                static_summary=directive.text.title,
                static_details=_static_details(directive),
                search_attributes=TypedSearchAttributes(attributes) if searchable else TypedSearchAttributes.empty,
            )
        self._started[str(directive.id)] = workflow
        return workflow

    async def find(self, reference: str) -> tuple[str, UUID | None]:
        """Workflow id and id of the directive that a uuid, a unique prefix of it, or a workflow's name means.

        The id is None while the record doesn't know it yet. Raises Refused where there is none, or more than one.
        """
        if reference in self._started:
            return self._started[reference], UUID(reference)
        known = await self._record.directive_ids(self._owner, reference)
        if len(known) == 1:
            workflows = {each.id: each.workflow_id for each in await self._record.directives(self._owner)}
            return workflows[known[0]], known[0]
        running = [] if known else await self._find_running(reference)
        if len(running) == 1:
            return running[0], None
        if known or running:
            raise Refused(f"{reference!r} means more than one directive: give more of the id")
        raise Refused(f"there is no directive {reference!r}; `starter.py list` shows them all")

    async def _find_running(self, reference: str) -> list[str]:
        """For a directive so new that nothing has recorded it; also Temporal lists it only after a moment."""
        deadline = time.monotonic() + LISTED_WITHIN
        with _answering():
            while not (found := await self._listed(reference)) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_AGAIN)
        return found

    async def _listed(self, reference: str) -> list[str]:
        suffix = f"-{reference.replace('-', '')[:8]}"
        return [
            each.id
            async for each in self._client.list_workflows("WorkflowType = 'DirectiveWorkflow'")
            # An owner is not stored where the search attributes may not be registered.
            if each.typed_search_attributes.get(OWNER) in (self._owner, None)
            and (each.id == reference or each.id.endswith(suffix))
        ]

    async def show(self, reference: str) -> Shown:
        """Where it stands: from the workflow, else from the record (SPEC 9.3)."""
        workflow, identity = await self.find(reference)
        recorded = await self._record.state(identity) if identity else None
        if recorded and recorded.status.is_final:
            return Shown(directive=view(recorded), live=True)
        try:
            shown = await self._handle(workflow).query(DirectiveWorkflow.status, rpc_timeout=ANSWER_WITHIN)
            return Shown(directive=shown, live=True)
        except (RPCError, WorkflowQueryFailedError, TimeoutError) as error:
            if recorded is None:
                raise NotReachable(
                    f"{workflow} has started, but no worker answers yet: is worker.py running?"
                ) from error
            return Shown(directive=view(recorded), live=False)

    async def ask(self, reference: str, update: Any, request: Request) -> Answer:
        """Send a validated update; Refused with the workflow's own reason (SPEC 8.2)."""
        workflow, _ = await self.find(reference)
        try:
            answer: Answer = await self._handle(workflow).execute_update(
                update, request, id=str(uuid4()), rpc_timeout=GRANT_WITHIN
            )
            return answer
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            raise Refused(cause.message if isinstance(cause, ApplicationError) else str(cause)) from error
        except UpdateTimedOut as error:
            raise NotReachable("no worker answers: is worker.py running? The request was not carried out") from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise Refused(f"{workflow} is closed") from error
            raise NotReachable(f"Temporal did not take the request: {error.message}") from error

    def _handle(self, workflow: str) -> WorkflowHandle[DirectiveWorkflow, Any]:
        return self._client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)


@contextmanager
def _answering() -> Iterator[None]:
    """A server that is away, or doesn't have our namespace, in words that say so."""
    try:
        yield
    except RPCError as error:
        raise NotReachable(f"Temporal did not take the request: {error.message}") from error


def _static_details(directive: Directive) -> str:
    """The Web UI's details, at most 20,000 bytes by Temporal's limit."""
    text = directive.text
    lists = {"Requirements": text.requirements, "Acceptance": text.acceptance, "Constraints": text.constraints}
    parts = [text.goal, f"Repository: {directive.repository}, branch {directive.base_branch}", f"Id: {directive.id}"]
    parts += [f"{title}:\n" + "\n".join(f"- {line}" for line in lines) for title, lines in lists.items() if lines]
    return "\n\n".join(parts).encode()[:18_000].decode(errors="ignore")


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as one line that names the field."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
