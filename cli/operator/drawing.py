"""A directive's steps as a graph: lanes on a terminal, Mermaid text, SVG."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from uuid import UUID

from renderdag import Ancestor, GraphRowRenderer
from rich.text import Text

from cli.operator.live_tree import LOOKS
from domain.models import StepStatus
from domain.view import StepView
from domain.visible import visible


@dataclass(frozen=True)
class Paint:
    """How a status looks in Mermaid and SVG."""

    fill: str
    edge: str
    shape: str
    """Graphviz' name of the node's shape."""
    corners: tuple[str, str]
    """What Mermaid puts around the label for a shape like that."""


_DONE = Paint("#d7f2dd", "#1a7f37", "box", ("[", "]"))
PAINTS = {
    StepStatus.PENDING: Paint("#f6f8fa", "#8c959f", "box", ("[", "]")),
    StepStatus.READY: Paint("#ddf4ff", "#0969da", "box", ("(", ")")),
    StepStatus.RUNNING: Paint("#b6e3ff", "#0550ae", "ellipse", ("([", "])")),
    StepStatus.COMPLETED: _DONE,
    StepStatus.MERGED: _DONE,
    StepStatus.SKIPPED: Paint("#f6f8fa", "#8c959f", "note", ("[/", "/]")),
    StepStatus.FAILED: Paint("#ffd7d5", "#cf222e", "octagon", ("{{", "}}")),
    StepStatus.BLOCKED: Paint("#fff8c5", "#9a6700", "hexagon", ("{{", "}}")),
    StepStatus.CANCELLED: Paint("#eaeef2", "#57606a", "note", ("[/", "/]")),
}


def lanes(steps: Sequence[StepView]) -> list[Text]:
    """A line or two a step, dependencies first, with lanes between them as in a log of commits."""
    ordered = dependencies_first(steps)
    known = {step.id for step in steps}
    next_steps = _next_steps(ordered)
    renderer = GraphRowRenderer().output().with_min_row_height(1).build_box_drawing()
    drawn: list[Text] = []
    for step in ordered:
        sign, style = LOOKS[step.status]
        label = f"{_label(step)}  {step.status}"
        below = [Ancestor.parent(str(other)) for other in next_steps[step.id] if other in known]
        for row in renderer.next_row(str(step.id), below, sign, label).rstrip("\n").split("\n"):
            line = Text(row.rstrip())
            if (at := row.find(label)) >= 0:
                line.stylize(style, at, at + len(label))
            drawn.append(line)
    return drawn


def mermaid(steps: Sequence[StepView]) -> str:
    """A flowchart that any Mermaid renderer takes, a page of a forge for one."""
    number = {step.id: f"s{place}" for place, step in enumerate(steps)}
    lines = ["flowchart TD"]
    for step in steps:
        before, after = PAINTS[step.status].corners
        lines.append(f'  {number[step.id]}{before}"{_mermaid_text(_signed(step))}"{after}:::{step.status}')
    lines += [f"  {number[on]} --> {number[step.id]}" for step in steps for on in step.depends_on if on in number]
    for status in dict.fromkeys(step.status for step in steps):
        lines.append(f"  classDef {status} fill:{PAINTS[status].fill},stroke:{PAINTS[status].edge},color:#1f2328")
    return "\n".join(lines)


def svg(steps: Sequence[StepView], title: str) -> str:
    """A picture, laid out by Graphviz, which comes with its wheel."""
    import pygraphviz  # noqa: PLC0415 - a tenth of a second that no other command shall take

    above = f"{_dot_text(visible(title))}\\n\\n"  # a blank line, or it touches the first row
    graph = pygraphviz.AGraph(directed=True, rankdir="TB", label=above, labelloc="t", fontname="Helvetica")
    graph.node_attr.update(style="filled", fontname="Helvetica", fontsize="12", fontcolor="#1f2328")
    graph.edge_attr.update(color="#57606a", arrowsize="0.7")
    known = {step.id for step in steps}
    for step in steps:
        paint = PAINTS[step.status]
        graph.add_node(
            str(step.id),
            label=_dot_text(_signed(step)),
            tooltip=_dot_text(f"{step.status}: {visible(step.name)}"),
            shape=paint.shape,
            fillcolor=paint.fill,
            color=paint.edge,
        )
    for step in steps:
        graph.add_edges_from([(str(on), str(step.id)) for on in step.depends_on if on in known])
    with _no_machines_fonts():
        picture: bytes = graph.draw(format="svg", prog="dot")
    return picture.decode()


def dependencies_first(steps: Sequence[StepView]) -> list[StepView]:
    """A step behind all that it depends on, otherwise in the order given."""
    place = {step.id: number for number, step in enumerate(steps)}
    open_ = {step.id: {on for on in step.depends_on if on in place} for step in steps}
    next_steps = _next_steps(steps)
    ready = [place[step.id] for step in steps if not open_[step.id]]
    heapq.heapify(ready)
    found: list[StepView] = []
    while ready:
        step = steps[heapq.heappop(ready)]
        found.append(step)
        for other in next_steps[step.id]:
            open_[other].discard(step.id)
            if not open_[other]:
                heapq.heappush(ready, place[other])
    return found


def _next_steps(steps: Sequence[StepView]) -> Mapping[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {step.id: [] for step in steps}
    for step in steps:
        for on in step.depends_on:
            if on in found:
                found[on].append(step.id)
    return found


def _label(step: StepView) -> str:
    return visible(" ".join(step.name.split())) + (f" (phase {step.order_index})" if step.order_index else "")


def _signed(step: StepView) -> str:
    # The sign comes first: neither library may take a name that begins with "<" or "`" for markup.
    return f"{LOOKS[step.status][0]} {_label(step)}"


def _mermaid_text(text: str) -> str:
    escaped = text.replace("#", "#35;").replace("&", "#amp;").replace('"', "#quot;")
    return escaped.replace("<", "#lt;").replace(">", "#gt;")


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\")  # Graphviz reads \\N and its like in a label


@contextmanager
def _no_machines_fonts() -> Iterator[None]:
    """Graphviz measures text by its own tables: the machine's fonts would change the picture, and what is wrong with
    their settings would be printed into the command's output.
    """
    before = os.environ.get("FONTCONFIG_FILE")
    with as_file(files("cli.operator") / "fonts.conf") as empty:
        os.environ["FONTCONFIG_FILE"] = str(empty)
        try:
            yield
        finally:
            os.environ.pop("FONTCONFIG_FILE")
            if before is not None:
                os.environ["FONTCONFIG_FILE"] = before
