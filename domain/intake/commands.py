"""What people command in an issue (rule 7.8): lines that begin with `/makima`, outside of code and of quotes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, ValidationError

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
_KNOWN = "/makima takes approve, reject TEXT, answer QUESTION TEXT and replan [TEXT]"


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

    @property
    def key(self) -> str:
        """Names the command: an update of that id is carried out once."""
        return f"issue-{self.number}-comment-{self.comment}-{self.place}"


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


def request_of(said: CommandSaid) -> tuple[str, Request] | str:
    """The directive's update and what it is given; or why that can't be understood."""
    verb, _, rest = said.text.partition(" ")
    rest = rest.strip()
    actor = f"{said.author} (issue #{said.number})"
    try:
        match verb.lower():
            case "approve" if not rest:
                return "approve", Approve(actor=actor)
            case "reject" if rest:
                return "reject", Reject(actor=actor, comment=rest)
            case "replan":
                return "replan", Replan(actor=actor, comment=rest)
            case "answer" if rest:
                question, _, answer = rest.partition(" ")
                return "answer", AnswerQuestion(actor=actor, question=question, answer=answer.strip())
    except ValidationError as error:
        return first_problem(error)
    return _KNOWN
