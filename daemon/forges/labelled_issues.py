"""The labelled issues of a repository (rules 7.7 and 7.8): which are to be taken, and what is commanded there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from daemon.forges.audience import Admitted, Author, NotHeard
from daemon.forges.issue_talk import Issues, Listed, has_label
from daemon.forges.remarks import name_of
from daemon.forges.said import User
from domain.intake.commands import CommandSaid
from domain.intake.issue import IssueRead, IssueStanding
from domain.intake.state import MOST_AT_ONCE, MOST_LEFT
from domain.intake.taken import LeftAlone

MOST_LEARNED = 50
"""Issues of which one look asks who has labelled them; the next look asks about others."""
SETTLED = 2
"""Looks that have to find the same before an issue isn't read again until it changes: forges tell the time of a change
in seconds, so that a second change within one is told of by the same time.
"""
_TAKEN = "directive {} of another owner's intake works on it, as our comment there says"
_TEXT = "its text ({}): `start --issue` takes it, once you have read it"


@dataclass(frozen=True)
class Labelled:
    """Who has given a labelled issue its label, and whose words in its text would not count; None: the forge doesn't
    say who, and nobody's.
    """

    changed: str
    by: User | None
    strange: Author | None = None
    worked_on: str = ""
    """As `IssueRead` has it."""
    looks: int = 1


class LabelledIssues:
    """The issues of a repository that have a label, and what is known of them between two looks."""

    def __init__(self, label: str, becomes: Callable[[int], str]) -> None:
        """`becomes`: the beginning of the id of the directive that an issue becomes."""
        self._label = label
        self._becomes = becomes
        self._known: dict[int, Labelled] = {}
        self._heard: dict[int, tuple[str, int]] = {}
        """Number → when an issue had changed last in which nothing is left to be heard, and how many looks say so."""

    async def look(
        self, issues: Issues, taken: Collection[int], followed: Mapping[int, Collection[str]] = MappingProxyType({})
    ) -> tuple[list[IssueRead], list[LeftAlone], list[CommandSaid]]:
        """Those to be taken, a few at a time, those that aren't, with the reason, and what is commanded in those that
        are followed: number → keys of what was handled.
        """
        all_ = await issues.asking.labelled(self._label)
        commands = await self._commands(issues, [each for each in all_ if each.number in followed], followed)
        listed = [each for each in all_ if each.number not in taken]
        await self._learn(issues, listed)
        known = {each.number: self._known[each.number] for each in listed if each.number in self._known}
        people = [each for one in known.values() for each in (Author(one.by), one.strange) if each is not None]
        heard = await issues.audience.of(people)
        found: list[IssueRead] = []
        left: list[LeftAlone] = []
        for number, one in sorted(known.items()):
            if why := _why_not_ours(one) or _why_not_labelled(one, heard) or _why_not_read(one, heard):
                left.append(LeftAlone(number=number, why=why))
            elif len(found) < MOST_AT_ONCE:
                read, strange = await issues.read_for_taking(number, self._becomes(number))
                self._known[number] = replace(one, strange=strange, worked_on=read.worked_on)
                if read.worked_on:
                    left.append(LeftAlone(number=number, why=_TAKEN.format(read.worked_on)))
                elif strange is not None:
                    left.append(LeftAlone(number=number, why=_TEXT.format(read.unheard_text)[:300]))
                elif read.standing is IssueStanding.OPEN and has_label(self._label, read.labels):
                    found.append(read)
        return found, left[:MOST_LEFT], commands

    async def _commands(
        self, issues: Issues, listed: list[Listed], followed: Mapping[int, Collection[str]]
    ) -> list[CommandSaid]:
        """An issue is read again once anything has changed; where it holds a command, until that is handled."""
        found: list[CommandSaid] = []
        for each in listed:
            changed, looks = self._heard.get(each.number, ("", 0))
            looks = looks if changed == each.changed else 0
            if looks < SETTLED and len(found) < MOST_AT_ONCE:
                told = await issues.commands(each.number, self._becomes(each.number), followed[each.number])
                found += told
                self._heard[each.number] = (each.changed, 0 if told else looks + 1)
        return found[:MOST_AT_ONCE]

    async def _learn(self, issues: Issues, listed: list[Listed]) -> None:
        """Who has set the labels; asked anew where anything has changed, of some at a time."""
        numbers = {each.number for each in listed}
        self._known = {number: each for number, each in self._known.items() if number in numbers}
        for each in [each for each in listed if not self._is_settled(each)][:MOST_LEARNED]:
            known = self._known.get(each.number)
            looks = known.looks if known and known.changed == each.changed else 0
            by = await issues.asking.labeller(each.number, self._label)
            self._known[each.number] = Labelled(each.changed, by, looks=looks + 1)

    def _is_settled(self, listed: Listed) -> bool:
        known = self._known.get(listed.number)
        return known is not None and known.changed == listed.changed and known.looks >= SETTLED


def _why_not_ours(one: Labelled) -> str:
    return _TAKEN.format(one.worked_on) if one.worked_on else ""


def _why_not_labelled(one: Labelled, heard: Admitted) -> str:
    if one.by is None:
        return "the forge does not say who has set the label"
    author = Author(one.by)
    if heard.admits(author):
        return ""
    reason = heard.refusal(author)
    return f"labelled by {name_of(one.by)[:100]}: {(reason or NotHeard.UNKNOWN).value}"


def _why_not_read(one: Labelled, heard: Admitted) -> str:
    """Of a text that was read before, and has not changed since."""
    if one.strange is None or heard.admits(one.strange):
        return ""
    reason = heard.refusal(one.strange)
    told = f"{name_of(one.strange.user)[:100]}: {(reason or NotHeard.UNKNOWN).value}"
    return _TEXT.format(told)[:300]
