"""What an attempt uses while its agent runs, told to the record; and what its directive does beside it (rules 2.10,
6.14).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from daemon.session.host import Host
from domain.budget import USED_UP
from domain.daemon_messages import UsageReport, UsedBeside
from domain.spawn_task import SpawnTask
from domain.usage import Usage
from runtime.chores import beside, one_turn, repeat

PULSES = 2
"""Between two reports."""
LAST_WITHIN = 2.0
"""Seconds for the last one: the end of the run waits for it."""


class LiveUsage:
    """That of one attempt. While the record can't be reached, what was last known of others counts."""

    def __init__(self, host: Host, command: SpawnTask, used: Callable[[], Usage], turns: Callable[[], int]) -> None:
        """`used` and `turns`: by the attempt until now."""
        self._core, self._radar = host.core, host.radar
        self._command = command
        self._used = used
        self._turns = turns
        self._beside = UsedBeside()

    def used_up(self, used: Usage) -> str:
        """Why the attempt is to be handed back, which has `used` so much: its directive's budget, with all that others
        use at the same time; empty: it may go on.
        """
        whole = self._command.limits.whole_budget
        return USED_UP if whole and whole.is_used_up(self._beside + used) else ""

    def telling(self) -> AbstractAsyncContextManager[None]:
        """While a program runs: every PULSES pulses; and what is heard of other steps is looked at. The work goes on
        without where the record is away.
        """
        looking = [self._radar.look_for_ever()] if self._radar else []
        return beside(repeat(self._tell, PULSES * self._command.pulse), *looking)

    async def tell_at_the_end(self) -> None:
        """Once all is known of a run: it may have been shorter than the time between two reports."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WITHIN):
                await one_turn(self._tell)

    async def _tell(self) -> None:
        command, used = self._command, self._used()
        report = UsageReport(
            directive=command.directive,
            task=command.task,
            attempt=command.attempt,
            usage=used,
            estimated_usd=command.limits.rate.guessed(used),
            turns=self._turns(),
            saved=self._radar.saved if self._radar else None,
            clashes=self._radar.clashes if self._radar else (),
        )
        self._beside = await self._core.report_usage(report)
        if self._radar:
            self._radar.heard(self._beside)
