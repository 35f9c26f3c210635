"""What people have said about a pull request at Gitea (rule 7.5)."""

from __future__ import annotations

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.gitea.pages import all_of, pages_of
from daemon.forges.gitea.payloads import GiteaRemark, GiteaReview, GiteaTalk

REVIEWS = TypeAdapter(tuple[GiteaReview, ...])
REMARKS = TypeAdapter(tuple[GiteaRemark, ...])
TALK = TypeAdapter(tuple[GiteaTalk, ...])


class PullTalk:
    """Of the pull requests of one repository."""

    def __init__(self, api: Api, path: str) -> None:
        """`path`: the repository's in the API."""
        self._api = api
        self._path = path

    async def reviews(self, number: int) -> list[GiteaReview]:
        """Those that were sent off; the oldest first."""
        pages = await pages_of(self._api, f"{self._path}/pulls/{number}/reviews", REVIEWS)
        return [each for page in pages for each in page if each.counts]

    async def remarks(self, number: int, reviews: list[GiteaReview]) -> list[GiteaRemark]:
        """All remarks at lines, the oldest first: each belongs to a review, which alone lists it."""
        found: list[GiteaRemark] = []
        for review in reviews:
            if review.comments_count:
                at = f"{self._path}/pulls/{number}/reviews/{review.id}/comments"
                remarks: tuple[GiteaRemark, ...] = await all_of(self._api, at, REMARKS)
                found.extend(remarks)
        return sorted(found, key=lambda each: each.id)

    async def below(self, number: int) -> list[GiteaTalk]:
        said: tuple[GiteaTalk, ...] = await all_of(self._api, f"{self._path}/issues/{number}/comments", TALK)
        return list(said)


def first_ones(remarks: list[GiteaRemark]) -> dict[int, GiteaRemark]:
    """A remark's id → the one that its conversation began with."""
    first: dict[tuple[str, int, int], GiteaRemark] = {}
    for each in remarks:
        first.setdefault(each.place, each)
    return {each.id: first[each.place] for each in remarks}
