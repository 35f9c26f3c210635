"""Why GitLab doesn't let a merge request be merged (rule 7.5): it names the first reason only (words from memory)."""

from __future__ import annotations

from daemon.forges.blocks import Block, bounded

_WORDS = {
    "not_approved": Block.UNAPPROVED,
    "requested_changes": Block.CHANGES,
    "discussions_not_resolved": Block.TALK,
    "ci_must_pass": Block.FAILED,
    "ci_still_running": Block.RUNNING,
    "need_rebase": Block.BEHIND,
}
_ELSEWHERE = frozenset({"", "mergeable", "not_open", "conflict", "draft_status", "broken_status"})
"""Nothing blocks, or it is told as a conflict, as its state, or not at all."""
_UNKNOWN = frozenset({"checking", "unchecked", "preparing", "approvals_syncing"})


def blocks_of(status: str) -> tuple[str, ...] | None:
    """None: GitLab works it out. A word that isn't known is told as it is: there are more with each version."""
    if status in _UNKNOWN:
        return None
    if status in _ELSEWHERE:
        return ()
    return bounded([_WORDS.get(status, f"GitLab says {status!r}")])
