"""Starting the workflow of a directive, by whoever has a client: the command line, and the worker for issues and
schedules.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain import names
from domain.directive_secret import new_secret
from domain.errors import NotReachable
from domain.models import Directive, State
from domain.reports import DirectiveSummary
from domain.visible import visible
from workflows.attribute_keys import search_attributes
from workflows.attribute_registration import missing_search_attributes
from workflows.directive import DirectiveWorkflow
from workflows.state import DirectiveInput

DETAILS_BYTES = 18_000
"""Of the Web UI's details; Temporal takes 20,000."""
SUMMARY_BYTES = 400
"""Of its headline; Temporal takes as many."""


class Known(Protocol):
    """The record, which remembers longer than Temporal."""

    async def directive(self, owner: str, directive: UUID) -> DirectiveSummary | None: ...


async def start_new(client: Client, state: State, *, begin: bool, once: bool = False) -> str:
    """Start a new directive's workflow, as a draft unless it shall `begin`; its workflow's id. `once`: also where one
    of that id has ended it is WorkflowAlreadyStartedError.
    """
    workflow = names.workflow_id(state.directive.text.title, state.directive.id)
    draft = state.model_copy(update={"authenticated": True})
    await start_run(client, workflow, draft, new_secret(), begin=begin, once=once)
    return workflow


async def start_run(
    client: Client,
    workflow: str,
    state: State,
    secret: SecretStr,
    *,
    begin: bool,
    may_know_less: bool = False,
    instead: bool = False,
    once: bool = False,
) -> None:
    """Start the workflow; `instead`: a run of it that is under way is terminated, where it is an error otherwise."""
    directive = state.directive
    searchable = not await missing_search_attributes(client)
    try:
        await client.start_workflow(
            DirectiveWorkflow.run,
            DirectiveInput(
                state=state,
                begin=begin,
                searchable=searchable,
                may_know_less=may_know_less,
                secret=secret,
            ),
            id=workflow,
            task_queue=names.DIRECTIVES_QUEUE,
            id_conflict_policy=(
                WorkflowIDConflictPolicy.TERMINATE_EXISTING if instead else WorkflowIDConflictPolicy.FAIL
            ),
            id_reuse_policy=(WorkflowIDReusePolicy.REJECT_DUPLICATE if once else WorkflowIDReusePolicy.ALLOW_DUPLICATE),
            static_summary=static_summary(directive),
            static_details=static_details(directive),
            search_attributes=TypedSearchAttributes(search_attributes(state) if searchable else []),
        )
    except RPCError as error:
        raise NotReachable(f"Temporal did not start the directive: {error.message}") from error


class OnceStarter:
    """See activities.ports.DirectiveStarter."""

    def __init__(self, client: Client, record: Known) -> None:
        self._client = client
        self._record = record

    async def start(self, draft: State) -> str:
        """Its title may have changed since it was started first, and with it its workflow's id: the record knows it."""
        known = await self._record.directive(draft.directive.owner, draft.directive.id)
        if known is not None:
            return known.workflow_id
        try:
            return await start_new(self._client, draft, begin=True, once=True)
        except WorkflowAlreadyStartedError:
            return names.workflow_id(draft.directive.text.title, draft.directive.id)


def static_summary(directive: Directive) -> str:
    """The Web UI's headline: one line."""
    return _cut(visible(" ".join(directive.text.title.split())), SUMMARY_BYTES)


def static_details(directive: Directive) -> str:
    """What the Web UI shows of the directive as it was started, as markdown."""
    text = directive.text
    lists = {"Requirements": text.requirements, "Acceptance": text.acceptance, "Constraints": text.constraints}
    parts = [
        text.goal,
        f"Repository: {directive.repository}, branch {directive.base_branch or 'by default'}",
        f"Id: {directive.id}",
    ]
    parts += [f"{title}:\n" + "\n".join(f"- {line}" for line in lines) for title, lines in lists.items() if lines]
    return _cut(visible("\n\n".join(parts)), DETAILS_BYTES)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
