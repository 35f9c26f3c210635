"""What people command in an issue (rule 7.8): lines that begin with `/makima`, outside of code and of quotes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationError

from domain.errors import Refused
from domain.problems import first_problem
from domain.requests import AnswerQuestion, Approve, Reject, Replan, Request
from domain.tolerant import Tolerant

MOST_OF_A_COMMENT = 5
"""Commands of one comment; what comes after them is not heard."""
LONGEST = 8 * 1024
"""Characters of one."""
_COMMAND = re.compile(r"/makima(?:[ \t]+(?P<what>\S.*))?", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>.*)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_PLAN = re.compile(r"[0-9a-f]{8}", re.IGNORECASE)
_KNOWN = "/makima takes approve [PLAN], reject TEXT, answer QUESTION TEXT and replan [TEXT]"


class CommandSaid(Tolerant):
    """A command as somebody has written it who is heard; told once, by its comment."""

    number: int
    """The issue's."""
    comment: int
    place: int = 0
    """Among those of its comment."""
    author: Annotated[str, Field(max_length=100)]
    text: Annotated[str, Field(max_length=LONGEST)]
    """After `/makima`."""
    said_at: datetime | None = None
    """When its comment was written, by the forge's clock."""

    @property
    def key(self) -> str:
        """Names the command: an update of that id is carried out once."""
        return f"issue-{self.number}-comment-{self.comment}-{self.place}"


class PlanTold(Tolerant):
    """The plan that an issue shows as one that waits for approval."""

    name: str = ""
    """Empty: it shows none."""
    since: datetime | None = None
    """By the forge's clock, which has seconds. None: it is not known whether anybody can see it."""

    def meant_by(self, said: CommandSaid) -> str:
        """The plan that a command is about which names none: it was written while this one was to be seen; Refused."""
        if not self.name:
            raise Refused("no plan is shown here that waits for approval")
        if self.since is None or said.said_at is None or said.said_at <= self.since:
            raise Refused(f"it was written before plan {self.name} was to be seen here: read that, and say it again")
        return self.name


def commands_in(text: str) -> list[str]:
    """What stands after `/makima` in each line that commands something. A line of a block of code, of a quote, or in
    what no reader sees is none; nor is one that is indented: markdown makes code of it.
    """
    return list(_commands(_COMMENT.sub("", text)))[:MOST_OF_A_COMMENT]


def _commands(text: str) -> Iterator[str]:
    fence = ""
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if fence:
            closes = found and found["fence"].startswith(fence) and not found["rest"].strip()
            fence = "" if closes else fence
        elif found and not (found["fence"][0] == "`" and "`" in found["rest"]):
            fence = found["fence"]
        elif command := _COMMAND.fullmatch(line.rstrip()):
            yield (command["what"] or "").strip()[:LONGEST]


def request_of(said: CommandSaid, shown: PlanTold) -> tuple[str, Request] | str:
    """The directive's update and what it is given; or why that can't be understood. Refused."""
    verb, _, rest = said.text.partition(" ")
    rest = rest.strip()
    actor = f"{said.author} (issue #{said.number})"
    try:
        match verb.lower():
            case "approve" if not rest or _PLAN.fullmatch(rest):
                return "approve", Approve(actor=actor, plan=rest.lower() or shown.meant_by(said))
            case "reject" if rest:
                return "reject", Reject(actor=actor, plan=shown.meant_by(said), comment=rest)
            case "replan":
                return "replan", Replan(actor=actor, comment=rest)
            case "answer" if rest:
                question, _, answer = rest.partition(" ")
                return "answer", AnswerQuestion(actor=actor, question=question, answer=answer.strip())
    except ValidationError as error:
        return first_problem(error)
    return _KNOWN
