"""How the rules change a state: a Draft gathers what they do and hands it out as one Change (design 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.events import EventName
from domain.models import State, Step, Task
from domain.pull_request import PullRequest
from domain.record import AttemptEnded, Changed, DeliveryStarted, Event, Facts, GoalRevision
from domain.value import Value

MOST_WHO = 300
MOST_WHY = 4 * 1024
"""Characters of an event's parts: what others write may be of any length, and a write is one payload (design 6)."""


class Change(Value):
    """The new state and the facts for the record, so that nothing is ever diffed."""

    state: State
    changed: Changed


class Draft:
    """A state being changed at one moment by one actor; the state that it started from stays as it was."""

    def __init__(self, state: State, now: datetime, actor: str = "makima") -> None:
        self.state = state.model_copy(update={"steps": dict(state.steps), "tasks": dict(state.tasks)})
        self.now = now
        self.actor = actor
        self._steps: set[UUID] = set()
        self._tasks: set[UUID] = set()
        self._events: list[Event] = []
        self._facts: list[Facts] = []

    def set(self, **fields: Any) -> None:
        """Change fields of the directive itself."""
        self.state = self.state.model_copy(update=fields)

    def step(self, identity: UUID, **fields: Any) -> Step:
        """Change fields of one step."""
        return self.put_step(self.state.steps[identity].model_copy(update=fields))

    def put_step(self, step: Step) -> Step:
        self.state.steps[step.id] = step
        self._steps.add(step.id)
        return step

    def task(self, identity: UUID, **fields: Any) -> Task:
        """Change fields of one task."""
        return self.put_task(self.state.tasks[identity].model_copy(update=fields))

    def put_task(self, task: Task) -> Task:
        self.state.tasks[task.id] = task
        self._tasks.add(task.id)
        return task

    def event(self, what: EventName, why: str = "", *, step: UUID | None = None, task: UUID | None = None) -> None:
        """Add a line to the event list."""
        self._events.append(
            Event(at=self.now, actor=self.actor[:MOST_WHO], what=what, why=why[:MOST_WHY], step=step, task=task)
        )

    def fact(self, fact: GoalRevision | DeliveryStarted | AttemptEnded | PullRequest) -> None:
        """Add what belongs into a list of its own."""
        match fact:
            case GoalRevision():
                facts = Facts(revisions=(fact,))
            case DeliveryStarted():
                facts = Facts(deliveries=(fact,))
            case AttemptEnded():
                facts = Facts(attempts=(fact,))
            case PullRequest():
                facts = Facts(pull_requests=(fact,))
        self._facts.append(facts)

    def change(self) -> Change:
        """All of it."""
        facts = Facts.joined([*self._facts, Facts(events=tuple(self._events))])
        changed = Changed(steps=frozenset(self._steps), tasks=frozenset(self._tasks), facts=facts)
        return Change(state=self.state, changed=changed)
