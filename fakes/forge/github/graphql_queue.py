"""What GraphQL answers of the merge queue. The events in a pull request's timeline are not in the description at hand:
their fields and the words for their reasons are from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fakes.forge.addresses import moment
from fakes.forge.github.graphql_parts import connection
from fakes.forge.github.shapes import Json, node_id
from fakes.forge.merge_records import QUEUE_NUMBERS, QueueEntry
from fakes.forge.queue_leaving import entry_of
from fakes.forge.records import Pull, RepositoryRecord

Actor = Callable[[str], Json]
"""Somebody by login, in GraphQL's shape."""
_ADDED, _REMOVED = "ADDED_TO_MERGE_QUEUE_EVENT", "REMOVED_FROM_MERGE_QUEUE_EVENT"


def of_pull(record: RepositoryRecord, pull: Pull, shape: Json, actor: Actor) -> Json:
    """What a pull request, whose own `shape` this is a part of, has of it."""
    entry = entry_of(record, pull.number)
    return {
        "isInMergeQueue": entry is not None,
        "isMergeQueueEnabled": pull.base in record.queue_of,
        "mergeQueueEntry": _entry(record, entry, actor) | {"pullRequest": shape} if entry else None,
        "timelineItems": _timeline(pull, actor),
    }


def queue_of(record: RepositoryRecord, branch: str, page: str, actor: Actor) -> Json | None:
    """The one of a base branch."""
    if branch not in record.queue_of:
        return None
    entries = [_entry(record, each, actor) for each in record.queue if each.base == branch]
    path = f"/{record.full_name}/queue/{branch}"
    address = {"id": node_id("MergeQueue", record.id), "url": f"{page}/queue/{branch}", "resourcePath": path}
    return {**address, "entries": connection(entries), "nextEntryEstimatedTimeToMerge": None}


def _entry(record: RepositoryRecord, entry: QueueEntry, actor: Actor) -> Json:
    same = [each.number for each in record.queue if each.base == entry.base]
    return {
        "id": node_id("MergeQueueEntry", record.id * QUEUE_NUMBERS + entry.number),
        "enqueuedAt": moment(entry.at),
        "enqueuer": actor(entry.enqueuer),
        "position": same.index(entry.number) + 1,
        "state": "AWAITING_CHECKS" if entry.group else "UNMERGEABLE",
        "baseCommit": _commit(entry.onto),
        "headCommit": _commit(entry.group) if entry.group else None,
        "estimatedTimeToMerge": None,
        **dict.fromkeys(("jump", "solo"), False),
    }


def _timeline(pull: Pull, actor: Actor) -> Callable[..., Json]:
    def page(info: Any, itemTypes: Sequence[str] | None = None, **asked: Any) -> Json:  # noqa: N803
        told = [(_REMOVED if each.left else _ADDED, place) for place, each in enumerate(pull.queue_turns)]
        kept = [_event(pull, place, actor) for kind, place in told if itemTypes is None or kind in itemTypes]
        return connection(kept)(info, **asked)

    return page


def _event(pull: Pull, place: int, actor: Actor) -> Json:
    turn = pull.queue_turns[place]
    told = {
        "id": node_id("MergeQueueEvent", pull.id + QUEUE_NUMBERS + place),
        "actor": actor(turn.user),
        "createdAt": moment(turn.at),
        "enqueuer": actor(turn.entry.enqueuer),
    }
    if not turn.left:
        return {"__typename": "AddedToMergeQueueEvent", **told}
    before = _commit(turn.entry.group) if turn.entry.group else None
    return {"__typename": "RemovedFromMergeQueueEvent", **told, "reason": turn.reason, "beforeCommit": before}


def _commit(sha: str) -> Json:
    return {"__typename": "Commit", "id": sha, "oid": sha, "abbreviatedOid": sha[:7]}
