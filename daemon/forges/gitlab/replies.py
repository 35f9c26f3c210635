"""Answers to what people have said in a merge request, each given once (rule 7.3)."""

from __future__ import annotations

import re
from http import HTTPStatus

from daemon.forges.findings import MARK, are_answered, reply_mark
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.look import DISCUSSIONS
from daemon.forges.gitlab.payloads import Discussion, NewNote, Note, Resolved
from daemon.forges.refusals import Declined
from daemon.forges.remarks import is_by
from domain.errors import ForgeRefused
from domain.pull_request import FindingSource, Reply

_ANSWERED = frozenset({FindingSource.COMMENT.value, FindingSource.TALK.value, FindingSource.REVIEW.value})
"""All of them are notes."""
_NO_ANSWERS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
"""What GitLab says of a discussion that takes none, or is gone."""
_COMMAND = re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE)


def without_commands(text: str) -> str:
    """`text` so that GitLab carries out no line of it: one that begins with `/merge` would merge."""
    return _COMMAND.sub(r"\1\\/", text)


class Replies:
    """Those in one project, by the account `me`."""

    def __init__(self, api: GitLabApi, path: str, me: str) -> None:
        """`path`: the project's in the API; `me`: empty where it can't be known."""
        self._api = api
        self._path = path
        self._me = me

    async def give(self, number: int, address: str, reply: Reply) -> None:
        """Answer in the merge request `number` at `address`; see daemon.forges.port.Forge.reply."""
        kind, _, comment = reply.comment.rpartition(":")
        if (kind or FindingSource.COMMENT) not in _ANSWERED or not comment.isdecimal():
            raise ForgeRefused(f"{self._api.host}: {reply.comment!r} is no comment that can be answered")
        path = f"{self._path}/merge_requests/{number}"
        said = await self._discussions(path)
        asked = next((each for each in said if any(note.id == int(comment) for note in each.notes)), None)
        if asked is None:
            return  # deleted meanwhile
        mark = reply_mark(reply.comment)
        body = f"{without_commands(reply.text)}\n\n{mark}"
        try:
            await self._post(path, f"{path}/discussions/{asked.id}/notes", NewNote(body=body), mark)
            if reply.settles and self._is_answered(asked, kind or FindingSource.COMMENT, mark):
                await self._api.put(f"{path}/discussions/{asked.id}", Resolved(), Discussion)
        except Declined as declined:
            if declined.status not in _NO_ANSWERS:
                raise
            # Of older servers, what is no thread takes no answer: it is answered below.
            below = NewNote(body=f"About {address}#note_{comment}:\n\n{body}")
            await self._post(path, f"{path}/notes", below, mark)

    def _is_answered(self, discussion: Discussion, kind: str, mark: str) -> bool:
        """Whether it is open, and nothing in it waits for an answer: a conversation ends for all of its people."""
        people = [each for each in discussion.notes if not each.system]
        ours = [each.body for each in people if MARK in each.body and self._is_ours(each)]
        others = [f"{kind}:{each.id}" for each in people if not (MARK in each.body and self._is_ours(each))]
        is_open = any(each.resolvable and not each.resolved for each in people)
        return is_open and are_answered(others, [*ours, mark])

    async def _post(self, path: str, to: str, note: NewNote, mark: str) -> None:
        async def existing() -> Note | None:
            """Ours: anybody can write the mark, and would keep the answer from being given."""
            notes = [note for each in await self._discussions(path) for note in each.notes]
            return next((each for each in notes if mark in each.body and self._is_ours(each)), None)

        await self._api.post_once(to, note, Note, existing)

    def _is_ours(self, note: Note) -> bool:
        return not self._me or is_by(note.author.user if note.author else None, self._me)

    async def _discussions(self, path: str) -> list[Discussion]:
        return await self._api.all(f"{path}/discussions", DISCUSSIONS)
