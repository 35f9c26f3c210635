"""What Prometheus sees of directives, beside Temporal's own metrics of the SDK: counted where the record is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from temporalio.common import MetricMeter

from domain.events import EventName
from domain.record import AttemptEnded, Facts
from domain.reports import Census

LOOK_EVERY = timedelta(seconds=15)
_STEP_ENDS: dict[str, str] = {
    EventName.STEP_COMPLETED: "completed",
    EventName.STEP_FAILED: "failed",
    EventName.STEP_SKIPPED: "skipped",
}


class Counts(Protocol):
    async def census(self) -> Census:
        """How many directives and daemons there are now."""
        ...


def count_facts(meter: MetricMeter, facts: Facts) -> None:
    """Count what has been recorded for the first time."""
    steps = meter.create_counter("makima_steps_ended", "Steps that came to an end, by how")
    for event in facts.events:
        if event.what in _STEP_ENDS:
            steps.add(1, {"outcome": _STEP_ENDS[event.what]})
    if facts.deliveries:
        meter.create_counter("makima_deliveries", "Starts of attempts on daemons").add(len(facts.deliveries))
    for ended in facts.attempts:
        _count_attempt(meter, ended)


def _count_attempt(meter: MetricMeter, ended: AttemptEnded) -> None:
    outcome = ended.outcome
    category = outcome.failure.category.value if outcome.failure else ""
    how = {"outcome": outcome.status.value, "category": category}
    meter.create_counter("makima_attempts_ended", "Attempts that came to an end, by how").add(1, how)
    seconds = meter.create_histogram_float("makima_attempt_seconds", "How long attempts took on their daemon", "s")
    seconds.record(outcome.usage.seconds, how)
    if outcome.usage.cost_unknown:
        unknown = meter.create_counter("makima_attempts_cost_unknown", "Attempts of which nobody knows all of the cost")
        unknown.add(1, how)
        return
    cost = meter.create_histogram_float("makima_attempt_cost_usd", "What attempts cost, as their agents say")
    cost.record(outcome.usage.cost_usd, how)


async def publish_census(meter: MetricMeter, counts: Counts) -> None:
    """Set the gauges to what the record holds now. NotReachable, RecordError."""
    census = await counts.census()
    directives = meter.create_gauge("makima_directives", "Directives, by status")
    for count in census.directives:
        directives.set(count.number, {"owner": count.owner, "status": count.status.value})
    for owned in census.daemons:
        owner = {"owner": owned.owner}
        meter.create_gauge("makima_daemons", "Daemons that have reported lately").set(owned.daemons, owner)
        meter.create_gauge("makima_daemon_slots", "Tasks that they can run at once").set(owned.slots, owner)
        meter.create_gauge("makima_daemon_tasks", "Tasks that they run").set(owned.running, owner)
