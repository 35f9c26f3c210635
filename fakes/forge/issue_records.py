"""What the forge keeps of issues."""

from __future__ import annotations

from datetime import datetime

from fakes.forge.stored import Stored


class LabelEvent(Stored):
    """Somebody has given an issue a label, or has taken it away."""

    id: int
    user: str
    label: str
    is_added: bool
    at: datetime


class IssueEdit(Stored):
    """Somebody has changed an issue's title or text."""

    id: int
    user: str
    at: datetime


class Issue(Stored):
    number: int
    id: int
    title: str
    body: str = ""
    author: str
    """Empty: the account was deleted."""
    is_open: bool = True
    state_reason: str = ""
    """Why it was closed or opened again, in GitHub's words; empty: nobody has done either."""
    locked: bool = False
    labels: tuple[str, ...] = ()
    label_events: tuple[LabelEvent, ...] = ()
    edits: tuple[IssueEdit, ...] = ()
    deleted: bool = False
    moved_to: str = ""
    """`owner/name#number`, where it was transferred to."""
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
