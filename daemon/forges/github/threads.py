"""Conversations at lines of a pull request that people have resolved: what was asked for in them ends (rule 7.5).

Only GraphQL tells it, at the price of a request a look while somebody asks for something at a line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from http import HTTPStatus

from pydantic import Field

from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.payloads import Resolution, ThreadId
from daemon.forges.refusals import Declined
from daemon.forges.remembered import MOST_PAGES
from domain.tolerant import Tolerant
from domain.value import Value

_THREADS = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 100, after: $after) {
        nodes { id isResolved resolvedBy { login } comments(first: 1) { nodes { url } } }
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
    id: str
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
    found = dict[str, str]()
    try:
        async for each in _threads(api, repository, number):
            if each.resolved:
                found |= {first.url: each.by.login if each.by else "" for first in each.first}
    except Declined as declined:
        if declined.status == HTTPStatus.UNAUTHORIZED:
            raise
    return found


async def resolve(api: GitHubApi, repository: str, number: int, remarks: Collection[str]) -> None:
    """End the conversation whose first comment is one of `remarks`, by their addresses; nothing where it is over, or
    gone. Raises Declined where the token may not, ForgeUnreachable, ForgeRefused.
    """

    async def of_them() -> _Thread | None:
        async for each in _threads(api, repository, number):
            if any(first.url in remarks for first in each.first):
                return each
        return None

    async def done() -> _Thread | None:
        now = await of_them()
        return now if now and now.resolved else None

    if (thread := await of_them()) and not thread.resolved:
        await api.mutate(Resolution(variables=ThreadId(thread=thread.id)), done)


async def _threads(api: GitHubApi, repository: str, number: int) -> AsyncIterator[_Thread]:
    owner, _, name = repository.partition("/")
    asked = ThreadsOf(owner=owner, name=name, number=number)
    for _ in range(MOST_PAGES):
        answer = await api.query(Query(variables=asked), ThreadsAnswer)
        if answer.threads is None:
            return
        for each in answer.threads.nodes:
            if each is not None:
                yield each
        if not answer.threads.page.more:
            return
        asked = asked.model_copy(update={"after": answer.threads.page.after})
