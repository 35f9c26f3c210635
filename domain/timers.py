"""What a directive waits for until a time, from its state alone: `status` shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.models import Question, State, Task
from domain.names import short
from domain.pull_requests.watching import wanted_watch
from domain.questions import open_questions
from domain.statuses import DirectiveStatus, TaskStatus
from domain.usage import duration
from domain.value import Value


class TimerView(Value):
    """Something that happens by itself."""

    at: datetime | None
    """None: again and again, as `what` says."""
    what: str
    why: str = ""
    """What keeps it from happening now."""


def timers(state: State) -> tuple[TimerView, ...]:
    """The next one first. While the directive is paused, or has ended, no task goes on by itself."""
    found = [_answer(question) for question in open_questions(state) if question.deadline]
    if state.status is not DirectiveStatus.PAUSED and not state.status.is_final:
        found += [timer for task in state.live() for timer in _of_task(task)]
    return in_order((*found, *_looks(state)))


def in_order(found: Iterable[TimerView]) -> tuple[TimerView, ...]:
    """The next one first; last what has no time."""
    return tuple(sorted(found, key=lambda each: (each.at is None, each.at or datetime.max, each.what)))


def _answer(question: Question) -> TimerView:
    what = f"question {short(question.id)} is answered with {question.default!r}"
    return TimerView(at=question.deadline, what=what, why="nobody has answered it")


def _of_task(task: Task) -> list[TimerView]:
    if task.status is TaskStatus.WAITING and task.wait_until:
        return [TimerView(at=task.wait_until, what=f"{task.name} goes on", why=task.reason)]
    if task.status not in (TaskStatus.PENDING, TaskStatus.STARTING):
        return []
    return [
        TimerView(at=until, what=f"{daemon} is asked again for {task.name}", why=task.refusals.get(daemon, ""))
        for daemon, until in task.refused_until.items()
    ]


def _looks(state: State) -> tuple[TimerView, ...]:
    watch = wanted_watch(state)
    if watch is None or watch.pull_request.state.is_over:
        return ()
    first, longest = (duration(each.total_seconds()) for each in (watch.every, watch.at_most))
    return (TimerView(at=None, what=f"the pull request is looked at every {first}, later on every {longest}"),)
