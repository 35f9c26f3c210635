"""Calls of GitLab's API: its headers, its paging and its words."""

from __future__ import annotations

from pydantic import BaseModel, TypeAdapter

from daemon.forges.api import Api, Found, Manners, Model, Page
from daemon.forges.gitlab.refusals import refusal
from daemon.forges.remembered import Remembered

MANNERS = Manners("GitLab", refusal, token=("PRIVATE-TOKEN", ""))


class GitLabApi(Api):
    """See daemon.forges.api.Api."""

    async def get(self, path: str, etag: str = "") -> Page | None:
        """GitLab does all the work for what has not changed, too, and names the next page by its number: its links may
        lead to another host than the one that it is reached at.
        """
        answer = await self.retried(lambda: self.send("GET", self.at(path)))
        following = answer.links.get("next", {}).get("url", "")
        if "x-next-page" in answer.headers:
            number = answer.headers["x-next-page"]
            following = str(self.at(path).copy_set_param("page", number)) if number.isdecimal() else ""
        return Page(answer.content, "", following)

    async def all(self, path: str, adapter: TypeAdapter[tuple[Found, ...]]) -> list[Found]:
        """The entries of all pages, at most 10,000."""
        return [entry for page in await Remembered(self, {}).pages(path, adapter) for entry in page]

    async def put(self, path: str, body: BaseModel, model: type[Model]) -> Model:
        """The answer of a PUT, which does the same however often it is sent."""
        answer = await self.retried(lambda: self.send("PUT", self.at(path), body))
        return self.parsed(TypeAdapter(model), answer.content)
