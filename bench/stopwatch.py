"""When work began and ended on the daemon's side, and the hops between: one clock, one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles
from time import perf_counter


@dataclass(frozen=True)
class Hops:
    """The seconds between one piece of work's end and the next one's begin."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def p95(self) -> float:
        return quantiles(self.seconds, n=20)[-1]


def together(rounds: Sequence[Hops]) -> Hops:
    """All rounds' hops as one sample."""
    return Hops(tuple(hop for each in rounds for hop in each.seconds))


class Stopwatch:
    """Times a chain: pieces of work that never overlap."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []

    @contextmanager
    def work(self) -> Iterator[None]:
        """Around each piece of work."""
        begin = perf_counter()
        try:
            yield
        finally:
            self._spans.append((begin, perf_counter()))

    def take(self) -> Hops:
        """The hops of the chain that has ended; the next chain begins anew."""
        spans, self._spans = self._spans, []
        return Hops(tuple(begin - end for (_, end), (begin, _) in pairwise(spans)))
