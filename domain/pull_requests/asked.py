"""Questions about what was found at a pull request (rule 7.5): each ends by itself once nothing of it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from domain.asking import Topic, ask_operator
from domain.change import Draft
from domain.models import State
from domain.pull_request import Finding
from domain.pull_requests.seen import capped


def ask_about(draft: Draft, topic: Topic, work: Sequence[Finding], text: str, choices: tuple[str, ...]) -> None:
    """Ask once about `work`, which is seen to from now on."""
    see(draft, work)
    asked = ask_operator(draft, topic, _occasion(draft.state, topic, work), text, choices)
    shepherding = draft.state.shepherding
    about = {**shepherding.asked_about, asked: tuple(each.id for each in work)}
    draft.set(shepherding=shepherding.model_copy(update={"asked_about": about}))


def see(draft: Draft, work: Sequence[Finding]) -> None:
    """Remember that something was done about it."""
    shepherding = draft.state.shepherding
    seen = capped((*shepherding.seen, *(each.id for each in work)))
    draft.set(shepherding=shepherding.model_copy(update={"seen": seen}))


def _occasion(state: State, topic: Topic, work: Sequence[Finding]) -> str:
    """Of a question about `work`, which may have been asked about before, and have ended."""
    occasion = hashlib.sha256("\n".join(each.id for each in work).encode()).hexdigest()[:12]
    before = sum(each.topic.startswith(f"{topic}:{occasion}") for each in state.questions.values())
    return f"{occasion}.{before}" if before else occasion
