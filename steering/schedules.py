"""Schedules (rule 2.16): directives that come back, on Temporal's own schedules; docs/schedules.md."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from temporalio import client as temporal
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from activities.lost_workflows import described
from domain import names
from domain.errors import NotReachable, Refused
from domain.repository_url import masked
from domain.schedules import CAUGHT_UP, Overlap, Scheduled, directive_of, schedule_id, scheduled_of, schedules_of
from steering.client import Client
from steering.directives import Directives
from steering.new_directive import StartOptions
from steering.opening_options import TYPED_FOR_EACH
from steering.recorded import until_true
from steering.shapes import FiringShown, ScheduleShown, SchedulesShown, TriggeredShown
from workflows.launching import static_details, static_summary
from workflows.scheduled_start import ScheduledStartWorkflow

TAKEN_WITHIN = timedelta(seconds=10)
"""Temporal lists a new schedule, and carries out a trigger, a moment later."""
OF_ONE_DIRECTIVE = ("issue", "yes", "closes", TYPED_FOR_EACH)
"""Options of `start` that hold once: a schedule starts many."""


class Schedules:
    """An owner's. Each method raises Refused, in one line, and NotReachable; then nothing was changed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._owner = client.connections.owner

    async def add(
        self,
        name: str,
        crons: Sequence[str],
        options: StartOptions,
        *,
        time_zone: str = "",
        overlap: Overlap = Overlap.SKIP,
        catchup_window: timedelta = CAUGHT_UP,
        typed: frozenset[str] = frozenset(),
    ) -> ScheduleShown:
        """Start a directive of these options at each of these times. All is read now, the options of the directive
        that it is like and the repository's own as well: what changes there later changes nothing here. `typed`: what
        was said, also where it is what counts anyway.
        """
        schedule_id(self._owner, name)
        if given := [each for each in OF_ONE_DIRECTIVE if getattr(options, each)]:
            option = given[0].replace("_", "-")
            raise Refused(
                f"--{option} is for one directive, and a schedule starts many: say by --goal what is wanted, "
                "and in .makima.toml what is merged by itself"
            )
        prepared = await self._client.prepared(await self._client.filled(options, typed), begin=True)
        scheduled_of(name, prepared.draft, tuple(crons), time_zone)
        async with self._client.directives() as directives:
            state, _ = await self._client.looked_at(directives, prepared, begin=True)
            scheduled = scheduled_of(name, state, tuple(crons), time_zone)
            told = await _created(directives.client, scheduled, overlap, catchup_window)
            return await _shown(directives, scheduled, told)

    async def list(self, name: str | None = None) -> SchedulesShown:
        """All of them by their names, or the one of a name."""
        async with self._client.directives() as directives:
            told = await self._described(directives.client, name)
            shown: builtins.list[ScheduleShown] = []
            unreadable: builtins.list[str] = []
            for each in told:
                scheduled = await _scheduled(each)
                if scheduled is None or scheduled.directive.owner != self._owner:
                    unreadable.append(each.id.removeprefix(schedules_of(self._owner)))
                else:
                    shown.append(await _shown(directives, scheduled, each))
        return SchedulesShown(schedules=tuple(shown), unreadable=tuple(unreadable))

    async def pause(self, name: str, note: str = "") -> None:
        """Let it fire no more until it is resumed, but by `trigger`. What it has started goes on."""
        handle = await self._handle(name)
        with _asking(name):
            await handle.pause(note=note or "paused by hand")

    async def resume(self, name: str) -> None:
        """Temporal's `unpause`: what was due meanwhile is not made up for."""
        handle = await self._handle(name)
        with _asking(name):
            await handle.unpause(note="resumed by hand")

    async def trigger(self, name: str) -> TriggeredShown:
        """Let it fire now, also while it is paused; its overlap policy holds."""
        handle = await self._handle(name)
        with _asking(name):
            before = await handle.describe()
            scheduled = await _scheduled(before)
            if scheduled is None:
                raise Refused(f"schedule {name} holds what is none of ours: remove it, and add it anew")
            await handle.trigger()
            now = before

            async def taken() -> bool:
                nonlocal now
                now = await handle.describe()
                return _counts(now) != _counts(before)

            await until_true(taken, TAKEN_WITHIN)
        if now.info.num_actions > before.info.num_actions and (workflow := _latest(now)):
            directive = directive_of(scheduled.directive.id, workflow)
            return TriggeredShown(name=name, outcome="fired", directive=directive)
        is_skipped = now.info.num_actions_skipped_overlap > before.info.num_actions_skipped_overlap
        return TriggeredShown(name=name, outcome="skipped" if is_skipped else "waits", directive=None)

    async def remove(self, name: str) -> None:
        """What it has started goes on."""
        handle = await self._handle(name)
        with _asking(name):
            await handle.delete()

    async def _handle(self, name: str) -> temporal.ScheduleHandle:
        identity = schedule_id(self._owner, name)
        return (await self._client.connections.temporal()).get_schedule_handle(identity)

    async def _described(self, client: temporal.Client, name: str | None) -> Sequence[temporal.ScheduleDescription]:
        prefix = schedules_of(self._owner)
        if name is not None:
            with _asking(name):
                return [await client.get_schedule_handle(schedule_id(self._owner, name)).describe()]
        with _asking("any"):
            found = await client.list_schedules(f"ScheduleId STARTS_WITH '{prefix}'")
            known = sorted([each.id async for each in found if each.id.startswith(prefix)])
            told = [await _described_if_there(client, each) for each in known]
        return [each for each in told if each is not None]


