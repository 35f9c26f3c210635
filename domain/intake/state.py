"""An intake (rule 7.7): which issues of a repository become directives by themselves, and which have; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid5

from pydantic import Field, StringConstraints

from domain.directive_settings import Settings
from domain.errors import Refused
from domain.intake.commands import CommandSaid, PlanTold
from domain.intake.issue import IssueRead
from domain.intake.progress import digest_of
from domain.intake.taken import LeftAlone, Taken
from domain.repository_url import parse_repository_url
from domain.tolerant import Tolerant

_ISSUES = UUID("0f0b7c36-9a55-4c0e-8d0f-2d7a5f2b6c11")
"""The name space of the ids of directives that came from issues: a function of the issue, not chance."""
MOST_TAKEN = 2000
"""Numbers of issues that an intake remembers; the record knows of all."""
MOST_AT_ONCE = 5
"""Issues that one look brings: their texts travel with it."""
MOST_FOLLOWED = 100
MOST_HANDLED = 300
"""Commands of an issue that are remembered; a directive itself remembers which it has carried out."""
MOST_ANSWERS = 10
MOST_LEFT = 100
"""Labelled issues that are told of as not taken."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f,]*[^\x00-\x20\x7f,]$")]
"""Without a comma, which stands between labels where a forge is asked for them."""


class Intake(Tolerant):
    """What `intake add` was told."""

    owner: str
    repository: str
    """Where it is cloned from."""
    label: Label
    base_branch: str = ""
    settings: Settings = Settings()
    """Of each directive, but for the issue that it closes."""
    every: timedelta = timedelta(minutes=1)
    """Between two looks at the forge."""


class Followed(Tolerant):
    """A directive whose issue is told how it goes, and in whose issue commands are heard."""

    number: int
    workflow: Annotated[str, Field(max_length=300)]
    plan: PlanTold = PlanTold()
    digest: str = ""
    """Of what the issue was told last; empty: nothing yet."""
    handled: tuple[str, ...] = ()
    """The keys of commands that were carried out, or refused."""
    answers: tuple[Annotated[str, Field(max_length=1000)], ...] = ()
    """What became of the latest of them."""


class DirectivesWatched(Tolerant):
    """Look at directives until one of them has something new to tell its issue."""

    followed: tuple[Followed, ...]
    every: timedelta


class IssueProgress(Tolerant):
    """What an issue is to be told now."""

    number: int
    body: str
    plan: str = ""
    """The name of the plan that is shown to wait for approval; empty: none does."""
    is_over: bool = False
    """Nothing more will come."""


class ProgressTold(Tolerant):
    owner: str
    repository: str
    number: int
    body: str


class IssueTold(Tolerant):
    """What became of telling it."""

    at: datetime | None = None
    """Since when it can be read there, by the forge's clock; None: it can't, or that isn't known."""


class CommandGiven(Tolerant):
    """A command, the workflow of the directive that it is for, and the plan that could be seen when it was heard."""

    workflow: str
    said: CommandSaid
    plan: PlanTold = PlanTold()


class IntakeState(Tolerant):
    """Where an intake stands."""

    wanted: Intake
    taken: tuple[Taken, ...] = ()
    """The oldest first."""
    left: tuple[LeftAlone, ...] = ()
    trouble: Annotated[str, Field(max_length=1000)] = ""
    """Why the forge could not be asked at the last look that brought news."""
    followed: tuple[Followed, ...] = ()
    """The newest of those that are not over."""


class IssueLook(Tolerant):
    """Look at a repository's labelled issues until there is news."""

    owner: str
    repository: str
    label: Label
    taken: tuple[int, ...] = ()
    left: tuple[LeftAlone, ...] = ()
    trouble: str = ""
    followed: tuple[Followed, ...] = ()
    every: timedelta = timedelta(minutes=1)


class IssuesSeen(Tolerant):
    """What is new."""

    found: tuple[IssueRead, ...] = ()
    """Those to be taken."""
    commands: tuple[CommandSaid, ...] = ()
    """Those of people who are heard, that were not handled yet."""
    left: tuple[LeftAlone, ...] = ()
    trouble: Annotated[str, Field(max_length=1000)] = ""

    def is_news_to(self, look: IssueLook) -> bool:
        return bool(self.found or self.commands) or (self.left, self.trouble) != (look.left, look.trouble)


class IssueTaken(Tolerant):
    """A directive to be started for an issue, unless there is one."""

    wanted: Intake
    issue: IssueRead


def look_of(state: IntakeState) -> IssueLook:
    wanted = state.wanted
    return IssueLook(
        owner=wanted.owner,
        repository=wanted.repository,
        label=wanted.label,
        taken=tuple(each.number for each in state.taken),
        left=state.left,
        trouble=state.trouble,
        followed=state.followed,
        every=wanted.every,
    )


def with_taken(state: IntakeState, taken: Iterable[Taken]) -> IntakeState:
    """The same with these; of one that is known already nothing changes."""
    new = [each for each in taken if all(other.number != each.number for other in state.taken)]
    followed = (*state.followed, *(Followed(number=each.number, workflow=each.workflow) for each in new))
    return state.model_copy(update={"taken": (*state.taken, *new)[-MOST_TAKEN:], "followed": followed[-MOST_FOLLOWED:]})


def with_answer(state: IntakeState, said: CommandSaid, answer: str) -> IntakeState:
    """The same once a command is dealt with: it is not heard again, and its issue is told what became of it."""
    line = f"{said.author}: {said.text[:200]}: {answer}"[:1000]

    def dealt_with(one: Followed) -> Followed:
        if one.number != said.number:
            return one
        handled, answers = (*one.handled, said.key)[-MOST_HANDLED:], (*one.answers, line)[-MOST_ANSWERS:]
        return one.model_copy(update={"handled": handled, "answers": answers})

    return state.model_copy(update={"followed": tuple(map(dealt_with, state.followed))})


def with_progress(state: IntakeState, told: IssueProgress, at: datetime | None) -> IntakeState:
    """The same once an issue was told; what is over is followed no more. A plan that stands there is not a newer one
    because something else has changed around it.
    """
    digest = digest_of(told.body)

    def shown(before: PlanTold) -> PlanTold:
        is_known = before.name == told.plan and before.since is not None
        return before if is_known else PlanTold(name=told.plan, since=at)

    followed = (
        each.model_copy(update={"digest": digest, "plan": shown(each.plan)}) if each.number == told.number else each
        for each in state.followed
        if each.number != told.number or not told.is_over
    )
    return state.model_copy(update={"followed": tuple(followed)})


def directive_of_issue(owner: str, repository: str, number: int) -> UUID:
    """The id of the one directive that an issue becomes, for whichever intake and however often it is seen."""
    at = parse_repository_url(repository, allow_local=False)
    return uuid5(_ISSUES, f"{owner}\n{at.host}/{at.path.lower()}#{number}")


def intake_prefix(owner: str) -> str:
    """What the ids of an owner's intakes begin with."""
    return f"intake-{owner}-"


def intake_id(owner: str, repository: str) -> str:
    """The id of the one workflow that an intake of a repository is: Temporal refuses a second one."""
    at = parse_repository_url(repository, allow_local=True)
    if not at.host:
        raise Refused(f"{at.display} is at no forge: an intake takes issues of a repository at one")
    return f"{intake_prefix(owner)}{at.host}/{at.path.lower()}"
