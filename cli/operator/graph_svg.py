"""A directive's steps as an SVG picture that needs no other file; lengths are in its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rich.cells import cell_len

from cli.operator.drawing import dependencies_first, signed
from cli.operator.layered_layout import layered
from cli.operator.step_pictures import PICTURES, Shape
from domain.view import StepView
from domain.visible import visible

_CHARACTER = 7.2  # the width of one in a monospaced font of 12 pixels
_HEIGHT = 30.0  # of a step
_ROW = 72.0  # from one row's upper edge to the next one's
_GAP = 18.0  # between the steps of a row
_MARGIN = 16.0
_PADDING = 16.0  # on both sides of a label
_INDENT = 9.0  # of the corners of slanted steps and hexagons
_RADIUS = {Shape.BOX: 2.0, Shape.ROUND: 8.0, Shape.PILL: _HEIGHT / 2}
_INK, _LINE = "#1f2328", "#57606a"


def svg(steps: Sequence[StepView], title: str) -> str:
    """Draw the steps in rows, dependencies above, under the title."""
    ordered = dependencies_first(steps)
    place = {step.id: number for number, step in enumerate(ordered)}
    edges = [(place[on], place[step.id]) for step in ordered for on in step.depends_on if on in place]
    widths = [_width(signed(step)) + 2 * _PADDING for step in ordered]
    layout = layered(widths, edges, _GAP)
    wide = max((center + width / 2 for center, width in zip(layout.centers, widths, strict=True)), default=0.0)
    heading = visible(" ".join(title.split()))
    full = max(wide, _width(heading)) + 2 * _MARGIN
    left = (full - wide) / 2
    picture = _picture(full, _top(max(layout.rows, default=-1) + 1) - _ROW + _HEIGHT + _MARGIN)
    _write(picture, heading, full / 2, _MARGIN + _HEIGHT / 2)
    for path in layout.paths:
        SubElement(
            picture, "path", {"class": "edge", "d": _curve([(left + center, _top(row)) for row, center in path])}
        )
    for step, row, center, width in zip(ordered, layout.rows, layout.centers, widths, strict=True):
        _draw_step(picture, step, left + center, _top(row), width)
    ElementTree.indent(picture)
    return ElementTree.tostring(picture, encoding="unicode")


def _width(text: str) -> float:
    return cell_len(text) * _CHARACTER


def _top(row: int) -> float:
    return _MARGIN + _HEIGHT + row * _ROW


def _picture(width: float, height: float) -> Element:
    size = {"width": f"{width:g}", "height": f"{height:g}"}
    font = {"font-family": "monospace", "font-size": "12", "text-anchor": "middle"}
    svg_ = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:g} {height:g}"} | size | font)
    arrow = {"id": "arrow", "orient": "auto", "markerWidth": "8", "markerHeight": "6", "refX": "8", "refY": "3"}
    SubElement(SubElement(svg_, "marker", arrow), "path", {"d": "M0 0L8 3L0 6z", "fill": _LINE})
    SubElement(svg_, "style").text = f".edge {{ fill: none; stroke: {_LINE}; marker-end: url(#arrow) }}"
    SubElement(svg_, "rect", size | {"fill": "white"})
    return svg_


def _write(parent: Element, text: str, x: float, baseline: float) -> None:
    # As wide as its box was made for, also where the reader's font is a wider one.
    length = {"textLength": f"{_width(text):g}", "lengthAdjust": "spacingAndGlyphs"}
    SubElement(parent, "text", {"x": f"{x:g}", "y": f"{baseline:g}", "fill": _INK} | length).text = text


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """From the lower edge of the first step to the upper one of the last, upright through the rows between."""
    drawn = f"M{points[0][0]:g} {points[0][1] + _HEIGHT:g}"
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (y + _HEIGHT + to_y) / 2
        drawn += f"L{x:g} {y + _HEIGHT:g}C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    return drawn


def _draw_step(picture: Element, step: StepView, center: float, top: float, width: float) -> None:
    paint, left = PICTURES[step.status], center - width / 2
    group = SubElement(picture, "g", {"class": "node"})
    SubElement(group, "title").text = f"{step.status}: {visible(step.name)}"
    colours = {"fill": paint.fill, "stroke": paint.edge}
    if paint.shape in _RADIUS:
        box = {"x": left, "y": top, "width": width, "height": _HEIGHT, "rx": _RADIUS[paint.shape]}
        SubElement(group, "rect", {name: f"{length:g}" for name, length in box.items()} | colours)
    else:
        SubElement(group, "polygon", {"points": _corners(paint.shape, left, top, left + width)} | colours)
    _write(group, signed(step), center, top + _HEIGHT / 2 + _CHARACTER / 2)


def _corners(shape: Shape, left: float, top: float, right: float) -> str:
    bottom, middle = top + _HEIGHT, top + _HEIGHT / 2
    above = [(left + _INDENT, top), (right if shape is Shape.SLANTED else right - _INDENT, top)]
    below = [(right - _INDENT, bottom), (left if shape is Shape.SLANTED else left + _INDENT, bottom)]
    points = [*above, *below] if shape is Shape.SLANTED else [*above, (right, middle), *below, (left, middle)]
    return " ".join(f"{x:g},{y:g}" for x, y in points)
