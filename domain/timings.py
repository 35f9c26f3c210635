"""Every interval of a directive, and how long its tasks may take (design 12)."""

from __future__ import annotations

from datetime import timedelta

from domain.value import Value


class Timings(Value):
    """A part of a directive's settings, so that a test can shorten them without a patch."""

    heartbeat: timedelta = timedelta(seconds=60)
    """A daemon that is silent for this long is lost."""
    pulse: timedelta = timedelta(seconds=5)
    """How often the daemon beats; with the throttle it bounds how late a cancel arrives."""
    settle: timedelta = timedelta(seconds=1)
    """Work that has lived for this long is reported as started (rule 4.4)."""
    redelivery: timedelta = timedelta(seconds=5)
    """The first wait before an attempt is delivered again after its daemon was lost."""
    cannot_serve: timedelta = timedelta(minutes=5)
    """How long a task waits after every daemon refused it (rule 5.4)."""
    planning_limit: timedelta = timedelta(hours=1)
    step_limit: timedelta = timedelta(hours=4)
    completion_limit: timedelta = timedelta(hours=1)
    no_output: timedelta = timedelta(minutes=15)
    schedule_to_start: timedelta = timedelta(seconds=60)
    """How long a chosen daemon may take to take up a task (design 10)."""
    checkpoint: timedelta = timedelta(minutes=2)
    """At most this much unfinished work is repeated (rule 6.7)."""
    poll: timedelta = timedelta(seconds=60)
    """Between the first looks at a pull request (rule 7.5)."""
    poll_at_most: timedelta = timedelta(minutes=15)
    """What that grows to while nothing happens."""

    @classmethod
    def fast(cls) -> Timings:
        """For tests and the demo: the same behaviour, in seconds."""
        return cls(
            heartbeat=timedelta(seconds=5),
            pulse=timedelta(seconds=1),
            settle=timedelta(milliseconds=200),
            redelivery=timedelta(milliseconds=200),
            cannot_serve=timedelta(seconds=3),
            schedule_to_start=timedelta(seconds=5),
            checkpoint=timedelta(seconds=1),
            poll=timedelta(seconds=1),
            poll_at_most=timedelta(seconds=3),
        )
