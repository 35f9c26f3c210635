"""What `.makima.toml` may say of pull requests."""

from __future__ import annotations

import pytest

from daemon.workspace.project import parsed
from domain.errors import RepositoryError

pytestmark = pytest.mark.rule("7.4")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('labels = ["a\\nb"]', "labels"),
        ('labels = [" a"]', "labels"),
        ('labels = "bot"', "labels"),
        ('reviewers = ["@ann"]', "reviewers"),
        ('reviewers = ["acme/core/x"]', "reviewers"),
        ('assignees = ["../ann"]', "assignees"),
        ("milestone = 1", "milestone"),
        ('draft = "sometimes"', "draft"),
        ("auto_merge = true", "auto_merge"),
        ('auto_merge = "fast"', "auto_merge"),
        ('label = ["bot"]', "label"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_fields_name(line: str, field: str) -> None:
    with pytest.raises(RepositoryError, match=f"pull_request.*{field}"):
        parsed(f"[pull_request]\n{line}\n".encode(), ".makima.toml")
