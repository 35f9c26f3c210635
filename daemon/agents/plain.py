"""The stream of programs that print text for people."""

from __future__ import annotations

from daemon.agents.stream_events import Asked, Event, Printed, Reply


class PlainStream:
    """Every piece of output is a piece of the log, and nothing more."""

    by_lines = False

    def read(self, line: str) -> list[Event]:
        return [Printed(line)]

    def prompt(self, text: str) -> str:
        return text

    def reply(self, asked: Asked, reply: Reply) -> str:
        return ""
