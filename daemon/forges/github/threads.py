"""Conversations at lines of a pull request that people have resolved: what was asked for in them ends (rule 7.5).

Only GraphQL tells it, at the price of a request a look while somebody asks for something at a line.
"""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from daemon.forges.github.graph import GitHubApi
from daemon.forges.refusals import Declined
from daemon.forges.remembered import MOST_PAGES
from domain.tolerant import Tolerant
from domain.value import Value

_THREADS = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 100, after: $after) {
        nodes { isResolved resolvedBy { login } comments(first: 1) { nodes { url } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
"""A comment's address is the one thing that REST and GraphQL of every version call it by."""


class ThreadsOf(Value):
    """Which page is asked for."""

    owner: str
    name: str
    number: int
    after: str | None = None


class Query(Value):
    query: str = _THREADS
    variables: ThreadsOf


class _Resolver(Tolerant):
    login: str


class _Remark(Tolerant):
    url: str


class _Remarks(Tolerant):
    nodes: tuple[_Remark | None, ...] = ()


class _Thread(Tolerant):
    resolved: bool = Field(alias="isResolved")
    by: _Resolver | None = Field(None, alias="resolvedBy")
    comments: _Remarks

    @property
    def first(self) -> list[_Remark]:
        return [each for each in self.comments.nodes if each is not None]


class _PageInfo(Tolerant):
    more: bool = Field(alias="hasNextPage")
    after: str | None = Field(None, alias="endCursor")


class _Threads(Tolerant):
    nodes: tuple[_Thread | None, ...] = ()
    page: _PageInfo = Field(alias="pageInfo")


class _Pull(Tolerant):
    threads: _Threads = Field(alias="reviewThreads")


class _Repository(Tolerant):
    pull: _Pull | None = Field(alias="pullRequest")


class _Data(Tolerant):
    repository: _Repository | None


class ThreadsAnswer(Tolerant):
    data: _Data

    @property
    def threads(self) -> _Threads | None:
        repository = self.data.repository
        return repository.pull.threads if repository and repository.pull else None


async def resolved_threads(api: GitHubApi, repository: str, number: int) -> dict[str, str]:
    """The addresses of the first comments of those that are resolved → the login of the person who has resolved it,
    empty for an app; nothing where the token may not see it, or the forge doesn't know. `repository`: `owner/name`.
    Raises ForgeUnreachable, ForgeRefused.
    """
    owner, _, name = repository.partition("/")
    asked, found = ThreadsOf(owner=owner, name=name, number=number), dict[str, str]()
    for _ in range(MOST_PAGES):
        try:
            answer = await api.query(Query(variables=asked), ThreadsAnswer)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            return found
        if answer.threads is None:
            break
        threads = [each for each in answer.threads.nodes if each is not None and each.resolved]
        found |= {first.url: each.by.login if each.by else "" for each in threads for first in each.first}
        if not answer.threads.page.more:
            break
        asked = asked.model_copy(update={"after": answer.threads.page.after})
    return found
