"""Start the directive of an issue (rule 7.7): by a worker, which may start workflows and read the record."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.beating import beating
from activities.ports import DirectiveStarter
from activities.pull_requests import no_news
from domain import names
from domain.errors import NotReachable, Refused
from domain.intake.commands import request_of
from domain.intake.directive import directive_for
from domain.intake.progress import digest_of, progress_of
from domain.intake.state import CommandGiven, DirectivesWatched, Followed, IssueProgress, IssueTaken
from domain.intake.taken import Taken
from domain.view import DirectiveView

GRANT_WITHIN = timedelta(seconds=15)


class IntakeActivities:
    def __init__(self, starter: DirectiveStarter, client: Client) -> None:
        self._starter = starter
        self._client = client

    @activity.defn
    async def start_directive(self, wanted: IssueTaken) -> Taken:
        """Start it, unless there is one of this issue; any number of times."""
        draft = directive_for(wanted.wanted, wanted.issue)
        directive = draft.directive
        workflow = await self._starter.start(draft)
        return Taken(
            number=wanted.issue.number,
            directive=directive.id,
            workflow=workflow or names.workflow_id(directive.text.title, directive.id),
        )

    @activity.defn
    async def watch_directives(self, watched: DirectivesWatched) -> tuple[IssueProgress, ...]:
        """Poll until one has something new to tell its issue; a poll without fails, to be tried again (design 11)."""
        async with beating():
            found = [told for each in watched.followed if (told := await self._progress(each))]
        if not found:
            raise no_news("nothing has happened", watched.every)
        return tuple(found)

    @activity.defn
    async def carry_out(self, given: CommandGiven) -> str:
        """What became of a command: an update of the directive's, whose id is the command's own, has one effect."""
        try:
            understood = request_of(given.said, given.plan)
        except Refused as refusal:
            return f"refused: {refusal}"
        if isinstance(understood, str):
            return f"not understood: {understood}"
        update, request = understood
        handle = self._client.get_workflow_handle(given.workflow)
        try:
            await handle.execute_update(update, request, id=given.said.key, rpc_timeout=GRANT_WITHIN)
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            return f"refused: {cause.message if isinstance(cause, ApplicationError) else cause}"[:1000]
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise NotReachable(f"the directive was not asked: {error.message}") from error
            return "refused: the directive is over"
        return "done"

    async def _progress(self, followed: Followed) -> IssueProgress | None:
        """What its issue is to be told, where that is new; nothing while the directive can't be asked."""
        handle = self._client.get_workflow_handle(followed.workflow)
        try:
            view = await handle.query("status", result_type=DirectiveView, rpc_timeout=GRANT_WITHIN)
        except RPCError as error:
            # It is known no more: it has ended long ago, and what its issue was told last holds.
            gone = error.status is RPCStatusCode.NOT_FOUND and followed.digest
            return IssueProgress(number=followed.number, body="", is_over=True) if gone else None
        except WorkflowQueryFailedError:
            return None
        body = progress_of(view, followed.answers)
        if digest_of(body) == followed.digest:
            return None
        plan = view.proposal.name if view.proposal else ""
        return IssueProgress(number=followed.number, body=body, plan=plan, is_over=view.status.is_final)
