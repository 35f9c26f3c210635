"""What an agent's end says of its account, and what its task waits for then (rule 5.6)."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.agents.base import AgentResult
from daemon.agents.stream_events import Ending
from daemon.session.parking import CROWDED, LIMITED, UNANSWERED, Account, Parking
from daemon.session.waiting import limit_text, login_question, network_wait, waiting
from domain.agents import Away
from domain.spawn_task import Outcome, SpawnTask


@dataclass(frozen=True)
class Met:
    """An account, by the task that has met it."""

    command: SpawnTask
    agent: str
    """As the settings call it."""
    account: Account
    daemon: str
    remedy: str
    """What a person does about a login that is refused."""
    network_waits: int
    """How often the task has waited for the model before."""

    def waits(self, parking: Parking, result: AgentResult) -> Outcome | None:
        """The outcome of a task that waits for its agent's account or model, which all of this daemon leave alone until
        then; None: it doesn't.
        """
        account, command = self.account, self.command
        report = result.failure.report if result.failure else ""
        match result.ending:
            case Ending.LIMIT | Ending.CAPACITY:
                reason = LIMITED if result.ending is Ending.LIMIT else CROWDED
                parked = parking.limited(account, self.agent, result.until, reason)
                return waiting(command, summary=limit_text(parked, report), until=parked.until, away=Away.PARKED)
            case Ending.AUTH:
                parked = parking.refused(account, self.agent)
                known = {"daemon": self.daemon, "report": report, "remedy": self.remedy}
                question = login_question(command, parking, parked, account, **known)
                told = report[:500]
                return waiting(command, summary=told, until=parked.until, questions=(question,), away=Away.REFUSED)
            case Ending.NETWORK:
                again = parking.now() + network_wait(self.network_waits)
                parked = parking.limited(account, self.agent, again, UNANSWERED)
                return waiting(command, summary=report[:500], until=parked.until, away=Away.PARKED)
        if result.is_completed:
            parking.works(account)
        return None
