"""Answers to what people have said at Gitea, each given once (rule 7.3)."""

from __future__ import annotations

from http import HTTPStatus

from daemon.forges.api import Api
from daemon.forges.findings import MARK, are_answered, reply_mark
from daemon.forges.gitea.payloads import GiteaRemark, GiteaReview, GiteaTalk, GiteaUser, NewReview, NewReviewComment
from daemon.forges.gitea.talk import PullTalk, first_ones
from daemon.forges.refusals import Declined
from daemon.forges.remarks import is_by
from daemon.forges.said import NewComment
from domain.errors import ForgeRefused
from domain.pull_request import FindingSource, Reply

_NOT_TAKEN = frozenset(
    {
        *(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""What Gitea answers where it can't be done so: an older server and Forgejo have no address for replies."""


class Replies:
    """Those in one repository, by the account `me`."""

    def __init__(self, api: Api, path: str, me: str) -> None:
        """`path`: the repository's in the API; `me`: empty where it can't be known."""
        self._api = api
        self._path = path
        self._talk = PullTalk(api, path)
        self._me = me

    async def give(self, number: int, reply: Reply) -> None:
        """Answer in the pull request `number`; see daemon.forges.port.Forge.reply."""
        kind, _, said = reply.comment.rpartition(":")
        source = kind or FindingSource.COMMENT
        if source not in (FindingSource.COMMENT, FindingSource.TALK, FindingSource.REVIEW) or not said.isdecimal():
            raise ForgeRefused(f"{self._api.host}: {reply.comment!r} is no comment that can be answered")
        mark = reply_mark(reply.comment)
        remarks = await self._remarks(number) if source == FindingSource.COMMENT else []
        address = await self._address(number, source, int(said), remarks)
        if not address:
            return  # deleted meanwhile
        if remarks:
            first = first_ones(remarks)[int(said)]
            if await self._answered(number, first, f"{reply.text}\n\n{mark}", mark):
                if reply.settles:
                    await self._resolve(number, first.id)
                return
        below = NewComment(body=f"About {address}:\n\n{reply.text}\n\n{mark}")

        async def existing() -> GiteaTalk | None:
            found = await self._talk.below(number)
            return next((each for each in found if self._is_ours(each.body, each.by, mark)), None)

        await self._api.post_once(f"{self._path}/issues/{number}/comments", below, GiteaTalk, existing)

    async def _address(self, number: int, source: str, said: int, remarks: list[GiteaRemark]) -> str:
        """Where it is to be read; empty: it is gone."""
        match source:
            case FindingSource.TALK:
                found = {each.id: each.html_url for each in await self._talk.below(number)}
            case FindingSource.REVIEW:
                found = {each.id: each.html_url for each in await self._talk.reviews(number)}
            case _:
                found = {each.id: each.html_url for each in remarks}
        return found.get(said, "")

    async def _answered(self, number: int, first: GiteaRemark, body: str, mark: str) -> bool:
        """Whether the answer stands in the conversation that `first` has begun: by the address for replies where there
        is one, else by a review with a remark at the same place, which is the same conversation (from memory).
        """

        async def existing() -> GiteaRemark | None:
            return self._marked(await self._remarks(number), mark)

        async def reviewed() -> GiteaReview | None:
            ours = self._marked(await self._remarks(number), mark)
            reviews = await self._talk.reviews(number) if ours else []
            return next((each for each in reviews if ours and each.id == ours.pull_request_review_id), None)

        remark = NewReviewComment(
            path=first.path, body=body, new_position=first.position, old_position=first.original_position
        )
        path = f"{self._path}/pulls/{number}"
        try:
            await self._api.post_once(
                f"{path}/comments/{first.id}/replies", NewComment(body=body), GiteaRemark, existing
            )
            return True
        except Declined as declined:
            if declined.status not in _NOT_TAKEN:
                raise
        try:
            await self._api.post_once(f"{path}/reviews", NewReview(comments=(remark,)), GiteaReview, reviewed)
        except Declined as declined:
            if declined.status not in _NOT_TAKEN:
                raise
            return False
        return True

    async def _resolve(self, number: int, first: int) -> None:
        """Where all that others have said in it is answered: a conversation ends for all of them."""
        remarks = await self._remarks(number)
        firsts = first_ones(remarks)
        thread = [each for each in remarks if firsts[each.id].id == first]
        ours = [each.body for each in thread if self._is_ours(each.body, each.by, MARK)]
        others = [each.id for each in thread if not self._is_ours(each.body, each.by, MARK)]
        is_open = bool(thread) and not thread[0].resolver
        if not is_open or not are_answered(map(FindingSource.COMMENT.id_of, others), ours):
            return
        address = self._api.at(f"{self._path}/pulls/comments/{first}/resolve")
        try:
            await self._api.retried(lambda: self._api.send("POST", address))
        except Declined as declined:
            if declined.status not in _NOT_TAKEN:  # an older server, and Forgejo, have no such address
                raise

    async def _remarks(self, number: int) -> list[GiteaRemark]:
        return await self._talk.remarks(number, await self._talk.reviews(number))

    def _marked(self, remarks: list[GiteaRemark], mark: str) -> GiteaRemark | None:
        return next((each for each in remarks if self._is_ours(each.body, each.by, mark)), None)

    def _is_ours(self, body: str, by: GiteaUser | None, mark: str) -> bool:
        """Anybody can write the mark, and would keep the answer from being given."""
        return mark in body and (not self._me or is_by(by.told() if by else None, self._me))
