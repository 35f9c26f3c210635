"""Keeps the watch on a directive's pull request, and tidies up after it (rule 7.5): beside the tasks, never one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.pull_requests import PullRequestActivities
    from domain.change import Change, Draft
    from domain.errors import AnswerBroken
    from domain.events import EventName
    from domain.models import State
    from domain.pull_request import PullRequestState, Sighting, Watch
    from domain.pull_requests import merging, shepherd, watching
    from domain.tidied import Tidied, Tidying
    from workflows.daemon_answers import answer_of
    from workflows.options import tidy_activity, watch_activity
    from workflows.patches import Patch, patched


class Shepherded(Protocol):
    """What is looked after: a run of a directive."""

    state: State

    def take(self, change: Change) -> None:
        """Make the change's state the directive's."""
        ...


class PullRequestWatch:
    """At most one watch and one tidying are under way; each is called off as soon as it is no longer wanted."""

    def __init__(self) -> None:
        self._watched: tuple[Watch, int] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._started = 0

    def follow(self, directive: Shepherded) -> None:
        """Let what is under way be what the state wants."""
        watch = _wanted(directive.state)
        wanted = (watch, directive.state.shepherding.pokes) if watch else None
        if wanted != self._watched:
            _cancel(self._watching)
            self._watched = wanted
            self._watching = self._start(self._watch, directive, watch) if watch else None
        tidying = merging.wanted_tidying(directive.state)
        if tidying and self._tidying is None:
            self._tidying = self._start(self._tidy, directive, tidying)

    def stop(self) -> None:
        """Before the run ends: the next one starts again what is wanted."""
        _cancel(self._watching)
        _cancel(self._tidying)
        self._watched, self._watching, self._tidying = None, None, None

    def _start(self, work: Callable[..., Coroutine[Any, Any, None]], *given: object) -> asyncio.Task[None]:
        """`work` gets a number of its own at the end: one that was called off may still be known to the server."""
        self._started += 1
        return asyncio.create_task(work(*given, self._started))

    async def _watch(self, directive: Shepherded, watch: Watch, number: int) -> None:
        try:
            sighting = await answer_of(
                PullRequestActivities.watch_pull_request, watch, Sighting, **watch_activity(watch, number)
            )
        except (ActivityError, AnswerBroken, asyncio.CancelledError) as error:
            if not is_cancelled_exception(error):
                directive.take(_noted(directive.state, EventName.PULL_REQUEST_NOT_WATCHED, _why(error)))
            if isinstance(error, AnswerBroken):  # another daemon, or another version of this one, may do better
                await workflow.sleep(watch.at_most, summary="look again")
                self._watched = None
                directive.take(Draft(directive.state, workflow.now()).change())
            return
        self._watched = None  # also where the same is wanted again: this watch is over
        in_parts, again = patched(Patch.FINDINGS_IN_PARTS), patched(Patch.ENDED_FINDINGS_ARE_NEWS)
        directive.take(
            shepherd.fold_sighting(directive.state, sighting, workflow.now(), in_parts=in_parts, is_news_again=again)
        )

    async def _tidy(self, directive: Shepherded, tidying: Tidying, number: int) -> None:
        tidied: Tidied | None = None
        why = ""
        try:
            tidied = await answer_of(
                PullRequestActivities.tidy_pull_request, tidying, Tidied, **tidy_activity(tidying, number)
            )
        except (ActivityError, AnswerBroken, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                return
            why = _why(error)
        self._tidying = None
        draft = Draft(directive.state, workflow.now())
        merging.fold_tidied(draft, tidying, tidied, why)
        directive.take(draft.change())


def heeds_queue(state: State) -> bool:
    """Whether nothing is pushed to what waits in a merge queue; a run that has done so before goes on as it was."""
    return not watching.waits_in_queue(state) or patched(Patch.QUEUE_HEEDED)


def _wanted(state: State) -> Watch | None:
    """What is to be watched; a run that has met a closed pull request before these were watched goes on without, and
    one that has begun before a daemon was told that all is done never tells it.
    """
    watch = watching.wanted_watch(state)
    if watch is not None and watch.complete and not patched(Patch.WATCHED_AS_COMPLETE):
        watch = watch.model_copy(update={"complete": False})
    is_closed = watch is not None and watch.pull_request.state is PullRequestState.CLOSED
    return None if is_closed and not patched(Patch.CLOSED_IS_WATCHED) else watch


def _why(error: BaseException) -> str:
    return str(error if isinstance(error, AnswerBroken) else error.__cause__ or error)


def _noted(state: State, what: EventName, why: str) -> Change:
    draft = Draft(state, workflow.now())
    draft.event(what, why[:500])
    return draft.change()


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
