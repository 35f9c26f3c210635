"""What people and programs are shown of a pull request: a part of `--json`, and a line of the Web UI."""

from __future__ import annotations

import re

from domain.models import State
from domain.pull_request import PullRequest, PullRequestState
from domain.pull_requests.watching import rounds_left, wanted_watch
from domain.value import Value
from domain.visible import visible


class PullRequestView(Value):
    branch: str
    head: str
    url: str
    state: str
    number: int
    version: int
    watched: bool
    """Failed checks, reviews, conflicts and its end are noticed (rule 7.5)."""
    approved: bool
    failing: tuple[str, ...]
    """The failed checks of its head."""
    blocked: tuple[str, ...] = ()
    """Why it can't be merged now, as far as the forge tells."""
    rounds_left: int
    """Of fixes, before an operator is asked."""
    not_heard: int = 0
    """How much was said about it by people and bots whose words don't count."""


def pull_request_view(state: State, pull_request: PullRequest) -> PullRequestView:
    """All that is known of it without asking the forge."""
    return PullRequestView(
        **pull_request.model_dump(exclude={"base"}),
        watched=wanted_watch(state) is not None and not pull_request.state.is_over,
        approved=state.shepherding.approved,
        failing=state.shepherding.failing,
        blocked=blocked(state, pull_request),
        rounds_left=rounds_left(state),
        not_heard=len(state.shepherding.unheard),
    )


def blocked(state: State, pull_request: PullRequest) -> tuple[str, ...]:
    """Why it can't be merged now; of one that is over, nothing."""
    if pull_request.state.is_over:
        return ()
    is_draft = ("it is a draft",) if pull_request.state is PullRequestState.DRAFT else ()
    return (*is_draft, *state.shepherding.blocked)


def standing(state: State, pull_request: PullRequest) -> str:
    """`open, approved, failed: lint`: what people ask of a pull request first."""
    approved = ["approved"] if state.shepherding.approved else []
    failing = [f"failed: {plain(', '.join(state.shepherding.failing))}"] if state.shepherding.failing else []
    blocks = [f"can't be merged: {plain('; '.join(state.shepherding.blocked))}"] if state.shepherding.blocked else []
    said = () if pull_request.state.is_over else (*approved, *failing, *blocks)
    return ", ".join([pull_request.state.value, *said])


def plain(text: str) -> str:
    """Text of a person or agent as one line that markdown leaves as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", visible(" ".join(text.split())))
