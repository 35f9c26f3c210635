"""What the daemon remembers of an agent's events, and how people read them; pure."""

from __future__ import annotations

import re
from dataclasses import replace

from daemon.agents.base import StreamSummary
from daemon.agents.stream_events import (
    AgentText,
    Denied,
    Event,
    FileChanged,
    Final,
    InBackground,
    Limited,
    PermissionRequest,
    PlanReported,
    Printed,
    SessionStarted,
    ToolCalled,
    ToolFailed,
    Used,
    Warned,
)

COMPLAINTS_KEPT = 4096
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
"""It becomes an argument of the next run: whatever an agent runs can write to its stdout, and would name an option."""
_FAILED_SHOWN = 2000
_DENIAL_SHOWN = 300
_MARKS = {"completed": "✓", "in_progress": "▸"}
"""Of the entries of a plan."""


def after(seen: StreamSummary, event: Event) -> StreamSummary:
    """What is known once `event` has come, too."""
    match event:
        case SessionStarted() if _SESSION.fullmatch(event.session):
            seen = replace(seen, session=event.session)
        case ToolCalled():
            seen = replace(seen, turns=seen.turns + 1, final=None, has_worked=True)
        case AgentText():
            seen = replace(seen, final=None, has_worked=True)
        case InBackground():
            seen = replace(seen, in_background=event.count)
        case Used():
            seen = replace(seen, totals=event.totals, turns=event.turns or seen.turns, is_counted=True)
            if event.session:
                seen = replace(seen, session_totals=event.session, settled=event.totals)
        case Limited():
            seen = replace(seen, until=event.until)
        case Final():
            seen = replace(seen, final=event)
        case Denied():
            told = f"{event.tool}: {event.why}"[:_DENIAL_SHOWN]
            seen = replace(seen, denied=(*(each for each in seen.denied if each != told), told))
    return seen


def complained(seen: StreamSummary, text: str) -> StreamSummary:
    """What is known once `text` has come on stderr."""
    return replace(seen, complaints=(seen.complaints + text)[-COMPLAINTS_KEPT:])


def log_text(event: Event, last: str) -> str:
    """The event as text for the log, with its line end; `last` is its last text, not to be logged twice."""
    if isinstance(event, Printed):
        return event.text
    text = ""
    match event:
        case SessionStarted():
            text = f"[session {event.session}{f', {event.model}' if event.model else ''}]"
        case AgentText():
            text = event.text
        case ToolCalled() | PermissionRequest():
            text = f"→ {event.tool}: {event.about}"
        case ToolFailed():
            text = f"✗ {event.tool}: {event.output.strip()[:_FAILED_SHOWN]}"
        case FileChanged():
            text = f"± {event.path}"
        case PlanReported():
            text = "\n".join(f"{_MARKS.get(state, '·')} {words}" for words, state in event.entries)
        case Denied():
            text = f"✗ {event.tool} was denied: {event.why}"
        case Warned():
            text = f"! {event.text}"
        case Limited():
            until = f" until {event.until:%Y-%m-%d %H:%M %Z}" if event.until else ""
            text = f"! the account's limit is reached{until}"
        case Final() if event.text.strip() != last.strip():
            text = f"{event.ending}: {event.text}"
    return text.rstrip("\n") + "\n" if text else ""
