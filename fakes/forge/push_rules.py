"""What a push is refused for, by rules of its branch: each kind of forge says it in its own words (from memory)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import quote

from fakes.forge.stored import Stored

_BRANCHES = "refs/heads/"
_TEXT, _REPORT = b"\x02", b"\x01"
"""Bands of a side band: what people read, and what git does."""
_MOST = 65_000
"""Bytes that one packet of a side band takes here."""


class RuleKind(StrEnum):
    GITHUB_PROTECTION = "github_protection"
    GITHUB_RULESET = "github_ruleset"
    GITLAB = "gitlab"
    GITEA = "gitea"
    FORGEJO = "forgejo"


class PushRule(Stored):
    """Nobody pushes to these branches."""

    branches: str
    """A pattern, as `makima/*`."""
    kind: RuleKind
    text: str = "Changes must be made through a pull request."
    """What GitHub names; the others have one word for all."""

    def is_broken_by(self, ref: str) -> bool:
        return ref.startswith(_BRANCHES) and fnmatchcase(ref.removeprefix(_BRANCHES), self.branches)

    def words(self, ref: str, page: str) -> tuple[str, str]:
        """What stands below `remote:`, and the reason that git names; `page`: the repository's."""
        branch = ref.removeprefix(_BRANCHES)
        match self.kind:
            case RuleKind.GITHUB_PROTECTION:
                said = f"error: GH006: Protected branch update failed for {ref}.\nerror: {self.text}\n"
                return said, "protected branch hook declined"
            case RuleKind.GITHUB_RULESET:
                said = f"error: GH013: Repository rule violations found for {ref}.\n"
                said += f"Review all repository rules at {page}/rules?ref={quote(ref, safe='')}\n\n- {self.text}\n\n"
                return said, "push declined due to repository rule violations"
            case RuleKind.GITLAB:
                said = "GitLab: You are not allowed to push code to protected branches on this project.\n"
            case RuleKind.GITEA | RuleKind.FORGEJO:
                said = f"\n{self.kind.capitalize()}: Not allowed to push to protected branch {branch}\n"
        return said, "pre-receive hook declined"


def refusal(rules: Sequence[PushRule], body: bytes, page: str) -> bytes | None:
    """What a push that breaks one of `rules` is answered in git's protocol, all of it refused; None: it breaks none.
    `body`: the request of git-receive-pack.
    """
    refs = _refs(body)
    broken = next(((rule, ref) for ref in refs for rule in rules if rule.is_broken_by(ref)), None)
    if broken is None:
        return None
    said, reason = broken[0].words(broken[1], page)
    report = _packet(b"unpack ok\n") + b"".join(_packet(f"ng {ref} {reason}\n".encode()) for ref in refs) + b"0000"
    return _packet(_TEXT + said.encode()[:_MOST]) + _packet(_REPORT + report) + b"0000"


def _refs(body: bytes) -> list[str]:
    """Those that are to be changed: the first packets name them, up to the one of no length."""
    refs, at = list[str](), 0
    while length := int(body[at : at + 4] or b"0", 16):
        words = body[at + 4 : at + length].partition(b"\0")[0].decode().split()
        refs += words[2:3]
        at += length
    return refs


def _packet(content: bytes) -> bytes:
    return f"{len(content) + 4:04x}".encode() + content
