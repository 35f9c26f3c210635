"""What the end of a turn means. `end_turn` proves nothing: agents say it of a refused login and of a limit, too."""

from __future__ import annotations

from daemon.agents.acp.frames import AUTH_REQUIRED, Failed
from daemon.agents.acp.profile import Profile
from daemon.agents.error_texts import ending_of
from daemon.agents.signs import Sign
from daemon.agents.stream_events import Ending

_STOPS = {
    "end_turn": Ending.COMPLETED,
    "max_turn_requests": Ending.BUDGET,
    "max_tokens": Ending.CRASHED,
    "refusal": Ending.GAVE_UP,
    "cancelled": Ending.KILLED,
}
_LAST_LINES = 12
_TROUBLES = (Ending.AUTH, Ending.LIMIT, Ending.CONTEXT, Ending.NETWORK)
_SHORT = 500
"""Characters of a message that may be nothing but an error."""
_HTTP = range(400, 600)


class Ends:
    """The ends of one agent, by its profile; each with its words."""

    def __init__(self, profile: Profile) -> None:
        self._signs: dict[Ending, Sign] = {
            Ending.LIMIT: profile.limit,
            Ending.CAPACITY: profile.capacity,
            Ending.AUTH: profile.auth,
            Ending.CONTEXT: profile.context,
        }

    def of_turn(self, reason: str, message: str, pieces: tuple[str, ...], *, has_worked: bool) -> tuple[Ending, str]:
        """`message`: its last one, after its last tool; `pieces`: as it came; `has_worked`: it has called a tool."""
        ending = _STOPS.get(reason, Ending.CRASHED)
        if reason == "end_turn":
            lines = [line for line in message.splitlines() if line.strip()][-_LAST_LINES:]
            by_sign = self._by_sign([*pieces, *lines])
            return by_sign or (ending if has_worked else _of_words(message)), message
        return ending, message or f"it stopped: {reason}"

    def of_error(self, failed: Failed) -> tuple[Ending, str]:
        words = failed.words
        if by_sign := self._by_sign([words]):
            return by_sign, words
        if failed.code == AUTH_REQUIRED:
            return Ending.AUTH, words
        status = failed.code if failed.code in _HTTP else None
        return ending_of(words, status), words

    def of_silence(self, words: str) -> tuple[Ending, str]:
        """It waits for its model, and hides for what: nearly always for the end of a limit."""
        return Ending.LIMIT, words

    def _by_sign(self, lines: list[str]) -> Ending | None:
        return next((ending for ending, sign in self._signs.items() if sign.begins(lines)), None)


def _of_words(message: str) -> Ending:
    """What a turn without any tool was that ends in nothing but a few words: a plan in JSON is none of those."""
    if len(message) > _SHORT or set(message) & set("{["):
        return Ending.COMPLETED
    last = message.strip().rpartition("\n")[2]
    ending = ending_of(last, otherwise=Ending.COMPLETED)
    return ending if ending in _TROUBLES else Ending.COMPLETED
