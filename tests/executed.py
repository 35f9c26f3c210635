"""Counts what Python executes: unlike a time it is the same on each machine, however busy."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any


class Lines:
    """How many lines the block has taken, in this thread; a loop within one line counts each time."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.count += event == "line"
        return self._stepped
