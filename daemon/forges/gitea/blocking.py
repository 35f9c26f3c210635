"""Why Gitea doesn't let a pull request be merged (rule 7.5), as far as it tells the rules of the base branch: who has
to approve, whether a change request blocks and whether it has to be up to date, only an administrator is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from daemon.forges.blocks import Block, bounded, check_failed, check_missing
from daemon.forges.gitea.payloads import Branch, GiteaReview
from daemon.forges.gitea.payloads_checks import CommitStatus
from daemon.forges.remarks import APPROVED, CHANGES_REQUESTED

_PASSED = frozenset({"success", "warning", "skipped"})
"""From memory."""


def blocks_of(branch: Branch, reviews: Iterable[GiteaReview], statuses: Iterable[CommitStatus]) -> tuple[str, ...]:
    told = [Block.UNAPPROVED] if _approvals(reviews) < branch.required_approvals else []
    return bounded([*told, *(_unpassed(branch, list(statuses)) if branch.enable_status_check else ())])


def _approvals(reviews: Iterable[GiteaReview]) -> int:
    """By the last word of each who counts."""
    last = {
        each.by.login: each.told.state
        for each in reviews
        if each.by and each.official and each.told.state in (APPROVED, CHANGES_REQUESTED)
    }
    return list(last.values()).count(APPROVED)


def _unpassed(branch: Branch, statuses: list[CommitStatus]) -> Iterator[str]:
    for pattern in branch.status_check_contexts or ("*",):
        asked = [each for each in statuses if fnmatchcase(each.context, pattern)]
        if not asked and pattern != "*":
            yield check_missing(pattern)
        for each in asked:
            if each.status not in _PASSED:
                yield check_missing(each.context) if each.status == "pending" else check_failed(each.context)
