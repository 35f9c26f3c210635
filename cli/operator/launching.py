"""Starting the workflow of a directive: of a new one, and of one that goes on from the record (rules 2.1, 9.1)."""

from __future__ import annotations

from pydantic import SecretStr
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from cli.operator.directives import Directives
from domain import names
from domain.directive_secret import NO_SECRET, new_secret
from domain.errors import NotReachable, Refused
from domain.models import Directive, State
from domain.recovery import recovered
from domain.reports import DirectiveSummary
from domain.size import without_finished_texts
from domain.statuses import DirectiveStatus
from domain.visible import visible
from workflows.directive import DirectiveWorkflow
from workflows.search_attributes import missing_search_attributes
from workflows.state import DirectiveInput, search_attributes

DETAILS_BYTES = 18_000
"""Of the Web UI's details; Temporal takes 20,000."""
SUMMARY_BYTES = 400
"""Of its headline; Temporal takes as many."""


async def launch(directives: Directives, state: State, *, begin: bool) -> str:
    """Start a new directive's workflow, as a draft unless it shall `begin`; its workflow's id."""
    workflow = names.workflow_id(state.directive.text.title, state.directive.id)
    secret = new_secret()
    await _start(directives, workflow, state.model_copy(update={"authenticated": True}), secret, begin=begin)
    return workflow


async def recover(directives: Directives, summary: DirectiveSummary) -> DirectiveStatus:
    """Go on from the record in a new run; Refused where the directive is final, unknown, or running. One whose workflow
    tasks all fail is ended first: only what was asked of it since the record was written has to be asked again.
    """
    state = await directives.record.state(summary.id)
    if state is None or state.status.is_final:
        raise Refused(f"{summary.title} is {summary.status}: that is final; `start` begins another one")
    try:
        # No sequence: only the run before knew it. The first write is a snapshot, and the record answers where it is.
        # No secret either, which a reader of the record can't see: the same answer brings it.
        left = without_finished_texts(recovered(state, await directives.record.attempts(summary.id)))
        instead = await directives.is_stuck(summary.workflow_id)
        await _start(directives, summary.workflow_id, left, NO_SECRET, begin=False, may_know_less=True, instead=instead)
    except WorkflowAlreadyStartedError as error:
        raise Refused(f"{summary.title} is running: there is nothing to recover") from error
    return state.status


async def _start(
    directives: Directives,
    workflow: str,
    state: State,
    secret: SecretStr,
    *,
    begin: bool,
    may_know_less: bool = False,
    instead: bool = False,
) -> None:
    """Start the workflow; `instead`: a run of it that is under way is terminated, where it is an error otherwise."""
    directive, client = state.directive, directives.client
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
            static_summary=static_summary(directive),
            static_details=static_details(directive),
            search_attributes=TypedSearchAttributes(search_attributes(state) if searchable else []),
        )
    except RPCError as error:
        raise NotReachable(f"Temporal did not start the directive: {error.message}") from error


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
