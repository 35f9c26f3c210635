from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import names

ID = UUID("12345678-90ab-4cde-8f01-234567890abc")


@pytest.mark.rule("6.3")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Add login", "add-login"),
        ("  Fix: the (big) bug!  ", "fix-the-big-bug"),
        ("a--b___c", "a-b___c"),
        ("Ünïcode ✓", "n-code"),
        ("", "unnamed"),
        ("!!!", "unnamed"),
        ("x" * 49 + " y", "x" * 49),
    ],
)
def test_a_name_is_sanitized(text: str, expected: str) -> None:
    assert names.sanitized(text) == expected


@pytest.mark.rule("6.3")
@given(st.text(max_size=300))
def test_every_text_makes_a_valid_branch(text: str) -> None:
    branch = names.task_branch(text, ID)
    assert re.fullmatch(r"makima/[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?-12345678", branch)
    assert len(branch) <= len("makima/") + 50 + 9
    assert "--" not in branch


@pytest.mark.rule("7.1")
@pytest.mark.rule("9.2")
def test_branch_and_workflow_of_a_directive_carry_its_title_and_id() -> None:
    assert names.directive_branch("Add login", ID) == "makima/directive-add-login-12345678"
    assert names.workflow_id("Add login", ID) == "directive-add-login-12345678"


@pytest.mark.parametrize("text", ["", "feature/", "team/makima/", "bot-", "makima/", "a.b/"])
def test_a_prefix_begins_the_names_of_branches(text: str) -> None:
    assert names.branch_prefix(text) == text
    assert names.task_branch("x", ID, text).startswith(text)
    assert names.directive_branch("x", ID, 2, text) == f"{text}directive-x-12345678-v2"


@pytest.mark.parametrize(
    "text",
    ["/", "/x", "-x/", ".x/", "a//b", "a..b/", "a.lock/", "a./b/", "a/.b/", "refs/heads/", "makima-state/", "a b/",
     "a~/", "a^", "a:", "é/", "x" * 61, "a.", "@{", "a\n"],
)  # fmt: skip
def test_what_git_or_we_can_not_take_is_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match="can't begin a branch's name"):
        names.branch_prefix(text)


@pytest.mark.rule("5.1")
def test_task_ids_are_functions_of_what_the_task_is_for() -> None:
    step, directive = uuid4(), uuid4()
    assert names.step_task(step) == names.step_task(step)
    assert names.step_task(step) != names.step_task(uuid4())
    made = {
        names.directive_task(directive, kind, g, r) for kind in ("planning", "prepare") for g in (1, 2) for r in (1, 2)
    }
    assert len(made) == 8
    assert all(identity.version == 5 for identity in made)


def test_every_start_of_an_attempt_has_a_delivery_name_of_its_own() -> None:
    starts = [("run", "a", 1), ("run", "a", 2), ("run", "b", 1), ("other", "a", 1)]
    assert len({names.delivery(*start) for start in starts}) == len(starts)
    assert re.fullmatch("[0-9a-f]{8}", names.delivery(*starts[0]))