async def _described_if_there(client: temporal.Client, identity: str) -> temporal.ScheduleDescription | None:
    """None: it was removed a moment ago, and the list lags behind."""
    try:
        return await client.get_schedule_handle(identity).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _created(
    client: temporal.Client, scheduled: Scheduled, overlap: Overlap, catchup_window: timedelta
) -> temporal.ScheduleDescription:
    owner, name = scheduled.directive.owner, scheduled.name
    identity = schedule_id(owner, name)
    action = temporal.ScheduleActionStartWorkflow(
        ScheduledStartWorkflow.run,
        scheduled,
        id=identity,
        task_queue=names.DIRECTIVES_QUEUE,
        static_summary=static_summary(scheduled.directive),
        static_details=static_details(scheduled.directive),
    )
    spec = temporal.ScheduleSpec(cron_expressions=scheduled.crons, time_zone_name=scheduled.time_zone or None)
    policy = temporal.SchedulePolicy(
        overlap=temporal.ScheduleOverlapPolicy[overlap.name], catchup_window=catchup_window
    )
    with _asking(name):
        try:
            handle = await client.create_schedule(identity, temporal.Schedule(action=action, spec=spec, policy=policy))
        except temporal.ScheduleAlreadyRunningError as error:
            raise Refused(
                f"there is a schedule {name}: `schedule list` shows it; to change it, `schedule remove {name}` first"
            ) from error
        told = await handle.describe()
        if not told.info.next_action_times:
            await handle.delete()
            raise Refused(f"--cron {', '.join(map(repr, scheduled.crons))} names no time that ever comes")

        async def listed() -> bool:
            found = await client.list_schedules(f"ScheduleId STARTS_WITH '{identity}'")
            return identity in [each.id async for each in found]

        await until_true(listed, TAKEN_WITHIN)
    return told


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """What Temporal refuses, as what it means for the schedule of this name."""
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            why = error.message.removeprefix("Invalid schedule spec: ")
            raise Refused(
                f"Temporal takes no such schedule: {why}. --cron takes minute, hour, day, month and weekday, such as "
                '"0 3 * * 1"; --time-zone a name such as Europe/Berlin'
            ) from error
        if error.status is RPCStatusCode.NOT_FOUND and not error.message.startswith("Namespace"):
            raise Refused(f"there is no schedule {name}: `schedule list` shows yours") from error
        raise NotReachable(f"Temporal did not take the request: {error.message}") from error


def _counts(told: temporal.ScheduleDescription) -> tuple[int, int, int]:
    info = told.info
    return info.num_actions, info.num_actions_skipped_overlap, told.raw_description.info.buffer_size


def _latest(told: temporal.ScheduleDescription) -> str:
    """The id of the workflow that it has started last; empty: none."""
    actions = [each.action for each in told.info.recent_actions]
    ids = [each.workflow_id for each in actions if isinstance(each, temporal.ScheduleActionExecutionStartWorkflow)]
    return ids[-1] if ids else ""


async def _scheduled(told: temporal.ScheduleDescription) -> Scheduled | None:
    """What it starts; None: nothing of ours."""
    action = told.schedule.action
    if not isinstance(action, temporal.ScheduleActionStartWorkflow):
        return None
    try:
        (given,) = await told.data_converter.decode(action.args, [Scheduled])
    except (LookupError, RuntimeError, ValueError):  # pydantic's is a ValueError
        return None
    return given if isinstance(given, Scheduled) else None


async def _shown(directives: Directives, scheduled: Scheduled, told: temporal.ScheduleDescription) -> ScheduleShown:
    policy, state, info = told.schedule.policy, told.schedule.state, told.info
    return ScheduleShown(
        name=scheduled.name,
        title=scheduled.directive.text.title,
        repository=masked(scheduled.directive.repository),
        crons=scheduled.crons,
        time_zone=scheduled.time_zone or "UTC",
        overlap=policy.overlap.name.lower(),
        catchup_window=policy.catchup_window or timedelta(),
        paused=state.paused,
        note=(state.note or "") if state.paused else "",
        next=next(iter(info.next_action_times), None),
        fired=info.num_actions,
        skipped=info.num_actions_skipped_overlap,
        missed=info.num_actions_missed_catchup_window,
        running=len(info.running_actions),
        last=await _last(directives, scheduled.directive.id, told),
    )


async def _last(directives: Directives, schedule: UUID, told: temporal.ScheduleDescription) -> FiringShown | None:
    workflow = _latest(told)
    if not workflow:
        return None
    directive = directive_of(schedule, workflow)
    known = await directives.record.directive(directives.owner, directive)
    firing, failure = await _standing(directives.client, workflow)
    return FiringShown(
        scheduled_at=told.info.recent_actions[-1].scheduled_at,
        workflow_id=workflow,
        firing=firing,
        failure=failure,
        directive=directive,
        status=known.status if known else None,
        lost=known.lost if known else "",
    )


async def _standing(client: temporal.Client, workflow: str) -> tuple[str, str]:
    """How a firing's workflow stands, and why it has failed where it has."""
    try:
        told = await described(client, workflow)
        if told is None or told.status is None:
            return "", ""
        if told.status is not temporal.WorkflowExecutionStatus.FAILED:
            return told.status.name.lower().replace("_", " "), ""
        try:
            await client.get_workflow_handle(workflow, run_id=told.run_id).result()
        except temporal.WorkflowFailureError as error:
            return "failed", _why(error.cause)
    except RPCError as error:
        raise NotReachable(f"Temporal did not say how {workflow} is: {error.message}") from error
    return "failed", ""


def _why(cause: BaseException) -> str:
    """The innermost reason that was told."""
    while isinstance(cause, FailureError) and not isinstance(cause, ApplicationError) and cause.cause:
        cause = cause.cause
    return cause.message if isinstance(cause, FailureError) else str(cause)
