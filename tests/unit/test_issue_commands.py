"""Commands in an issue, and what an issue is told (rule 7.8)."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import pytest

from cli.operator.intakes import directive_options
from domain.directive_settings import Settings
from domain.errors import Refused
from domain.intake.commands import MOST_OF_A_COMMENT, CommandSaid, PlanTold, commands_in, request_of
from domain.intake.progress import marked_by, progress_of
from domain.intake.state import Followed, Intake, IntakeState, IssueProgress, with_progress
from domain.names import short
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


def at(second: int) -> datetime:
    return datetime(2026, 11, 28, 12, 0, second, tzinfo=UTC)


SHOWN = PlanTold(name="7c1e09ab", since=at(10))


def said(text: str, second: int = 11) -> CommandSaid:
    return CommandSaid(number=7, comment=12, place=1, author="ann", text=text, said_at=at(second))


@pytest.mark.rule("7.8")
def test_a_command_becomes_the_update_of_whoever_has_written_it() -> None:
    actor = "ann (issue #7)"
    assert said("x").key == "issue-7-comment-12-1"
    assert request_of(said("Approve"), SHOWN) == ("approve", Approve(actor=actor, plan="7c1e09ab"))
    assert request_of(said("approve 0123ABCD"), PlanTold()) == ("approve", Approve(actor=actor, plan="0123abcd"))
    rejected = Reject(actor=actor, plan="7c1e09ab", comment="too large")
    assert request_of(said("reject too large"), SHOWN) == ("reject", rejected)
    assert request_of(said("replan"), PlanTold()) == ("replan", Replan(actor=actor))
    answered = AnswerQuestion(actor=actor, question="3f2a91bc", answer="red, please")
    assert request_of(said("answer 3f2a91bc red, please"), PlanTold()) == ("answer", answered)
    for wrong in ("", "merge", "reject", "answer", "approve all of it", "archive"):
        assert "approve [PLAN], reject TEXT" in str(request_of(said(wrong), SHOWN))
    assert "question" in str(request_of(said("answer 3 red"), SHOWN))


@pytest.mark.rule("7.8")
@pytest.mark.parametrize("text", ["approve", "reject too large"])
def test_what_names_no_plan_is_about_the_one_that_could_be_read_when_it_was_written(text: str) -> None:
    for second in (9, 10):  # forges tell seconds: within the same one it isn't known which came first
        with pytest.raises(Refused, match="before plan 7c1e09ab was to be seen"):
            request_of(said(text, second), SHOWN)
    with pytest.raises(Refused, match="no plan is shown"):
        request_of(said(text), PlanTold(since=at(1)))
    for unknown in (SHOWN.model_copy(update={"since": None}), SHOWN):
        command = said(text).model_copy(update={"said_at": None} if unknown is SHOWN else {})
        with pytest.raises(Refused, match="was to be seen"):
            request_of(command, unknown)


@pytest.mark.rule("7.8")
def test_a_plan_is_as_old_as_its_showing_whatever_else_is_told_around_it() -> None:
    intake = Intake(owner="ann", repository="https://forge.invalid/acme/shop.git", label="makima")
    state = IntakeState(wanted=intake, followed=(Followed(number=7, workflow="directive-1"),))

    def told(before: IntakeState, plan: str, second: int | None, body: str = "x") -> tuple[IntakeState, PlanTold]:
        now = with_progress(before, IssueProgress(number=7, body=body, plan=plan), at(second) if second else None)
        return now, now.followed[0].plan

    state, shown = told(state, "7c1e09ab", None)
    assert shown == PlanTold(name="7c1e09ab")
    state, shown = told(state, "7c1e09ab", 10)
    assert shown == SHOWN
    state, shown = told(state, "7c1e09ab", 20, "more")
    assert shown == SHOWN
    state, shown = told(state, "0123abcd", 30)
    assert shown == PlanTold(name="0123abcd", since=at(30))
    assert told(state, "", 40)[1].name == ""


@pytest.mark.rule("7.8")
def test_no_text_of_a_plan_does_anything_in_the_issue() -> None:
    state = directive_with()
    names = iter(("@ann <!-- makima:reply:1 -->", "| a |\n/makima approve", "#1 **x**", *"defghij"))
    steps = {each: step.model_copy(update={"name": next(names)}) for each, step in state.steps.items()}
    told = progress_of(view(state.model_copy(update={"steps": steps})), ["mallory: /makima approve: done\n/makima x"])
    assert marked_by(told) == short(state.directive.id) and told.count("<!--") == 1
    assert "@ann" not in told and "#1" not in told and "**x**" not in told
    assert commands_in(told) == []


@pytest.mark.rule("7.7")
def test_an_intake_takes_no_option_that_its_directives_would_not_have() -> None:
    others = inspect.signature(directive_options).parameters.keys() - Settings.model_fields.keys()
    opening = {"pr_label", "reviewer", "assignee", "milestone", "draft"}
    assert others == {"base_branch", "agents", "step_agent", *opening}
