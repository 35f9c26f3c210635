"""What `start` takes where nothing was typed: another directive's options, defaults."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.operator.intakes import OF_ONE_GOAL
from domain.directive_settings import CompletionRule
from domain.errors import Refused
from domain.opening_choice import DraftPolicy, MergeMethod, OpeningChoice
from domain.requests import EditDirective
from domain.start_defaults import StartDefaults
from steering.filled_options import like, with_defaults
from steering.new_directive import StartOptions, new_directive
from steering.schedules import OF_ONE_DIRECTIVE
from steering.tools import Tool

pytestmark = pytest.mark.rule("2.13")
URL = "https://example.invalid/shop.git"


def options(**given: Any) -> StartOptions:
    return StartOptions(**{"title": "Login", "goal": "Users log in", "repo": URL, "planner": "claude", **given})


def test_another_directives_options_count_for_all_that_was_not_typed() -> None:
    first = options(
        agent="claude,codex",
        fixer="mender",
        resolver="mender",
        requirement=["Hashed"],
        acceptance=["It works"],
        constraint=["No new library"],
        base_branch="next",
        label="gpu",
        once=True,
        fail_fast=True,
        completion=CompletionRule.ALL,
        require_approval=True,
        memory=True,
        setup=["npm ci"],
        verify=["npm test", "npm run lint"],
        pull_request=False,
        shepherd=False,
        shepherd_rounds=5,
        step_agent=["cheap:small"],
        fallback_after=3,
        branch_prefix="feature/",
        pr_label=["bot", "area/shop"],
        reviewer=["ann", "acme/core"],
        assignee=["ben"],
        milestone="1.0",
        draft=DraftPolicy.ALWAYS,
        keep_branches=True,
        max_parallel_steps=3,
        max_attempts=4,
        max_turns=50,
        max_cost_usd=2.5,
        budget="20usd, 5M tokens",
        timings="fast",
    )
    before = new_directive(first, "me").directive
    again = new_directive(like(StartOptions(), before), "me").directive
    assert again.id != before.id
    assert again.model_copy(update={"id": before.id}) == before

    typed = like(StartOptions(goal="Users log out", max_attempts=1, agents="codex", on="box"), before)
    other = new_directive(typed, "me").directive
    assert (other.text.goal, other.text.title, other.settings.max_attempts) == ("Users log out", "Login", 1)
    assert other.settings.planner and (other.settings.planner.name, other.settings.agent.name) == ("codex", "codex")
    assert (other.settings.on, other.settings.label) == ("box", "")
    assert other.settings.fallback_after == timedelta(minutes=3)


@pytest.mark.rule("7.4")
def test_that_a_pull_request_is_merged_by_itself_is_typed_for_each_directive(tmp_path: Path) -> None:
    before = new_directive(options(pr_label=["bot"], auto_merge=MergeMethod.SQUASH), "me").directive
    assert before.settings.opening == OpeningChoice(labels=("bot",), auto_merge=MergeMethod.SQUASH)
    again = new_directive(like(StartOptions(), before), "me").directive
    assert again.settings.opening == OpeningChoice(labels=("bot",))
    file = tmp_path / "config.toml"
    file.write_text('[start]\npr_label = ["bot"]\nauto_merge = "squash"\n')
    with pytest.raises(Refused, match="auto_merge is no default"):
        with_defaults(options(), file)
    file.write_text('[start]\npr_label = ["bot"]\ndraft = "never"\n')
    assert with_defaults(options(), file) == options(pr_label=["bot"], draft=DraftPolicy.NEVER)
    assert "pr_label" in Tool("start").arguments.model_fields
    assert "auto_merge" not in Tool("start").arguments.model_fields, "an assistant merges nothing"
    assert "auto_merge" in OF_ONE_DIRECTIVE and "auto_merge" in OF_ONE_GOAL, "nor a schedule, nor an intake"
    assert not {"auto_merge", "opening"} & {*StartDefaults.model_fields, *EditDirective.model_fields}


@pytest.mark.rule("7.4")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"pr_label": ["a\nb"]}, "--pr-label takes "),
        ({"reviewer": ["@ann"]}, "--reviewer takes "),
        ({"assignee": ["ann", "../ben"]}, "--assignee takes "),
        ({"assignee": ["a"] * 11}, "--assignee takes "),
        ({"milestone": " "}, "--milestone takes "),
    ],
)
def test_what_no_pull_request_can_have_is_refused_with_its_option(typed: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        new_directive(options(**typed), "me")
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)


def test_defaults_of_a_file_give_way_to_what_was_typed(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert with_defaults(options(), file) == options()
    file.write_text(
        '[start]\nplanner = "codex"\nagent = "codex"\nmax-attempts = 3\nverify = ["make test"]\nbranch_prefix = "me/"\n'
    )
    taken = with_defaults(options(max_attempts=5), file)
    assert taken == options(max_attempts=5, agent="codex", verify=["make test"], branch_prefix="me/")
    assert with_defaults(replace(options(), planner=None, agents="claude"), file).planner is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[start", "is not TOML"),
        ("agents = 'claude'", r"one table, \[start\]"),
        ("[start]\ngoal = 'x'", "goal is no default; it may have acceptance, agent"),
        ("[start]\nmax_attempts = 'many'", "max_attempts"),
        ("[start]\nverify = 'make test'", "verify"),
    ],
)
def test_a_wrong_file_of_defaults_is_named_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(Refused, match=said) as refused:
        with_defaults(options(), file)
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)
