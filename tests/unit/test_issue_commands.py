"""Commands in an issue, and what an issue is told (rule 7.8)."""

from __future__ import annotations

import inspect

import pytest

from cli.operator.intakes import directive_options
from domain.directive_settings import Settings
from domain.intake.commands import MOST_OF_A_COMMENT, CommandSaid, commands_in, request_of
from domain.intake.progress import PROGRESS_MARK, progress_of
from domain.requests import AnswerQuestion, Approve, Reject, Replan
from domain.view import view
from tests.values import directive_with


@pytest.mark.rule("7.8")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/makima approve", ["approve"]),
        ("Fine.\r\n/makima   answer 3f2a  red and blue  \r\nThanks", ["answer 3f2a  red and blue"]),
        ("/MAKIMA approve\n/makima", ["approve", ""]),
        ("say /makima approve", []),
        ("> /makima approve", []),
        ("    /makima approve", []),
        (" /makima approve", []),
        ("/makimas approve", []),
        ("```\n/makima approve\n```", []),
        ("~~~~ sh\n~~~\n/makima approve\n~~~~~\n/makima replan", ["replan"]),
        ("````\n```\n/makima approve", []),
        ("``` not a fence ```\n/makima approve", ["approve"]),
        ("<!-- \n/makima approve\n-->", []),
        ("<!--\n/makima approve", []),
        ("/makima replan\n" * 9, ["replan"] * MOST_OF_A_COMMENT),
    ],
)
def test_only_lines_that_a_reader_sees_as_commands_are_some(text: str, found: list[str]) -> None:
    assert commands_in(text) == found


def said(text: str) -> CommandSaid:
    return CommandSaid(number=7, comment=12, place=1, author="ann", text=text)


@pytest.mark.rule("7.8")
def test_a_command_becomes_the_update_of_whoever_has_written_it() -> None:
    actor = "ann (issue #7)"
    assert said("x").key == "issue-7-comment-12-1"
    assert request_of(said("Approve")) == ("approve", Approve(actor=actor))
    assert request_of(said("reject too large")) == ("reject", Reject(actor=actor, comment="too large"))
    assert request_of(said("replan")) == ("replan", Replan(actor=actor))
    answered = AnswerQuestion(actor=actor, question="3f2a91bc", answer="red, please")
    assert request_of(said("answer 3f2a91bc red, please")) == ("answer", answered)
    for wrong in ("", "merge", "reject", "answer", "approve all of it", "archive"):
        assert "approve, reject TEXT" in str(request_of(said(wrong)))
    assert "question" in str(request_of(said("answer 3 red")))


@pytest.mark.rule("7.8")
def test_no_text_of_a_plan_does_anything_in_the_issue() -> None:
    state = directive_with()
    names = iter(("@ann <!-- makima:reply:1 -->", "| a |\n/makima approve", "#1 **x**", *"defghij"))
    steps = {each: step.model_copy(update={"name": next(names)}) for each, step in state.steps.items()}
    told = progress_of(view(state.model_copy(update={"steps": steps})), ["mallory: /makima approve: done\n/makima x"])
    assert told.startswith(PROGRESS_MARK) and told.count("<!--") == 1
    assert "@ann" not in told and "#1" not in told and "**x**" not in told
    assert commands_in(told) == []


@pytest.mark.rule("7.7")
def test_an_intake_takes_no_option_that_its_directives_would_not_have() -> None:
    others = inspect.signature(directive_options).parameters.keys() - Settings.model_fields.keys()
    assert others == {"base_branch", "agents", "step_agent"}
