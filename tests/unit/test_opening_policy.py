"""What `.makima.toml` may say of pull requests."""

from __future__ import annotations

import pytest

from daemon.workspace.project import parsed
from domain.errors import RepositoryError
from domain.opening_choice import DraftPolicy, MergeMethod, OpeningChoice
from domain.opening_policy import OpeningPolicy

pytestmark = pytest.mark.rule("7.4")


def test_what_was_said_at_the_start_goes_before_what_the_repository_says() -> None:
    policy = OpeningPolicy(labels=("bot",), milestone="1.0", draft=DraftPolicy.ALWAYS, update=False)
    assert policy.with_choice(None) == policy.with_choice(OpeningChoice()) == policy
    chosen = OpeningChoice(labels=("a", "b"), draft=DraftPolicy.UNFINISHED, auto_merge=MergeMethod.REBASE)
    assert policy.with_choice(chosen) == OpeningPolicy(
        labels=("a", "b"), milestone="1.0", draft=DraftPolicy.UNFINISHED, auto_merge=MergeMethod.REBASE, update=False
    )


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
