"""What Makima asks people about a pull request: each question names what there is to do, and what helps (rule 7.5)."""

from __future__ import annotations

from collections.abc import Sequence

from domain import names
from domain.models import State
from domain.pull_request import Finding
from domain.questions import AGAIN

MOST_TOLD = 10


def no_agent(state: State, work: Sequence[Finding]) -> str:
    """There is something to mend, and nobody who reads what it is."""
    edit = f"`starter.py edit {names.short(state.directive.id)} --fixer NAME`"
    return (
        f"The pull request needs work, and no agent of this directive reads instructions: {_titles(work)}. "
        f"Push what is missing to its branch; or choose an agent with {edit} and answer {AGAIN!r}."
    )


def waiting(work: Sequence[Finding]) -> str:
    """A check goes on once a person has done something at the forge."""
    return (
        f"A check of the pull request waits for a person, and no agent can do that: {_titles(work)}. "
        f"See to it there; this answers itself once the check is over."
    )


def rounds_used(state: State, work: Sequence[Finding]) -> str:
    """There is still something to mend after all rounds of fixes."""
    known = state.pull_request
    url = known.url if known else ""
    return f"{state.shepherding.rounds} rounds of fixes were not enough for {url}: {_titles(work)}. Go on?"


def _titles(work: Sequence[Finding]) -> str:
    return "; ".join(" ".join(f"{each.title} {each.url}".split()) for each in work[:MOST_TOLD])
