"""What a secret looks like in a text that is masked; pure."""

from __future__ import annotations

import re

from daemon.secrets.secret_shapes import TOKENS, token_pattern


def _shape(mark: str, rest: str) -> tuple[str, re.Pattern[str]]:
    """`mark` and what follows it, where no word goes on before it: an escaped line end, as JSON has them, is none.

    The mark comes first, for a pattern that begins with plain letters is found fifty times as fast.
    """
    return mark, re.compile(rf"{mark}(?:(?<![A-Za-z0-9_-]{mark})|(?<=\\[nrt]{mark})){rest}", re.ASCII)


_LOOSER = (
    *((mark, re.compile(mark + r"[A-Za-z0-9]{20,255}")) for mark in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    ("github_pat_", re.compile(r"github_pat_\w{20,255}", re.ASCII)),
    ("glpat-", re.compile(r"glpat-[\w-]{20,255}", re.ASCII)),
    _shape("sk-", r"(?=[\w-]{0,255}\d)[\w-]{16,}"),
    _shape("AKIA", r"[A-Z0-9]{16}(?![A-Z0-9])"),
    _shape("ASIA", r"[A-Z0-9]{16}(?![A-Z0-9])"),
    ("AIza", re.compile(r"AIza[\w-]{35}", re.ASCII)),
    ("npm_", re.compile(r"npm_[A-Za-z0-9]{36}")),
    ("k_live_", re.compile(r"[rs]k_live_[A-Za-z0-9]{20,255}")),
    ("xox", re.compile(r"xox[abeoprs]-[A-Za-z0-9-]{10,255}")),
    # No dot inside and no second start: a long run is looked at once.
    _shape("eyJ", r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    ("://", re.compile(r"https?://([^/\s\"'<>]+)@")),
    ("://", re.compile(r"://([^/\s\"'<>:@]*:[^/\s\"'<>]*)@")),
    (
        "://",
        re.compile(
            r"[?&]((?i:access_token|api_?key|auth|password|private_token|secret|sig|signature|token)"
            r"=[^&\s\"'<>]+)"
        ),
    ),
    ("uthorization: ", re.compile(r"uthorization: ((?i:basic|token) [^\s\"'<>]+)")),
    ("earer ", re.compile(r"earer ([\w.~+/=-]{16,})")),
)
"""Of these a log shows less than a commit may hold: what is masked in vain costs nothing."""
PATTERNS = (
    *_LOOSER,
    *((mark, re.compile(token_pattern(mark, rest), re.ASCII)) for mark, rest in TOKENS),
)
"""A mark and a pattern: a text without the mark holds nothing that the pattern finds. The secret is the group, or all
that is found.
"""
MARKS = frozenset(mark for mark, _ in PATTERNS) | {"PRIVATE KEY"}
