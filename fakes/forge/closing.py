"""The issues that a merged pull request closes (from memory): those that its text names after a keyword which all the
forges know. A list after one keyword, and issues of other repositories, are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fakes.forge.records import Pull, RepositoryRecord, now

_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):? (?P<repository>[\w.-]+/[\w.-]+)?#(?P<number>\d+)\b", re.IGNORECASE
)


def with_merged(record: RepositoryRecord, done: Pull, *, into_any: bool = False) -> RepositoryRecord:
    """The same with a pull request that was merged just now; `into_any`: it closes issues whichever branch it was
    merged into, as at Gitea: at the others that is the default branch alone.
    """
    record = record.with_pull(done)
    if done.base != record.default_branch and not into_any:
        return record
    for number in _closes(done.body, record.full_name):
        issue = record.issue(number)
        if issue is not None and issue.is_open and not issue.deleted and not issue.moved_to:
            closed = {"is_open": False, "closed_at": now(), "updated_at": now()}
            record = record.with_issue(issue.model_copy(update=closed))
    return record


def _closes(text: str, repository: str) -> Iterator[int]:
    for found in _CLOSES.finditer(text):
        if (found["repository"] or repository).lower() == repository.lower():
            yield int(found["number"])
