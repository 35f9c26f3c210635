"""A directive's steps as a graph: lanes on a terminal, Mermaid text."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from uuid import UUID

from renderdag import Ancestor, GraphRowRenderer
from rich.text import Text

from cli.operator.step_pictures import PICTURES
from domain.view import StepView
from domain.visible import visible


def lanes(steps: Sequence[StepView]) -> list[Text]:
    """A line or two a step, dependencies first, with lanes between them as in a log of commits."""
    ordered = dependencies_first(steps)
    known = {step.id for step in steps}
    next_steps = _next_steps(ordered)
    renderer = GraphRowRenderer().output().with_min_row_height(1).build_box_drawing()
    drawn: list[Text] = []
    for step in ordered:
        picture = PICTURES[step.status]
        label = f"{_label(step)}  {step.status}"
        below = [Ancestor.parent(str(other)) for other in next_steps[step.id] if other in known]
        for row in renderer.next_row(str(step.id), below, picture.sign, label).rstrip("\n").split("\n"):
            line = Text(row.rstrip())
            if (at := row.find(label)) >= 0:
                line.stylize(picture.style, at, at + len(label))
            drawn.append(line)
    return drawn


def mermaid(steps: Sequence[StepView]) -> str:
    """A flowchart that any Mermaid renderer takes, a page of a forge for one."""
    number = {step.id: f"s{place}" for place, step in enumerate(steps)}
    lines = ["flowchart TD"]
    for step in steps:
        before, after = PICTURES[step.status].shape.value
        lines.append(f'  {number[step.id]}{before}"{_mermaid_text(signed(step))}"{after}:::{step.status}')
    lines += [f"  {number[on]} --> {number[step.id]}" for step in steps for on in step.depends_on if on in number]
    for status in dict.fromkeys(step.status for step in steps):
        lines.append(f"  classDef {status} fill:{PICTURES[status].fill},stroke:{PICTURES[status].edge},color:#1f2328")
    return "\n".join(lines)


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


def signed(step: StepView) -> str:
    """Label a step in a picture; the sign first: Mermaid reads a name that begins with "`" as Markdown."""
    return f"{PICTURES[step.status].sign} {_label(step)}"


def _mermaid_text(text: str) -> str:
    escaped = text.replace("#", "#35;").replace("&", "#amp;").replace('"', "#quot;")
    return escaped.replace("<", "#lt;").replace(">", "#gt;")
