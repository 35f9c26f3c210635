"""Starting the workflow of a directive: of a new one, and of one that goes on from the record (rules 2.1, 9.1)."""

from __future__ import annotations

from temporalio.exceptions import WorkflowAlreadyStartedError

from domain import names
from domain.directive_secret import NO_SECRET
from domain.errors import Refused
from domain.models import State
from domain.recovery import recovered
from domain.reports import DirectiveSummary
from domain.size import without_finished_texts
from domain.statuses import DirectiveStatus
from steering.directives import Directives
from workflows.launching import start_new, start_run


async def launch(
    directives: Directives, state: State, *, begin: bool, once: bool = False, unless_there: bool = False
) -> str:
    """Start a new directive's workflow, as a draft unless it shall `begin`; its workflow's id. `once`: Refused where
    one of its id has ended, too; `unless_there`: one that has its id, running or ended, is left as it is.
    Raises NotReachable, RecordError.
    """
    # While the record is away nothing is started: one under another title, or one that Temporal keeps no more, would be
    # done twice.
    if unless_there and (known := await directives.record.directive(directives.owner, state.directive.id)):
        return known.workflow_id
    try:
        return await start_new(directives.client, state, begin=begin, once=once or unless_there)
    except WorkflowAlreadyStartedError as error:
        if unless_there:
            return names.workflow_id(state.directive.text.title, state.directive.id)
        raise Refused(f"{state.directive.text.title} is a directive already: `starter.py list` shows it") from error


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
        await start_run(
            directives.client, summary.workflow_id, left, NO_SECRET, begin=False, may_know_less=True, instead=instead
        )
    except WorkflowAlreadyStartedError as error:
        raise Refused(f"{summary.title} is running: there is nothing to recover") from error
    return state.status
