"""A draft is a title at Gitea: what begins with one of the server's words for it."""

from __future__ import annotations

PREFIXES = ("WIP:", "[WIP]")
"""A server's own unless its administrator has chosen others (from memory)."""


def is_marked(title: str) -> bool:
    return title.upper().startswith(PREFIXES)


def shown_title(title: str, draft: bool) -> str:
    """Of one that another dialect has made a draft, with the word that makes it one here."""
    return f"{PREFIXES[0]} {title}" if draft and not is_marked(title) else title
