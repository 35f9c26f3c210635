"""What is wrong with finished work: the one form in which it goes back to its agent, and then fails the attempt."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.session.continuing import Ask
from domain.failures import FailureCategory
from domain.prompts import fault_note

ROUNDS = 3
"""How often work with a fault goes back to its agent (rule 6.5)."""
NAMED = 5
"""Files, commits or branches that a fault names."""


@dataclass(frozen=True)
class Fault:
    """Found after the agent's end. It goes back to the agent, up to ROUNDS times; then the attempt fails with it."""

    category: FailureCategory
    report: str
    """What is wrong, for people and for the next attempt."""
    note: str
    """What the agent is told: what is wrong, and what it has to do."""
    is_advice: bool = False
    """It is told once: the work counts all the same."""

    def ask(self, prompt: str) -> Ask:
        """What the agent is asked for the next round; `prompt` is that of its task."""
        return Ask(f"{self.note}\nThis was your task:\n\n{prompt}", self.note)


def fault(category: FailureCategory, wrong: str, remedy: str) -> Fault:
    """One that fails the attempt where the agent doesn't mend it: what is `wrong`, and what the agent can do."""
    return Fault(category, wrong, fault_note(wrong, remedy))


def advice(category: FailureCategory, wrong: str, remedy: str) -> Fault:
    """One that the agent hears of once."""
    return Fault(category, wrong, fault_note(wrong, remedy), is_advice=True)


def named(names: list[str] | tuple[str, ...]) -> str:
    """The first few as a list in a sentence, with the number of the others."""
    more = len(names) - NAMED
    shown = ", ".join(" ".join(name.split()) for name in names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
