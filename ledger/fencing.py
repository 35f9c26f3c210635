"""Which write the record takes (design 3): a pure rule, decided while the directive is locked.

A directive may have had many runs: continued, reset, recovered. Whatever a dead one still sends must change nothing,
and the one that lives must never be stuck. See docs/decisions/0003-resync.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.record import ProgressWrite, Verdict, WriteAnswer


@dataclass(frozen=True)
class LastWrite:
    """The key of the last write that was applied."""

    run_id: str
    sequence: int


def answer_to(write: ProgressWrite, last: LastWrite | None) -> WriteAnswer:
    """What to do with `write`, where `last` is None for a directive that has no record yet.

    The order of the two questions matters not at all, that both are asked does: a retry says `ignored`, so that it
    costs no snapshot; everything that builds on something else than what is recorded says `resync`.
    """
    recorded = last.sequence if last else 0
    if write.sequence == recorded + 1 and (write.snapshot or last):
        return WriteAnswer(verdict=Verdict.APPLIED, sequence=write.sequence)
    if last and write.run_id == last.run_id and write.sequence <= recorded:
        # The write's own number, not the recorded one: a run that was reset can be handed a write of the run before
        # it; with the recorded number its next write would be taken for one that builds on what it never saw.
        return WriteAnswer(verdict=Verdict.IGNORED, sequence=write.sequence)
    return WriteAnswer(verdict=Verdict.RESYNC, sequence=recorded)
