"""An owner's directives, once they are looked for; all that is read is in the record, so that Temporal's client is not
needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from steering.recorded import RecordedDirectives, is_looked_after
from steering.standing import Standing

if TYPE_CHECKING:
    from temporalio.client import Client as Temporal

    from domain.reports import DirectiveSummary
    from domain.spending import AttemptSpent, DirectiveSpent
    from domain.usage import Usage
    from steering.connections import Connections, Record
    from steering.directives import Directives


class UsedUp(NamedTuple):
    """What was used up."""

    directives: Sequence[DirectiveSpent]
    attempts: Sequence[AttemptSpent]
    """Of one directive, where one was named."""
    total: Usage


class Opened:
    """Nothing is held open between two calls: what was away is there for the next one as soon as it is back."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    async def summaries(self) -> tuple[Sequence[DirectiveSummary], str]:
        """The owner's directives, the latest changed first, and why it isn't known which of them run; empty: it is."""
        async with self.connections.record() as record:
            found = await record.directives(self.connections.owner)
            live = is_looked_after(await record.checked_ago())
        return found, "" if live else "which of them run is not known: no worker is there, start worker.py"

    async def standing(self, directive: str) -> Standing:
        """Where one stands; named as in every command: by an id, a unique beginning of one, a workflow, a title."""
        async with self.recorded() as directives:
            look = await directives.look(directive)
            daemons = await directives.record.daemons(directives.owner)
            running = [each for each in await directives.record.attempts(look.seen.id) if each.runs]
        return Standing(look, daemons, self.page(look.seen.workflow_id), running)

    async def spent(self, directive: str | None = None) -> UsedUp:
        """Time, tokens and cost by directive, or of one with its attempts."""
        from domain.spending import total

        async with self.recorded() as directives:
            spent = await directives.record.spent(directives.owner)
            attempts: Sequence[AttemptSpent] = ()
            if directive is not None:
                whose = (await directives.find(directive)).id
                spent = [each for each in spent if each.id == whose]
                attempts = await directives.record.attempts(whose)
        return UsedUp(spent, attempts, total(spent))

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[RecordedDirectives]:
        """The owner's directives, for reading: all is in the record. Raises NotReachable where Postgres isn't there;
        Temporal is asked only for what the record doesn't know.
        """

        async def unrecorded(reference: str) -> Sequence[str]:
            return await self.through(await self.connections.temporal(), record).find_running(reference)

        async with self.connections.record() as record:
            yield RecordedDirectives(record, self.connections.owner, unrecorded=unrecorded)

    @asynccontextmanager
    async def directives(self) -> AsyncIterator[Directives]:
        """The same, for changing them, too; raises NotReachable where Temporal or Postgres isn't."""
        client = await self.connections.temporal()
        async with self.connections.record() as record:
            yield self.through(client, record)

    def through(self, client: Temporal, record: Record) -> Directives:
        """The same, where these are open."""
        # Temporal's client takes half a second to import, which help and a mistyped command would wait for.
        from steering.directives import Directives

        return Directives(client, record, self.connections.owner)

    def page(self, workflow: str) -> str | None:
        """A directive's page in the Web UI, where its address is known."""
        web_ui = self.connections.web_ui
        return f"{web_ui}/namespaces/default/workflows/{workflow}" if web_ui else None
