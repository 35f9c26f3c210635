"""Merging once nothing is missing any more, the same in each dialect's words."""

from __future__ import annotations

from fakes.forge.api_errors import Answered
from fakes.forge.merge_queue import enter
from fakes.forge.merge_records import AutoMerge, MergeTurn, Turned
from fakes.forge.merges import Mergeabilities, MergeableState, MergeWanted, Method, merge
from fakes.forge.queue_leaving import entry_of
from fakes.forge.records import Pull, now
from fakes.forge.store import Repository


async def turn_on(repository: Repository, number: int, wanted: AutoMerge, head: str | None) -> Pull:
    """Answered with 422 where it is turned on already, or is to hold for another head than there is."""
    async with repository.changing():
        pull = repository.record.pull(number)
        assert pull is not None
        if head is not None and head != pull.head_sha:
            raise Answered(422, "Head sha didn't match expected value")
        if pull.auto_merge:
            raise Answered(422, "Auto merge is enabled already")
        return _turned(repository, pull, wanted.user, Turned.ON, wanted)


async def turn_off(repository: Repository, number: int, user: str) -> Pull:
    async with repository.changing():
        pull = repository.record.pull(number)
        assert pull is not None
        return _turned(repository, pull, user, Turned.OFF, None)


async def merge_what_is_ready(repository: Repository, mergeabilities: Mergeabilities) -> None:
    """Of those that are to be merged by themselves, each of which nothing is missing any more."""
    for pull in repository.record.pulls:
        if not (pull.is_open and pull.auto_merge):
            continue
        state = (await mergeabilities.of(repository, pull)).state
        ready = (MergeableState.CLEAN,) if pull.auto_merge.ends_with_push else _NOTHING_REQUIRED_IS_MISSING
        if state in ready and pull.base in repository.record.queue_of:
            if not entry_of(repository.record, pull.number):
                await enter(repository, pull.number, pull.auto_merge.user)
        elif state in ready:
            wanted = MergeWanted(Method(pull.auto_merge.method), pull.head_sha)
            await merge(repository, pull.number, wanted, pull.auto_merge.user)


_NOTHING_REQUIRED_IS_MISSING = (MergeableState.CLEAN, MergeableState.UNSTABLE)


def _turned(repository: Repository, pull: Pull, user: str, what: Turned, now_wanted: AutoMerge | None) -> Pull:
    turn = MergeTurn(user=user, what=what, method=now_wanted.method if now_wanted else "", at=now())
    changed = pull.model_copy(update={"auto_merge": now_wanted, "turns": (*pull.turns, turn), "updated_at": now()})
    repository.record = repository.record.with_pull(changed)
    return changed
