"""Whose words about a pull request count: asked of what the forge lets each login do, never of what a comment says.

Anybody may write below a public pull request. What is heard becomes a task for an agent whose result is pushed into the
repository, so only people who could have pushed it themselves are heard, unless the settings say otherwise.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from daemon.forges.forge_settings import Listening, ListenTo
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.said import User

MOST_KNOWN = 1000
"""Logins whose permission is remembered."""
MOST_ASKED = 50
"""Logins that one look asks the forge about; a crowd of strangers must not use up the rate limit. The others are asked
about by the next looks."""
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_RELATED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""Associations of people who may have write access, though none of them says so: they are asked about first."""


class NotHeard(StrEnum):
    """Why somebody is not heard, in the words that the history shows."""

    NO_WRITE = "no write access to the repository"
    UNKNOWN = "the forge does not say what they may do"
    BOT = "a bot that the setting `bots` does not name"
    NOT_NAMED = "not named in the setting `listen_to`"
    GONE = "the account is gone"
    FORK = "ran for a fork"
    UNSAID = "the forge does not say for whom it ran"


class Permission(Protocol):
    """What the forge says of somebody."""

    @property
    def user(self) -> User | None:
        """Of whom."""
        ...

    @property
    def writes(self) -> bool | None:
        """Whether they may push; None: it says something that we don't know."""
        ...


Asking = Callable[[User], Awaitable[Permission]]
"""Asks the forge about somebody whose login could be no other address; raises Declined where it doesn't say."""


@dataclass(frozen=True)
class Author:
    """Who has said something; `association` is what the forge calls the relation to the repository."""

    user: User | None
    association: str = ""

    @property
    def login(self) -> str:
        """Logins differ in more than their case."""
        return self.user.login.lower() if self.user else ""

    @property
    def key(self) -> str:
        """The account: its login, and its number where the forge tells it."""
        return f"{self.login}#{self.user.id}" if self.user and self.user.id is not None else self.login


class Admitted:
    """What is known of the authors of one pull request."""

    def __init__(self, listening: Listening, permissions: Mapping[str, bool | None]) -> None:
        """`permissions`: an author's key → may write; None: the forge doesn't say."""
        self._listening = listening
        self._permissions = permissions

    def refusal(self, author: Author) -> NotHeard | None:
        """Why the author isn't heard; None: is heard, or nothing is known yet (`is_pending`)."""
        if not _is_asked_about(author, self._listening):
            return _refusal(author, self._listening)
        writes = self._permissions.get(author.key, True)
        return NotHeard.UNKNOWN if writes is None else None if writes else NotHeard.NO_WRITE

    def is_pending(self, author: Author) -> bool:
        """Whether the forge was not asked about the author yet, who is then neither heard nor refused."""
        return _is_asked_about(author, self._listening) and author.key not in self._permissions

    def admits(self, author: Author) -> bool:
        return not self.is_pending(author) and self.refusal(author) is None


class Audience:
    """Asks the forge what people may do in one repository, and believes it for a while."""

    def __init__(
        self, ask: Asking, listening: Listening, believed: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`believed`: for how many seconds an answer is."""
        self._asking = ask
        self._believed = believed
        self._listening = listening
        self._clock = clock
        self._known: OrderedDict[str, tuple[bool | None, float]] = OrderedDict()
        """An author's key → may write, and until when that is believed."""

    async def of(self, authors: Iterable[Author]) -> Admitted:
        """What is known of these authors, asked where it must be.

        Raises ForgeUnreachable, ForgeRefused (401): then nobody is judged.
        """
        asked_about = {each.key: each for each in authors if _is_asked_about(each, self._listening)}
        now = self._clock()
        fresh = {key: self._known[key][0] for key in asked_about if key in self._known and self._known[key][1] > now}
        unknown = [each for key, each in asked_about.items() if key not in fresh]
        unknown.sort(key=lambda each: each.association not in _RELATED)
        for author in unknown[:MOST_ASKED]:
            fresh[author.key] = await self._ask(author)
            self._keep(author.key, fresh[author.key])
        return Admitted(self._listening, fresh)

    async def _ask(self, author: Author) -> bool | None:
        """Whether the author may write; None: the forge doesn't say."""
        assert author.user is not None
        login = author.user.login
        if not _LOGIN.fullmatch(login):
            return None  # nothing that could be another address
        try:
            found = await self._asking(author.user)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return None
        return found.writes if _is_same(author.user, found.user) else None

    def _keep(self, key: str, writes: bool | None) -> None:
        self._known[key] = (writes, self._clock() + self._believed)
        self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _is_same(author: User, told: User | None) -> bool:
    """Whether it is the author whom the forge has told of: the login may be somebody else's by now, and an answer that
    names nobody doesn't say.
    """
    if told is None:
        return False
    is_other = author.id is not None and told.id is not None and author.id != told.id
    return told.login.lower() == author.login.lower() and not is_other


def _is_asked_about(author: Author, listening: Listening) -> bool:
    """Whether it is the author's permission that decides."""
    return listening.listen_to is ListenTo.WRITERS and author.user is not None and author.user.is_person


def _refusal(author: Author, listening: Listening) -> NotHeard | None:
    """What the settings alone say of the author; None: heard."""
    user, listen_to = author.user, listening.listen_to
    if user is not None and user.is_bot:
        return None if author.login in listening.bot_logins else NotHeard.BOT
    if listen_to is ListenTo.ANYONE:
        return None
    if user is None:
        return NotHeard.GONE
    if not user.is_person:  # an organization, or a name that was imported from another forge
        return NotHeard.UNKNOWN
    return None if author.login in listening.logins else NotHeard.NOT_NAMED
