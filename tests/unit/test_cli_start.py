"""From the options of `start` to a directive, and to the daemon that may serve it."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from cli.operator.edit import OPTION, edit
from domain.directive_settings import AgentChoice, CompletionRule, Settings
from domain.errors import Refused
from domain.pull_requests.body import body
from domain.reports import DaemonSeen
from domain.requests import EditDirective
from domain.statuses import DirectiveStatus
from domain.timings import Timings
from steering.new_directive import StartOptions, new_directive, placed
from tests.values import NOON

URL = "https://example.invalid/shop.git"


def options(**given: Any) -> StartOptions:
    return StartOptions(**{"title": "Add login", "goal": "Users log in", "repo": URL, "planner": "claude", **given})


def daemon(name: str, silent: float = 1, running: int = 0, labels: tuple[str, ...] = ()) -> DaemonSeen:
    return DaemonSeen(
        name=name,
        version="1",
        agents=("shell",),
        labels=labels,
        capacity=4,
        running=tuple(UUID(int=number) for number in range(running)),
        sandbox="none",
        reported_at=datetime.fromtimestamp(0, NOON.tzinfo),
        silent_for=timedelta(seconds=silent),
    )


@pytest.mark.rule("2.1")
def test_the_options_make_a_draft_with_the_settings_that_were_typed() -> None:
    state = new_directive(
        options(
            fail_fast=True,
            completion=CompletionRule.ALL,
            require_approval=True,
            memory=True,
            on="box",
            setup=["npm ci"],
            verify=["npm test", "npm run lint"],
            requirement=["Passwords are hashed"],
            pull_request=False,
            shepherd=False,
            shepherd_rounds=5,
            fixer="mender",
            keep_branches=True,
            timings="fast",
        ),
        "me",
    )
    settings = state.directive.settings
    assert state.status is DirectiveStatus.DRAFT
    assert (settings.fail_fast, settings.completion, settings.require_approval) == (True, CompletionRule.ALL, True)
    assert (settings.memory, settings.on, settings.setup) == (True, "box", ("npm ci",))
    assert settings.verify == ("npm test", "npm run lint")
    assert settings.timings == Timings.fast()
    assert (settings.pull_request, settings.shepherd, settings.shepherd_rounds) == (False, False, 5)
    assert (settings.fixer, settings.keep_branches) == (AgentChoice(name="mender"), True)
    assert state.directive.text.requirements == ("Passwords are hashed",)


@pytest.mark.rule("7.4")
def test_an_issue_to_close_is_named_as_the_repositorys_own_forge_knows_it() -> None:
    shop = "https://forge.example/acme/shop.git"
    closed = ["7", "#8", "https://forge.example/Acme/shop/issues/9#note", "https://forge.example/acme/plan/-/issues/1"]
    state = new_directive(options(repo=shop, closes=[*closed, "7"]), "me")
    assert state.directive.settings.closes == ("#7", "#8", "#9", "acme/plan#1")
    assert "\n\nCloses #7\nCloses #8\nCloses #9\nCloses acme/plan#1\n\n" in body(state)
    assert "Closes" not in body(new_directive(options(repo=shop), "me"))
    for wrong, said in [
        ("0", "number or its address"),
        ("seven", "number or its address"),
        ("https://forge.example/acme/shop/pull/7", "number or its address"),
        ("https://other.example/acme/shop/issues/7", "another forge"),
    ]:
        with pytest.raises(Refused, match=said):
            new_directive(options(repo=shop, closes=[wrong]), "me")
    with pytest.raises(Refused, match="needs a repository at a forge"):
        new_directive(options(repo="/srv/shop", on="box", closes=["7"]), "me")


@pytest.mark.rule("7.4")
@pytest.mark.parametrize("closes", [("#7\n# heading",), ("7",), ("@ann",), tuple(f"#{n}" for n in range(1, 22))])
def test_nothing_but_issues_gets_into_a_description_by_the_settings(closes: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Settings(closes=closes)


def test_what_is_not_typed_is_the_setting_of_every_directive() -> None:
    settings = new_directive(options(planner="p"), "me").directive.settings
    assert settings.planner is not None
    assert settings.model_copy(update={"planner": None, "agent": Settings().agent}) == Settings()


def test_the_planner_does_the_steps_unless_somebody_else_is_named(tmp_path: Path) -> None:
    """Not the shell, which would run as a script what a planner has written for a reader."""
    assert new_directive(options(planner="claude"), "me").directive.settings.agent.name == "claude"
    assert new_directive(options(planner="claude", agent="shell"), "me").directive.settings.agent.name == "shell"
    (plan := tmp_path / "plan.json").write_text('{"steps": [{"name": "floor", "task_plan": "lay it"}]}')
    with pytest.raises(Refused, match="--plan needs --agent NAME"):
        new_directive(options(planner=None, plan=plan), "me")


def test_the_goal_may_lie_in_a_file_or_come_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "goal.md"
    file.write_text("\ufeffUsers log in\n\n- with a passkey\n")
    wanted = "Users log in\n\n- with a passkey"
    assert new_directive(options(goal=None, goal_file=file), "me").directive.text.goal == wanted
    with file.open() as given:
        monkeypatch.setattr("sys.stdin", given)
        assert new_directive(options(goal=None, goal_file=Path("-")), "me").directive.text.goal == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "goal: "), (b"\xff", r"not UTF-8 text \(byte 0\)"), (b"x" * 300_000, "more than 256 KiB")],
)
def test_a_file_that_holds_no_goal_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "goal.md"
    file.write_bytes(content)
    with pytest.raises(Refused, match=said):
        new_directive(options(goal=None, goal_file=file), "me")


def test_a_goal_is_given_once(tmp_path: Path) -> None:
    for given in ({"goal": None}, {"goal_file": tmp_path / "goal.md"}):
        with pytest.raises(Refused, match="--goal TEXT or --goal-file FILE"):
            new_directive(options(**given), "me")
    with pytest.raises(Refused, match=r"--goal-file .*none: No such file or directory"):
        new_directive(options(goal=None, goal_file=tmp_path / "none"), "me")


def test_a_plan_may_be_given_together_with_the_planner_of_later_ones(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"steps": [{"name": "floor", "task_plan": "lay it"}]}')
    state = new_directive(options(plan=plan), "me")
    assert [step.name for step in state.given_plan] == ["floor"]
    assert state.directive.settings.planner is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"planner": None}, "--planner NAME"),
        ({"title": " "}, "title: "),
        ({"base_branch": "a b"}, "is not a branch's name"),
        ({"repo": "/there/is/no/such/folder"}, "there is no folder"),
        ({"timings": "slow"}, "--timings is one of normal, fast"),
        ({"max_parallel_steps": 0}, "max_parallel_steps: "),
        ({"plan": Path("/no/plan.json")}, "--plan /no/plan.json"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        new_directive(options(**given), "me")


@pytest.mark.rule("6.13")
def test_a_local_repository_is_served_by_the_only_daemon_there_is(tmp_path: Path) -> None:
    draft = new_directive(options(repo=str(tmp_path)), "me")
    assert placed(draft, [daemon("box"), daemon("old", silent=100)]).directive.settings.on == "box"
    assert placed(draft, []).directive.settings.on == ""
    with pytest.raises(Refused, match="the daemons box, mac: add --on NAME"):
        placed(draft, [daemon("box"), daemon("mac")])


@pytest.mark.rule("6.13")
def test_a_local_repository_goes_where_on_says_though_its_path_is_not_here() -> None:
    draft = new_directive(options(repo="/there/is/no/such/folder", on="mac"), "me")
    assert placed(draft, [daemon("box")]).directive.settings.on == "mac"


@pytest.mark.rule("6.13")
def test_of_several_daemons_the_only_one_with_the_directives_label_serves_a_local_repository(tmp_path: Path) -> None:
    draft = new_directive(options(repo=str(tmp_path), label="gpu"), "me")
    assert placed(draft, [daemon("box"), daemon("big", labels=("gpu",))]).directive.settings.on == "big"
    assert placed(draft, [daemon("box")]).directive.settings.on == "", "it waits for a daemon with the label"


@pytest.mark.rule("5.4")
def test_a_label_beside_the_only_daemon_is_refused() -> None:
    with pytest.raises(Refused, match="--on box names the daemon: --label gpu"):
        new_directive(options(on="box", label="gpu"), "me")
    with pytest.raises(Refused, match="label"):
        new_directive(options(label="G P U"), "me")


@pytest.mark.rule("6.13")
def test_a_remote_repository_may_be_served_by_any_daemon() -> None:
    draft = new_directive(options(), "me")
    assert placed(draft, [daemon("box")]) == draft


def test_every_setting_that_edit_knows_is_an_option_of_start_too() -> None:
    # `edit` takes its options from those of `start` by the settings' names: one that is named otherwise would be gone.
    editable = {OPTION.get(name, name) for name in EditDirective.model_fields} - {"actor"}
    assert set(inspect.signature(edit).parameters) == editable
    assert {"max_parallel_steps", "max_cost_usd", "keep_branches"} <= editable


def test_what_edit_takes_is_named_and_nothing_else_is_changed() -> None:
    typed: dict[str, Any] = dict.fromkeys(inspect.signature(edit).parameters)
    assert edit(**{**typed, "memory": False, "verify": ["make test", ""]}) == EditDirective(
        memory=False, verify=("make test",)
    )
    with pytest.raises(Refused, match="nothing to edit"):
        edit(**typed)
