"""A draft at Gitea is a title: it begins with `WIP:` or what else the server's administrator has chosen; pure.

The usual two are known here, and GitLab's, which administrators add.
"""

from __future__ import annotations

import re

PREFIX = "WIP: "
_DRAFT = re.compile(r"\s*(?:(?:WIP|Draft):|\[(?:WIP|Draft)\])\s*", re.IGNORECASE)


def is_marked(title: str) -> bool:
    return bool(_DRAFT.match(title))


def plain_title(title: str) -> str:
    """`title` without what makes a draft of it, however often that stands there."""
    while found := _DRAFT.match(title):
        title = title[found.end() :]
    return title


def draft_title(title: str, known: str = "") -> str:
    """`title` as a draft's, marked as the `known` one is."""
    found = _DRAFT.match(known)
    return f"{found[0] if found else PREFIX}{plain_title(title)}"
