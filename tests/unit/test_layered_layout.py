"""Where the boxes of a graph stand: dependencies above, nothing on top of anything, no needless crossing."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.operator.layered_layout import Edge, Layout, layered

GAP = 10.0


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[Edge]]:
    widths = draw(st.lists(st.floats(1, 300), max_size=14))
    possible = list(combinations(range(len(widths)), 2))
    return widths, draw(st.lists(st.sampled_from(possible), unique=True, max_size=30)) if possible else []


@given(graphs())
def test_dependencies_are_above_and_boxes_and_joints_stay_apart(graph: tuple[list[float], list[Edge]]) -> None:
    widths, edges = graph
    layout = layered(widths, edges, GAP)
    assert all(layout.rows[upper] < layout.rows[lower] for upper, lower in edges)
    spans = [(row, c - w / 2, c + w / 2) for row, c, w in zip(layout.rows, layout.centers, widths, strict=True)]
    spans += [(row, center, center) for path in layout.paths for row, center in path[1:-1]]
    for (row, _, right), (other, left, _) in pairwise(sorted(spans)):
        assert row != other or left - right >= GAP - 1e-6
    assert not spans or min(left for _, left, _ in spans) == pytest.approx(0, abs=1e-6)
    for (upper, lower), path in zip(edges, layout.paths, strict=True):
        assert path[0] == (layout.rows[upper], layout.centers[upper])
        assert path[-1] == (layout.rows[lower], layout.centers[lower])
        assert [row for row, _ in path] == list(range(layout.rows[upper], layout.rows[lower] + 1))


def crossings(layout: Layout) -> int:
    parts = [part for path in layout.paths for part in pairwise(path)]
    return sum(
        a[0][0] == b[0][0] and (a[0][1] - b[0][1]) * (a[1][1] - b[1][1]) < -1e-6 for a, b in combinations(parts, 2)
    )


def test_no_lines_cross_where_none_must() -> None:
    # Three roots whose dependents stand in the opposite order, and a line across two rows.
    layout = layered([50.0] * 8, [(0, 5), (1, 4), (2, 3), (3, 6), (4, 6), (0, 7), (5, 7)], GAP)
    assert crossings(layout) == 0


def test_what_depends_on_all_of_a_row_stands_in_its_middle() -> None:
    layout = layered([80.0, 20.0, 40.0, 30.0, 50.0], [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], GAP)
    middle = (layout.centers[1] + layout.centers[2] + layout.centers[3]) / 3
    assert layout.centers[0] == pytest.approx(middle)
    assert layout.centers[4] == pytest.approx(middle)


def test_a_first_step_is_directly_above_the_step_that_needs_it() -> None:
    assert layered([9.0] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)], GAP).rows == [0, 1, 2, 2, 3]
