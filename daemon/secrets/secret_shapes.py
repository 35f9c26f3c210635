"""What no checkpoint may hold because it looks like a secret (rule 6.7); pure.

Narrower than the masks of a log: a masked word costs nothing, a file that is left out costs work.
"""

from __future__ import annotations

NAMES = (
    r"\.env(\.(?!example$|sample$|template$|dist$|defaults?$)[^/]*)?",
    r"id_(rsa|dsa|ecdsa|ed25519)(_sk)?",
    r"\.(netrc|pgpass|git-credentials|htpasswd)",
    r"[^/]*\.(p12|pfx|jks|keystore|kdbx|ppk)",
)
"""Patterns of whole file names, without the folder. They count where the file is new."""

CONTENTS = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])",
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{40,255}\b",
    r"\bglpat-[A-Za-z0-9_-]{20,255}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bxox[abeoprs]-[0-9]{8,}-[A-Za-z0-9-]{16,255}",
    r"\bsk-ant-[A-Za-z0-9_-]{32,255}",
    r"\bsk-(?:proj-)?[A-Za-z0-9_-]{40,255}",
    r"\b[rs]k_live_[A-Za-z0-9]{20,255}",
    r"\bAIza[A-Za-z0-9_-]{35}\b",
    r"\bnpm_[A-Za-z0-9]{36}\b",
)
"""Patterns of what a file may not hold, unless its last commit held the very same."""
