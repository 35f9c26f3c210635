"""What has been asked, and which reply comes next."""

from __future__ import annotations

from enum import StrEnum

from domain.value import Value
from fakes.models.script import Cut, Error, Reply, Script, ScriptedConversation


class Api(StrEnum):
    MESSAGES = "messages"
    """Anthropic's."""
    RESPONSES = "responses"
    """OpenAI's, and the following its older one."""
    COMPLETIONS = "completions"
    GEMINI = "gemini"
    """Google's."""


class ModelRequest(Value):
    """One request to a model, as far as a script or a test cares."""

    api: Api
    model: str
    credential: str = ""
    streams: bool
    said: tuple[str, ...]
    """All that the user said, the prompt first."""
    results: tuple[str, ...]
    """What its tools gave."""
    tools: tuple[str, ...]
    """The names of the tools that it may call."""

    @property
    def is_aside(self) -> bool:
        """Whether the agent asks something for itself, such as a title: it offers no tools."""
        return not self.tools


class AnsweredRequest(Value):
    """A request and how it was answered."""

    asked: ModelRequest
    conversation: str | None
    """Its `match`; None where no conversation matched."""
    answered: str
    """`turn`, `hang`, `cut`, the kind of an error, `aside`, or `nothing` where the script had no reply left."""


class Played(Value):
    """What `GET /control` answers."""

    received: tuple[AnsweredRequest, ...]
    left: dict[str, int]
    """Replies not given yet, by conversation."""


class Player:
    """Plays a script: replies are used up, so an agent that asks again after an error gets the next one."""

    def __init__(self, script: Script) -> None:
        self._received: list[AnsweredRequest] = []
        self._left: dict[str, list[Reply]] = {}
        self._script = script
        self.load(script)

    def load(self, script: Script) -> None:
        """Begin another script, with nothing received."""
        self._script = script
        self._received = []
        self._left = {each.match: _one_by_one(each) for each in script.conversations}

    def played(self) -> Played:
        left = {match: len(replies) for match, replies in self._left.items()}
        return Played(received=tuple(self._received), left=left)

    def next_reply(self, asked: ModelRequest) -> Reply | None:
        """The reply to a request; None to an aside and where the script has none left."""
        match = self._match(asked)
        replies = self._left.get(match, []) if match else []
        reply = replies.pop(0) if replies and not asked.is_aside else None
        self._received.append(AnsweredRequest(asked=asked, conversation=match, answered=_word(asked, reply)))
        return reply

    def _match(self, asked: ModelRequest) -> str | None:
        matching = (each.match for each in self._script.conversations if any(each.match in text for text in asked.said))
        return next(matching, None)


def _one_by_one(conversation: ScriptedConversation) -> list[Reply]:
    """Its replies, those that come several times repeated."""
    return [
        reply for reply in conversation.replies for _ in range(reply.times if isinstance(reply, Error | Cut) else 1)
    ]


def _word(asked: ModelRequest, reply: Reply | None) -> str:
    if reply is None:
        return "aside" if asked.is_aside else "nothing"
    return reply.error if isinstance(reply, Error) else reply.reply
