"""What an attempt uses while its agent runs, told to the record; what its directive does beside it (rules 2.10, 6.14);
and all that shares the budgets of the day (rule 2.11).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta

from daemon.session.budget import day_note
from daemon.session.day_budgets import Stop, stop_of
from daemon.session.host import Host
from domain.budget import LEAST, USED_UP
from domain.daemon_messages import UsageReport, UsedBeside
from domain.spawn_task import SpawnTask
from domain.statuses import TaskKind
from domain.usage import NOTHING, Usage
from runtime.chores import beside, one_turn, repeat

HEARTBEATS = 2
"""Between two reports."""
LAST_WITHIN = 2.0
"""Seconds for the last one: the end of the run waits for it. So long waits the first run of an account, too."""
FIRST_WITHIN = 30.0
"""Seconds for one that a budget of the day is asked about before anything begins."""
AGAIN_AFTER = 1.0
"""Seconds until it is asked again."""
SILENT_AT_MOST = 60.0
"""Seconds without an answer of the record, in which what a budget of the day bounds may still go on."""
ASKED_AGAIN = timedelta(minutes=5)
SILENT = "the record doesn't say what today's budget has left"


class LiveUsage:
    """That of one attempt. While the record can't be reached, what was last known of others counts."""

    def __init__(
        self,
        host: Host,
        command: SpawnTask,
        account: str,
        used: Callable[[], Usage],
        turns: Callable[[], int],
        silent_at_most: float = SILENT_AT_MOST,
    ) -> None:
        """`used` and `turns`: by the attempt until now."""
        self._host = host
        self._command = command
        self.account = account
        self._used = used
        self._turns = turns
        self._silent_at_most = silent_at_most
        self._beside = UsedBeside()
        """The record's latest word."""
        self._told = NOTHING
        """What the attempt had used by the report that it answers, with the estimate."""
        self._answered_at = time.monotonic()
        self._answers = 0
        self.stop: Stop | None = None
        """Why it may not go on, of the day's budgets."""

    def used_up(self, used: Usage) -> str:
        """Why the attempt is to be handed back, which has `used` so much: a budget of the day, or its directive's, with
        all that others use at the same time; empty: it may go on.
        """
        if self.day_ended():
            return self.stop.reason if self.stop else ""
        whole = self._command.limits.whole_budget
        return USED_UP if whole and whole.is_used_up(self._beside + used) else ""

    def day_ended(self) -> bool:
        """Whether a budget of the day lets it go on no more."""
        more = self._more()
        ended = next((each for each in self._beside.days if each.is_used_up(more)), None)
        if ended:
            self.stop = stop_of(ended)
        elif self._beside.days and time.monotonic() - self._answered_at > self._silent_at_most:
            self.stop = self._silence()
        return self.stop is not None

    def money_left(self) -> float:
        """USD that it may still use today; 0: nothing bounds that."""
        bounds = [each.money_left(self._more()) for each in self._beside.days if each.budget.cost_usd]
        return max(min(bounds), LEAST["cost_usd"]) if bounds else 0

    def stop_at_the_nearest(self) -> None:
        """The agent has kept the bound of the day itself, to the cent or nearly."""
        bounded = [each for each in self._beside.days if each.budget.cost_usd]
        self.stop = stop_of(min(bounded, key=lambda each: each.money_left(self._more()))) if bounded else None

    async def with_day_note(self, prompt: str) -> str:
        """What a planner is told beside its directive's own budget, which knows nothing of others."""
        if self._command.kind is not TaskKind.PLANNING:
            return prompt
        await self.ask_before()
        return day_note(prompt, self._command.limits, self._beside.days)

    async def ask_before(self) -> str:
        """Why nothing may begin now; empty: it may. The record is asked where a budget of the day is known; where none
        is, and nobody answers at once, the work goes on without.
        """
        self.stop = None
        bounded = self._host.heard_of.is_bounded(self.account)
        if bounded is False:
            return ""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN if bounded else LAST_WITHIN):
                answers = self._answers
                await one_turn(self._report)
                while self._answers == answers:
                    await asyncio.sleep(AGAIN_AFTER)
                    await one_turn(self._report)
                return self.stop.reason if self.day_ended() and self.stop else ""
        if bounded:
            self.stop = self._silence()
        return self.stop.reason if self.stop else ""

    def reporting(self) -> AbstractAsyncContextManager[None]:
        """While a program runs: every HEARTBEATS heartbeats; and what is heard of other steps is looked at. The work
        goes on without where the record is away.
        """
        looking = [self._host.radar.look_for_ever()] if self._host.radar else []
        return beside(repeat(self._report, HEARTBEATS * self._command.pulse), *looking)

    async def report_at_the_end(self) -> None:
        """Once all is known of a run: it may have been shorter than the time between two reports."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WITHIN):
                await one_turn(self._report)

    async def _report(self) -> None:
        command, used, radar = self._command, self._used(), self._host.radar
        rate = command.limits.rate
        report = UsageReport(
            owner=command.owner,
            directive=command.directive,
            task=command.task,
            attempt=command.attempt,
            usage=used,
            estimated_usd=rate.guessed(used),
            turns=self._turns(),
            account=self.account,
            saved=radar.saved if radar else None,
            clashes=radar.clashes if radar else (),
        )
        self._beside = await self._host.core.report_usage(report)
        self._told, self._answered_at = rate.with_guess(used), time.monotonic()
        self._answers += 1
        self._host.heard_of.hear(self.account, self._beside.days)
        if radar:
            radar.heard(self._beside)

    def _more(self) -> Usage:
        """Used since the report that the standings of the day are an answer to."""
        return self._command.limits.rate.with_guess(self._used()).since(self._told)

    def _silence(self) -> Stop:
        return Stop(SILENT, self._host.parking.now() + ASKED_AGAIN)
