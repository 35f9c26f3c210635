"""What a run does otherwise than one that an older version has begun (docs/workflow-changes.md)."""

from __future__ import annotations

from enum import StrEnum

from temporalio import workflow


class Patch(StrEnum):
    """A change that histories of before it do not replay with; the words are in the histories of its time."""

    WRITES_RIDE_ALONG = "writes ride along"
    WRITES_WITHIN_TASKS = "writes within workflow tasks"
    ENDS_FROM_RECORD = "the record is asked for ends"
    OUTCOMES_CHECKED = "outcomes are checked"
    AGENTS_NAME_NO_PULL_REQUEST = "agents name no pull request"
    LATE_OUTCOMES_COUNTED = "late outcomes are counted"
    PLANNERS_TOLD_COSTS = "planners are told what steps cost"
    UNKNOWN_COSTS_COUNT = "unknown costs count by earlier steps"
    CALLED_BACK_AND_LOST = "called back and lost"
    FINDINGS_IN_PARTS = "findings in parts"
    ENDED_FINDINGS_ARE_NEWS = "ended findings are news again"
    QUEUE_HEEDED = "the merge queue is heeded"
    WATCHED_AS_COMPLETE = "watched as complete"
    CLOSED_IS_WATCHED = "closed is watched"


BUNDLE = "patches until 2026-11-29"
"""One marker for all of them: each by itself is two events of a run's history, and a write of Temporal's visibility."""
LATER: frozenset[Patch] = frozenset()
"""Those that are not in the bundle, since runs have been begun by it without them."""


def patched(patch: Patch) -> bool:
    """Whether the run does what is new; a run from before the bundle has a marker for each that it came to.

    First asked as a run begins (Recorder.start): a run from before, asked later, would take the whole bundle on midway.
    """
    return (patch not in LATER and workflow.patched(BUNDLE)) or workflow.patched(patch)
