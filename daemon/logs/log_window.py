"""Which bytes of a log the record keeps, and which go there next (rule 6.11); pure.

The record keeps the first 2 and the last 6 MiB. What the last ones are is known only at the end; so that a log can be
followed all the same, what comes is sent at once, the record drops what has become neither (`ledger`), and a log that
outruns its rate is sampled at its newest end until it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.daemon_messages import LOG_BYTES, LOG_HEAD_BYTES, LOG_TAIL_BYTES

CHUNK_BYTES = 128 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes of a log, from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class ArrivedPieces:
    """What of one log has arrived: pieces in order, none touching another; those that the record drops are left out."""

    pieces: tuple[Piece, ...] = ()
    total: int = 0
    """All bytes that were ever sent, which is what a log costs on its way."""

    @property
    def reached(self) -> int:
        """The byte behind the last one that has arrived."""
        return self.pieces[-1].end if self.pieces else 0

    @property
    def slow(self) -> bool:
        """Whether this log has used up what it may send at once."""
        return self.total >= LOG_BYTES

    def plus(self, piece: Piece) -> ArrivedPieces:
        """With `piece` arrived, too."""
        reached = max(self.reached, piece.end)
        pieces = [each for each in _joined([*self.pieces, piece]) if _kept(each, reached)]
        return ArrivedPieces(tuple(pieces), self.total + piece.end - piece.start)

    def next_live(self, size: int) -> Piece | None:
        """What to send while the log of `size` bytes still grows; None: all is there."""
        start = self.reached
        if self.slow and size - start > 2 * CHUNK_BYTES:
            start = size - CHUNK_BYTES
        return _chunk(start, size)

    def next_last(self, size: int) -> Piece | None:
        """What to send of a log that is complete with `size` bytes; None: all that the record keeps is there."""
        for start, stop in ((0, min(LOG_HEAD_BYTES, size)), (max(LOG_HEAD_BYTES, size - LOG_TAIL_BYTES), size)):
            if chunk := self._first_gap(start, stop):
                return chunk
        return None

    def _first_gap(self, start: int, stop: int) -> Piece | None:
        for piece in self.pieces:
            if start < piece.start:
                return _chunk(start, min(piece.start, stop))
            start = max(start, piece.end)
        return _chunk(start, stop)


def _chunk(start: int, stop: int) -> Piece | None:
    """The beginning of these bytes, as much as is sent as one; none goes over the end of the head, where the record
    may cut.
    """
    if start >= stop:
        return None
    border = LOG_HEAD_BYTES if start < LOG_HEAD_BYTES else stop
    return Piece(start, min(start + CHUNK_BYTES, border, stop))


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    ordered = sorted(pieces, key=lambda piece: piece.start)
    last = ordered[0]
    for piece in ordered[1:]:
        if piece.start <= last.end:
            last = Piece(last.start, max(last.end, piece.end))
        else:
            yield last
            last = piece
    yield last


def _kept(piece: Piece, reached: int) -> bool:
    return piece.start < LOG_HEAD_BYTES or piece.end > reached - LOG_TAIL_BYTES
