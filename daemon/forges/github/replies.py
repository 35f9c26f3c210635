"""Answers to what people have said, each given once (rule 7.3)."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import TypeAdapter

from daemon.forges.findings import MARK, are_answered, reply_mark
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.payloads import NewReply
from daemon.forges.github.threads import resolve
from daemon.forges.refusals import Declined
from daemon.forges.remarks import is_by
from daemon.forges.remembered import Remembered
from daemon.forges.said import Comment, NewComment
from domain.errors import ForgeRefused
from domain.pull_request import FindingSource, Reply

COMMENTS = TypeAdapter(tuple[Comment, ...])
_SAID_AT: dict[str, str] = {
    FindingSource.COMMENT: "/pulls/{}/comments",
    FindingSource.TALK: "/issues/{}/comments",
    FindingSource.REVIEW: "/pulls/{}/reviews",
}
"""Kind of finding → where its comment is listed."""


class Replies:
    """Those in one repository, by the account `me`."""

    def __init__(self, api: GitHubApi, path: str, me: str) -> None:
        """`path`: the repository's in the API; `me`: empty where it can't be known."""
        self._api = api
        self._path = path
        self._me = me

    async def give(self, number: int, reply: Reply) -> None:
        """Answer in the pull request `number`; see daemon.forges.port.Forge.reply."""
        kind, _, comment = reply.comment.rpartition(":")
        source = kind or FindingSource.COMMENT
        if source not in _SAID_AT or not comment.isdecimal():
            raise ForgeRefused(f"{self._api.host}: {reply.comment!r} is no comment that can be answered")
        said = await self._comments(_SAID_AT[source].format(number))
        asked = next((each for each in said if each.id == int(comment)), None)
        if asked is None:
            return  # deleted meanwhile
        mark = reply_mark(reply.comment)
        if source == FindingSource.COMMENT and await self._answered(number, asked, said, f"{reply.text}\n\n{mark}"):
            if reply.settles:
                await self._resolve(number, [each for each in said if each.root == asked.root], mark)
            return
        below = NewComment(body=f"About {asked.html_url}:\n\n{reply.text}\n\n{mark}")
        await self._post(_SAID_AT[FindingSource.TALK].format(number), below, mark)

    async def _answered(self, number: int, asked: Comment, said: list[Comment], body: str) -> bool:
        """Whether the answer stands in the thread now. `in_reply_to` may be used by an app, too, unlike the address for
        replies; it goes by the first comment that is left. A thread that takes none is answered below.
        """
        first = min((each for each in said if each.root == asked.root), key=lambda each: each.id)
        answer = NewReply(body=body, commit_id=first.commit_id, path=first.path, in_reply_to=first.id)
        try:
            await self._post(_SAID_AT[FindingSource.COMMENT].format(number), answer, body.rpartition("\n")[2])
        except Declined as declined:
            if declined.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise
            return False
        return True

    async def _resolve(self, number: int, thread: list[Comment], mark: str) -> None:
        """Where all that others have said in it is answered: a conversation ends for all of them."""
        ours = [each.body or "" for each in thread if self._is_ours(each)]
        others = [FindingSource.COMMENT.id_of(each.id) for each in thread if not self._is_ours(each)]
        if are_answered(others, [*ours, mark]):
            repository = self._path.removeprefix("/repos/")
            await resolve(self._api, repository, number, {each.html_url for each in thread})

    def _is_ours(self, comment: Comment) -> bool:
        """Anybody can write a mark, and would keep an answer from being given."""
        return MARK in (comment.body or "") and (not self._me or is_by(comment.user, self._me))

    async def _post(self, path: str, comment: NewComment, mark: str) -> None:
        async def existing() -> Comment | None:
            marked = [each for each in await self._comments(path) if mark in (each.body or "")]
            return next((each for each in marked if self._is_ours(each)), None)

        await self._api.post_once(f"{self._path}{path}", comment, Comment, existing)

    async def _comments(self, path: str) -> list[Comment]:
        pages = await Remembered(self._api, {}).pages(f"{self._path}{path}", COMMENTS)
        return [comment for page in pages for comment in page]
