"""What an agent tells while it works: its messages, its plan, its tools, what it uses."""

from __future__ import annotations

from daemon.agents.acp.frames import ToolCallContent, Update, read_as
from daemon.agents.acp.token_count import AcpCount
from daemon.agents.acp.tool_calls import ToolCalls, text_of
from daemon.agents.stream_events import AgentText, Event, PlanReported, Warned

_LONGEST = 1024 * 1024
"""Characters of a message that are kept: its end."""
_MOST_PIECES = 200
_ENTRIES = 200
_TROUBLE_DEPTH = 4


class PromptTurn:
    """One turn. `message` is the last thing that the agent has said, without any tool after it."""

    def __init__(self, count: AcpCount) -> None:
        self.count = count
        self.tools = ToolCalls()
        self.message = ""
        self.pieces: tuple[str, ...] = ()
        """The parts in which it came, the last ones: some agents join messages without a line end."""
        self._is_said = True
        self._trouble = ""

    def updated(self, update: Update) -> list[Event]:
        """Unknown kinds of updates are no events."""
        match update.sessionUpdate:
            case "agent_message_chunk":
                return self._heard(update)
            case "agent_thought_chunk":
                self.tools.all_over()
                return []
            case "tool_call" | "tool_call_update":
                events = [*self.said(), *self.tools.learn(update)]
                self.message, self.pieces = "", ()
                return events
            case "plan":
                entries = tuple((entry.content, entry.status) for entry in (update.entries or ())[:_ENTRIES])
                return [*self.said(), PlanReported(entries)] if entries else []
            case "usage_update":
                return self.used(update)
            case _:
                return self._troubled(update)

    def used(self, update: Update) -> list[Event]:
        """What an update tells of the cost, if it does."""
        is_usage = update.sessionUpdate == "usage_update"
        return [*self.count.told_cost(update.cost)] if is_usage and update.cost else []

    def said(self) -> list[Event]:
        """The message, once: it comes in pieces, and is over when something else comes."""
        if self._is_said or not self.message.strip():
            return []
        self._is_said = True
        return [AgentText(self.message)]

    def _heard(self, update: Update) -> list[Event]:
        self.tools.all_over()
        content = read_as(ToolCallContent, update.content)
        if text := text_of(content) if content else "":
            begun = "" if self._is_said else self.message
            self.message = (begun + text)[-_LONGEST:]
            self.pieces = (*(self.pieces if begun else ()), text)[-_MOST_PIECES:]
            self._is_said = False
        counted = self.count.told_by(update)
        return [*counted]

    def _troubled(self, update: Update) -> list[Event]:
        """An error that an agent tells in what the protocol leaves to it, while it tries again."""
        words = _message_in(update.meta, _TROUBLE_DEPTH)
        if not words or words == self._trouble:
            return []
        self._trouble = words
        return [Warned(words)]


def _message_in(given: object, depth: int) -> str:
    """The words of the first `error` that has any."""
    if not isinstance(given, dict) or not depth:
        return ""
    error = given.get("error")
    if isinstance(error, dict):
        parts = (error.get("message"), error.get("additionalDetails"))
        return ": ".join(part for part in parts if isinstance(part, str) and part)
    return next((words for inner in given.values() if (words := _message_in(inner, depth - 1))), "")
