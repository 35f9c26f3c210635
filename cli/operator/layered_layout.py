"""Where the boxes of an acyclic graph stand: in rows, dependencies above, few lines crossing (Sugiyama's method).

1. A node's row is one below the lowest of those that it depends on; one that depends on nothing is directly above its
   first dependent.
2. An edge across several rows gets a joint, a node without width, in each row that it passes.
3. Rows are ordered by the mean place of their neighbours, downwards and upwards in turn; the order with the fewest
   crossings is kept.
4. In each row the centers have the least squared distance to the means of their neighbours that the widths allow.

Lengths have the unit of the widths. The result depends on the arguments alone.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

_SWEEPS = 12

Edge = tuple[int, int]
"""Dependency and dependent, as places in the sequence of nodes."""
_Rows = list[list[int]]
_Neighbours = Mapping[int, Sequence[int]]


@dataclass(frozen=True)
class Layout:
    """The row (from 0, the uppermost) and the center of each node, the leftmost edge being at 0."""

    rows: Sequence[int]
    centers: Sequence[float]
    paths: Sequence[Sequence[tuple[int, float]]]
    """For each edge the row and center of its dependency, its joints and its dependent."""


def layered(widths: Sequence[float], edges: Sequence[Edge], gap: float) -> Layout:
    """Place the nodes, at least `gap` apart; each edge's dependency comes before its dependent in the sequence."""
    row_of = _row_of(len(widths), edges)
    paths = [_with_joints(edge, row_of) for edge in edges]
    wide = [*widths, *(0.0 for _ in row_of[len(widths) :])]
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for path in paths:
        for upper, lower in pairwise(path):
            below[upper].append(lower)
            above[lower].append(upper)
    rows: _Rows = [[] for _ in range(max(row_of, default=-1) + 1)]
    for node, row in enumerate(row_of):
        rows[row].append(node)
    centers = _centers(_ordered(rows, above, below), wide, above, below, gap)
    left = min((centers[node] - wide[node] / 2 for node in centers), default=0.0)
    placed = [centers[node] - left for node in range(len(row_of))]
    return Layout(row_of[: len(widths)], placed[: len(widths)], [[(row_of[n], placed[n]) for n in p] for p in paths])


def _row_of(nodes: int, edges: Iterable[Edge]) -> list[int]:
    before: dict[int, list[int]] = defaultdict(list)
    after: dict[int, list[int]] = defaultdict(list)
    for upper, lower in edges:
        before[lower].append(upper)
        after[upper].append(lower)
    rows: list[int] = []
    for node in range(nodes):
        rows.append(max((rows[other] + 1 for other in before[node]), default=0))
    for node in after.keys() - {node for node in before if before[node]}:
        rows[node] = min(rows[other] for other in after[node]) - 1
    return rows


def _with_joints(edge: Edge, row_of: list[int]) -> list[int]:
    """The nodes that the edge passes; its joints are appended to `row_of`."""
    upper, lower = edge
    first = len(row_of)
    row_of.extend(range(row_of[upper] + 1, row_of[lower]))
    return [upper, *range(first, len(row_of)), lower]


def _ordered(rows: _Rows, above: _Neighbours, below: _Neighbours) -> _Rows:
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(_SWEEPS):
        rows = _sweep(rows, above) if sweep % 2 == 0 else _sweep(rows[::-1], below)[::-1]
        if (crossings := _crossings(rows, below)) < fewest:
            best, fewest = rows, crossings
    return best


def _sweep(rows: _Rows, neighbours: _Neighbours) -> _Rows:
    place: dict[int, float] = {}
    ordered = []
    for row in rows:
        wanted = {node: _mean(place, neighbours.get(node, ()), float(at)) for at, node in enumerate(row)}
        ordered.append(sorted(row, key=wanted.__getitem__))
        place.update({node: float(at) for at, node in enumerate(ordered[-1])})
    return ordered


def _crossings(rows: _Rows, below: _Neighbours) -> int:
    crossings = 0
    for upper, lower in pairwise(rows):
        place = {node: at for at, node in enumerate(lower)}
        ends: list[int] = []
        for node in upper:
            mine = [place[other] for other in below.get(node, ())]
            crossings += sum(len(ends) - bisect(ends, end) for end in mine)
            for end in mine:
                insort(ends, end)
    return crossings


def _centers(
    rows: _Rows, widths: Sequence[float], above: _Neighbours, below: _Neighbours, gap: float
) -> dict[int, float]:
    apart = [[(widths[a] + widths[b]) / 2 + gap for a, b in pairwise(row)] for row in rows]
    offsets = [list(accumulate(distances, initial=0.0)) for distances in apart]
    centers = {
        node: at for row, places in zip(rows, offsets, strict=True) for node, at in zip(row, places, strict=True)
    }
    both = {node: [*above.get(node, ()), *below.get(node, ())] for node in centers}
    numbers = range(len(rows))
    for sweep in range(_SWEEPS + 1):
        downwards = sweep % 2 == 0
        neighbours = both if sweep == _SWEEPS else above if downwards else below
        for number in numbers if downwards else reversed(numbers):
            row = rows[number]
            wanted = [_mean(centers, neighbours.get(node, ()), centers[node]) for node in row]
            centers.update(zip(row, _nearest(wanted, offsets[number]), strict=True))
    return centers


def _mean(values: Mapping[int, float], of: Sequence[int], otherwise: float) -> float:
    return fmean(values[node] for node in of) if of else otherwise


def _nearest(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Positions as far apart as `offsets` or farther, with the least squared distance to `wanted`.

    Without the offsets that is the nearest sequence that never falls: neighbours that fall become one, at their mean.
    """
    pools: list[tuple[float, int]] = []  # mean, how many
    for position, offset in zip(wanted, offsets, strict=True):
        mean, size = position - offset, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean, size = (mean * size + other * others) / (size + others), size + others
        pools.append((mean, size))
    flat = [mean for mean, size in pools for _ in range(size)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=True)]
