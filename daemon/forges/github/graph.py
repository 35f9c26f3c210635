"""GitHub's API: REST as every forge has it, and GraphQL beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from pydantic import BaseModel, TypeAdapter

from daemon.forges.api import Api, ApiTimings, Manners, Model, now
from daemon.forges.forge_settings import graphql_of
from daemon.forges.github.payloads import GraphAnswer
from daemon.forges.github.refusals import CORE, GRAPHQL, graph_trouble, refusal
from daemon.forges.pace import Paces
from daemon.forges.refusals import Declined, Later, named_time
from daemon.forges.tokens import Tokens

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
GRAPH_ANSWER = TypeAdapter(GraphAnswer)


class GitHubApi(Api):
    """See daemon.forges.api.Api."""

    def __init__(self, client: httpx.AsyncClient, url: str, tokens: Tokens, timings: ApiTimings, paces: Paces) -> None:
        super().__init__(client, url, tokens, timings, Manners("GitHub", refusal, HEADERS), paces)
        self._graphql = httpx.URL(graphql_of(url))

    async def mutate(self, change: BaseModel, done: Callable[[], Awaitable[Model | None]]) -> Model:
        """What `done` finds, once a change of GraphQL's has been made, if it was needed."""

        async def look_and_change() -> Model:
            if found := await done():
                return found
            await self.send("POST", self._graphql, change)
            if found := await done():
                return found
            raise Later("has not made the change yet")

        return await self.retried(look_and_change)

    async def query(self, question: BaseModel, model: type[Model]) -> Model:
        """The answer of GraphQL to what changes nothing, as a `model`; it is posted, too, and waits for no turn."""

        async def ask() -> Model:
            answer = await self.send("POST", self._graphql, question, paced=False)
            return self.parsed(TypeAdapter(model), answer.content)

        return await self.retried(ask)

    def trouble(self, answer: httpx.Response) -> Later | Declined | None:
        """GraphQL tells it in an answer with status 200."""
        found = super().trouble(answer)
        if found or not answer.is_success or self.resource(answer.url) != GRAPHQL:
            return found
        said = self.parsed(GRAPH_ANSWER, answer.content)
        return graph_trouble(said, self.host, self.tokens.place, named_time(answer, now()))

    def resource(self, url: httpx.URL) -> str:
        return GRAPHQL if url == self._graphql else CORE
