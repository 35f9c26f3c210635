"""What counts as a secret in commits; its tokens are masked in logs, too (docs/decisions/0016); pure.

Each is what its issuer documents, or what its issuer's own scanner looks for. One more is one line here.
"""

from __future__ import annotations

_WORD = "[A-Za-z0-9_-]"

TOKENS = (
    *((f"gh{kind}_", r"[A-Za-z0-9]{36,255}") for kind in "pousr"),
    ("github_pat_", r"[A-Za-z0-9_]{40,255}"),
    *((f"gl{kind}-", f"{_WORD}{{20,255}}") for kind in ("pat", "rt", "dt", "ptt", "oas", "soat", "cbt", "ft", "imt")),
    ("AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    *((f"xox{kind}-", r"[0-9]{8,}-[A-Za-z0-9-]{16,255}") for kind in "abeoprs"),
    ("xoxe.xox", r"[bp]-[0-9]-[A-Za-z0-9]{60,255}"),
    ("xapp-", r"[0-9]-[A-Z0-9]{8,}-[0-9]{8,}-[a-f0-9]{32,255}"),
    ("https://hooks.slack.com/services/", r"T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,255}"),
    ("sk-ant-", f"{_WORD}{{32,255}}"),
    ("sk-", f"(?:proj-)?{_WORD}{{40,255}}"),
    ("sk_live_", r"[A-Za-z0-9]{20,255}"),
    ("rk_live_", r"[A-Za-z0-9]{20,255}"),
    ("AIza", f"{_WORD}{{35}}"),
    ("GOCSPX-", f"{_WORD}{{28}}"),
    ("npm_", r"[A-Za-z0-9]{36}"),
    ("pypi-", f"AgE{_WORD}{{50,255}}"),
    ("hf_", r"[A-Za-z0-9]{34}(?![A-Za-z0-9_])"),
    ("SG.", rf"{_WORD}{{22}}\.{_WORD}{{43}}"),
    ("dop_v1_", r"[a-f0-9]{64}"),
    ("dckr_pat_", f"{_WORD}{{27,255}}"),
    *((f"shp{kind}_", r"[a-fA-F0-9]{32}") for kind in ("at", "ca", "pa", "ss")),
    ("hvs.", f"{_WORD}{{60,255}}"),
    ("lin_api_", r"[A-Za-z0-9]{40}"),
    ("AGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
)
"""What such a secret begins with, and a pattern of the rest."""

_ESCAPES = (r"\\[abefnrtv0]", r"%[0-9A-Fa-f]{2}", r"\\x[0-9A-Fa-f]{2}", r"\\u[0-9A-Fa-f]{4}")


def token_pattern(mark: str, rest: str) -> str:
    """Of a token at whose beginning no word goes on: an escaped character in JSON, a program or an address, as in
    `\\nTOKEN` and `%3DTOKEN`, is none.

    The mark comes first, for what begins with plain letters is found many times as fast.
    """
    literal = mark.replace(".", r"\.")
    ways = (f"(?<![A-Za-z0-9_]{literal})", *(f"(?<={escape}{literal})" for escape in _ESCAPES))
    return f"{literal}(?:{'|'.join(ways)}){rest}"


NAMES = (
    r"\.env(\.(?!example$|sample$|template$|dist$|defaults?$)[^/]*)?",
    r"id_(rsa|dsa|ecdsa|ed25519)(_sk)?",
    r"\.(netrc|pgpass|git-credentials|htpasswd)",
    r"[^/]*\.(p12|pfx|jks|keystore|kdbx|ppk)",
)
"""Patterns of whole file names, without the folder. They count where the file is new. Narrower than the masks of a log:
a masked word costs nothing, a file that is left out costs work (rule 6.7).
"""

CONTENTS = (
    # A line end follows, or something in its place and the key itself: what only speaks of keys has neither.
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s|\\[nr]|(?=(?s:.{0,60}?)[A-Za-z0-9+/]{48}))",
    *(token_pattern(mark, rest) for mark, rest in TOKENS),
)
"""Patterns of what a file may not hold, unless its last commit held the very same."""
