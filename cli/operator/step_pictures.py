"""What the status of a step looks like wherever steps are drawn: on a terminal, in Mermaid and in SVG."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from domain.statuses import StepStatus


class Shape(Enum):
    """The outline of a step: what Mermaid writes around its label."""

    BOX = ("[", "]")
    ROUND = ("(", ")")
    PILL = ("([", "])")
    SLANTED = ("[/", "/]")
    HEXAGON = ("{{", "}}")


@dataclass(frozen=True)
class Picture:
    """How a status is drawn."""

    sign: str
    style: str
    """Of the terminal, in rich's words."""
    fill: str
    edge: str
    shape: Shape


PICTURES = {
    StepStatus.PENDING: Picture("○", "dim", "#f6f8fa", "#8c959f", Shape.BOX),
    StepStatus.READY: Picture("◔", "cyan", "#ddf4ff", "#0969da", Shape.ROUND),
    StepStatus.RUNNING: Picture("●", "blue", "#b6e3ff", "#0550ae", Shape.PILL),
    StepStatus.COMPLETED: Picture("✔", "green", "#d7f2dd", "#1a7f37", Shape.BOX),
    StepStatus.MERGED: Picture("✔", "green", "#d7f2dd", "#1a7f37", Shape.BOX),
    StepStatus.SKIPPED: Picture("↷", "dim", "#f6f8fa", "#8c959f", Shape.SLANTED),
    StepStatus.FAILED: Picture("✘", "red", "#ffd7d5", "#cf222e", Shape.HEXAGON),
    StepStatus.BLOCKED: Picture("◌", "yellow", "#fff8c5", "#9a6700", Shape.HEXAGON),
    StepStatus.CANCELLED: Picture("⊘", "dim", "#eaeef2", "#57606a", Shape.SLANTED),
}
"""In the order in which statuses are counted."""
