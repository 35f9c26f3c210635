"""What we send to GitHub."""

from __future__ import annotations

from typing import Self

from domain.value import Value

READY = "markPullRequestReadyForReview"
DRAFT = "convertPullRequestToDraft"


class NewPull(Value):
    title: str
    body: str
    head: str
    base: str
    draft: bool


class PullChange(Value):
    title: str
    body: str


class BaseChange(Value):
    base: str


class NewComment(Value):
    body: str


class Target(Value):
    id: str


class Mutation(Value):
    """A change that only GraphQL can make."""

    query: str
    variables: Target

    @classmethod
    def of(cls, name: str, pull: str) -> Self:
        """`name`: DRAFT or READY; `pull`: the pull request's node id."""
        query = f"mutation($id: ID!) {{ {name}(input: {{pullRequestId: $id}}) {{ pullRequest {{ isDraft }} }} }}"
        return cls(query=query, variables=Target(id=pull))
