"""GitHub's merge queue: what waits in it, what its branches hold, and how one leaves it.

A base branch that has one takes nothing but what went through it. Checks run on the commit that the base branch would
be at, for which there is a branch while the pull request waits; a test says how they end. From memory, but for what
GraphQL tells of it.
"""

from __future__ import annotations

from fakes.forge.api_errors import Answered
from fakes.forge.bare_git import GitFailed
from fakes.forge.closing import with_merged
from fakes.forge.merge_records import QueueEntry, QueueReason, QueueTurn
from fakes.forge.merges import MergeWanted, Method, merging_commit
from fakes.forge.pulls import merged
from fakes.forge.queue_leaving import QUEUE_LOGIN, entry_of, with_turn, without_entry
from fakes.forge.records import Pull, now
from fakes.forge.store import Repository


async def enter(repository: Repository, number: int, user: str, head: str | None = None) -> Pull:
    """Put it at the queue's end; Answered with 422 for what GitHub refuses. Whether all is there that the base branch
    requires, the caller has seen.
    """
    async with repository.changing():
        pull = repository.record.pull(number)
        assert pull is not None
        if head is not None and head != pull.head_sha:
            raise Answered(422, "Head sha didn't match expected value")
        if not pull.is_open or pull.draft or pull.base not in repository.record.queue_of:
            raise Answered(422, "Pull request is not in the correct state to be enqueued")
        if entry_of(repository.record, number):
            raise Answered(422, "Pull request is already in the queue")
        entry = QueueEntry(
            number=number, head=pull.head_sha, base=pull.base, enqueuer=user, at=now(), onto="", group=""
        )  # fmt: skip
        record = repository.record
        repository.record = record.with_changes(queue=(*record.queue, entry))
        await _rebuild(repository, pull.base)
        entered = entry_of(repository.record, number)
        assert entered is not None
        turn = QueueTurn(entry=entered, user=user, at=entered.at)
        # That it is to be merged by itself has come to its end: it stands in the queue instead.
        changed = with_turn(pull, turn).model_copy(update={"auto_merge": None})
        repository.record = repository.record.with_pull(changed)
        return changed


async def leave(repository: Repository, number: int, user: str, reason: QueueReason) -> None:
    """Take it out, unmerged; Answered with 422 where it isn't in the queue."""
    async with repository.changing():
        entry = _entry(repository, number)
        repository.record = without_entry(repository.record, entry, user, reason)
        await repository.git.delete(f"refs/heads/{entry.branch}")
        await _rebuild(repository, entry.base)


async def merge_first(repository: Repository, number: int) -> None:
    """The queue merges it; Answered with 422 where it isn't the first, or is in conflict."""
    async with repository.changing():
        await _rebuild(repository, _entry(repository, number).base)
        entry = _entry(repository, number)
        pull, tip = repository.record.pull(number), (await repository.git.branches()).get(entry.base)
        assert pull is not None
        if entry.onto != tip or not entry.group:
            raise Answered(422, "Pull request is not the first in the queue, or in conflict")
        try:
            await repository.git.move(f"refs/heads/{entry.base}", entry.group, entry.onto)
        except GitFailed as error:
            raise Answered(422, "Base branch was modified.") from error
        done = merged(pull, entry.group, QUEUE_LOGIN).model_copy(update={"merged_as": repository.record.queue_method})
        repository.record = without_entry(
            with_merged(repository.record, done), entry, QUEUE_LOGIN, QueueReason.MERGED
        )  # fmt: skip
        await repository.git.delete(f"refs/heads/{entry.branch}")


def _entry(repository: Repository, number: int) -> QueueEntry:
    entry = entry_of(repository.record, number)
    if entry is None:
        raise Answered(422, "Pull request is not in the queue")
    return entry


async def _rebuild(repository: Repository, base: str) -> None:
    """Each onto what the one before makes of the base branch, as that is now."""
    tip, rebuilt = (await repository.git.branches())[base], list[QueueEntry]()
    for entry in repository.record.queue:
        if entry.base != base:
            rebuilt.append(entry)
            continue
        is_current = entry.onto == tip and entry.group
        rebuilt.append(entry if is_current else await _onto(repository, entry, tip))
        tip = rebuilt[-1].group or tip
    repository.record = repository.record.with_changes(queue=tuple(rebuilt))


async def _onto(repository: Repository, entry: QueueEntry, tip: str) -> QueueEntry:
    pull = repository.record.pull(entry.number)
    assert pull is not None
    there = pull.model_copy(update={"base_sha": tip, "head_sha": entry.head})
    if entry.onto:
        await repository.git.delete(f"refs/heads/{entry.branch}")
    try:
        wanted = MergeWanted(Method(repository.record.queue_method))
        group = await merging_commit(repository, there, wanted, QUEUE_LOGIN)
    except Answered:
        group = ""
    built = entry.model_copy(update={"onto": tip, "group": group})
    await repository.git.run("update-ref", f"refs/heads/{built.branch}", group or tip)
    return built
