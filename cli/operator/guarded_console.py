"""A rich console whose texts are made visible; what rich itself adds, colours and movements, stays."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from domain.visible import visible


class GuardedConsole(Console):
    """Everything that is printed becomes segments here; only a segment's text can be somebody else's."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
