"""Whose turn a task is, where more than one agent may do it (rule 5.9)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.tolerant import Tolerant
from domain.usage import Usage


class Away(StrEnum):
    """Why an agent does not do a task."""

    PARKED = "parked"
    """Its account's limit is reached, its model has no room or does not answer (rule 5.6)."""
    REFUSED = "refused"
    """Its login or key is not accepted."""
    NOT_SERVED = "not served"
    """The daemon does not have it, or can't start it."""
    FAILED = "failed"
    """It has failed by itself, at its last attempt."""


class PassedOver(Tolerant):
    """An agent in whose place another one goes on."""

    away: Away
    why: str
    until: datetime | None = None
    """When it may have its turn again; None: not by itself."""


class HandedOver(Tolerant):
    """What the next agent is told of the one before."""

    agent: str
    reason: str
    attempt: Annotated[int, Field(ge=1)]
    """The one that holds its work."""


class TaskAgents(Tolerant):
    """The turns of a task's agents so far; their list is the directive's or the step's, and may be edited any time."""

    name: str = ""
    """Whose turn it is, or who had the last one; empty: the first of the list."""
    first_attempt: int = 1
    """Of its turn: each agent has `max_attempts` of its own."""
    away_since: datetime | None = None
    away_until: datetime | None = None
    """It is waited for; None: it is not."""
    passed_over: dict[str, PassedOver] = {}
    refused_by: dict[str, Away] = {}
    """Daemon → why, of those of Task.refusals that are about the agent."""
    before: HandedOver | None = None
    used: dict[str, Usage] = {}
    """Agent → what it has used in attempts that have ended."""
    used_in_attempt: dict[str, Usage] = {}
    """The same of the attempt that has not."""

    def with_used(self, so_far: Usage) -> TaskAgents:
        """With what the present agent has used since the last time: `so_far` is all that the attempt has used."""
        if not self.name:
            return self  # the task needs no agent
        known = self.so_far
        new = so_far.since(known)
        # That some of it is unknown may be the word of an agent before it.
        is_unknown = so_far.cost_unknown and (not known.cost_unknown or not new.cost_usd or bool(new.untold_tokens))
        new = new.model_copy(update={"cost_unknown": is_unknown or bool(new.untold_seconds)})
        mine = self.used_in_attempt.get(self.name, Usage()) + new
        return self.model_copy(update={"used_in_attempt": {**self.used_in_attempt, self.name: mine}})

    @property
    def so_far(self) -> Usage:
        """What all of them have used in the attempt."""
        return sum(self.used_in_attempt.values(), Usage())

    @property
    def by_agent(self) -> dict[str, Usage]:
        """What each has used in all attempts."""
        return self.ended().used

    def asked_again(self) -> TaskAgents:
        """Once a person has repaired a login."""
        left = {name: each for name, each in self.passed_over.items() if each.away is not Away.REFUSED}
        return self.model_copy(update={"name": "", "passed_over": left}) if left != self.passed_over else self

    def ended(self) -> TaskAgents:
        """Once the attempt has ended: what it used is added to what was used before."""
        used = {name: self.used.get(name, Usage()) + more for name, more in self.used_in_attempt.items()}
        return self.model_copy(update={"used": {**self.used, **used}, "used_in_attempt": {}})

    def anew(self) -> TaskAgents:
        """From the first agent on, as after an operator's retry."""
        return TaskAgents(used=self.ended().used)

    def in_short(self) -> TaskAgents:
        """All that is needed of a task which is done."""
        return TaskAgents(name=self.name, used=self.used)
