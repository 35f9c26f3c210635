"""The parts of GraphQL's answers that need nothing but records: pages of lists, states, decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fakes.forge.addresses import moment
from fakes.forge.check_records import CheckRun, CheckStatus, CommitStatus, StatusState
from fakes.forge.github.shapes import Json, node_id
from fakes.forge.protection import Protection
from fakes.forge.records import Pull, RepositoryRecord, Review, ReviewComment, ReviewState

_DECIDING = (ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED)


def connection(items: Iterable[Json]) -> Callable[..., Json]:
    """A list as GraphQL pages it; a cursor is the number of items before it."""
    everything = list(items)

    def page(_info: Any, first: int | None = None, last: int | None = None, after: str | None = None,
             **_others: Any) -> Json:  # fmt: skip
        start = int(after) if after and after.isdecimal() else 0
        stop = len(everything) if first is None else min(start + first, len(everything))
        if last is not None:
            start = max(start, stop - last)
        return {
            "totalCount": len(everything),
            "issueCount": len(everything),
            "edges": [{"cursor": str(place), "node": everything[place - 1]} for place in range(start + 1, stop + 1)],
            "nodes": everything[start:stop],
            "pageInfo": {
                "hasNextPage": stop < len(everything),
                "hasPreviousPage": start > 0,
                "startCursor": str(start),
                "endCursor": str(stop),
            },
        }

    return page


def state_of(pull: Pull) -> str:
    return "MERGED" if pull.merged_at else pull.state.value.upper()


def is_wanted(pull: Pull, wanted: dict[str, Any]) -> bool:
    """Whether the arguments of `pullRequests` ask for it."""
    return (
        state_of(pull) in (wanted.get("states") or (state_of(pull),))
        and pull.head == (wanted.get("headRefName") or pull.head)
        and pull.base == (wanted.get("baseRefName") or pull.base)
    )


def latest_reviews(record: RepositoryRecord, pull: Pull) -> list[Review]:
    """The latest review of each person."""
    return list({each.user: each for each in record.reviews if each.pull == pull.number}.values())


def threads_of(record: RepositoryRecord, pull: Pull) -> list[ReviewComment]:
    """The first comment that is left of each conversation at a line."""
    found: dict[int, ReviewComment] = {}
    for each in record.review_comments:
        if each.pull == pull.number:
            found.setdefault(each.in_reply_to or each.id, each)
    return list(found.values())


def decision(protection: Protection) -> str | None:
    """What the people's latest words come to; who only comments takes nothing back."""
    record, pull = protection.record, protection.pull
    deciding = {
        each.user: each.state
        for each in record.reviews
        if each.pull == pull.number and (each.state in _DECIDING or each.state is ReviewState.DISMISSED)
    }
    if ReviewState.CHANGES_REQUESTED in deciding.values():
        return ReviewState.CHANGES_REQUESTED.value
    if protection.approvals_left:
        return "REVIEW_REQUIRED"
    return ReviewState.APPROVED.value if ReviewState.APPROVED in deciding.values() else None


def rolled_up(checks: tuple[CheckRun, ...], statuses: tuple[CommitStatus, ...]) -> str:
    """One state for all checks and statuses of a commit."""
    states = {each.state for each in statuses}
    if any(each.failed for each in checks) or states & {StatusState.FAILURE, StatusState.ERROR}:
        return "FAILURE"
    waiting = any(each.status is not CheckStatus.COMPLETED for each in checks) or StatusState.PENDING in states
    return "PENDING" if waiting else "SUCCESS"


def status_context(record: RepositoryRecord, status: CommitStatus) -> Json:
    return {
        "__typename": "StatusContext",
        "id": node_id("StatusContext", status.id),
        "context": status.context,
        "state": status.state.value.upper(),
        "targetUrl": status.target_url or None,
        "description": status.description,
        "createdAt": moment(status.created_at),
        "isRequired": status.context in record.required_checks,
    }


def changed_file(added: str, removed: str, path: str) -> Json:
    """A line of `git diff --numstat`; a binary file has a dash in place of numbers."""
    counts = (int(each) if each.isdecimal() else 0 for each in (added, removed))
    return {"path": path, **dict(zip(("additions", "deletions"), counts, strict=True))}
