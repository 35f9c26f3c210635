"""A login's files lie in one folder that all tasks share, and links lead there from what an agent can write."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.agents.acp.login_link import link


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def test_a_link_leads_to_the_login_whatever_stood_in_its_place(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "login" / ".agent" / "auth.json"
    name = ".agent/auth.json"
    link(state, name, target)
    target.write_text("a token")
    assert (state / name).read_text() == "a token", "the login's folder was made"
    (state / name).unlink()
    (state / name).write_text("the agent's own")
    link(state, name, target)
    assert (state / name).readlink() == target
    (state / name).unlink()
    (state / name / "inner").mkdir(parents=True)
    link(state, name, target)
    assert (state / name).readlink() == target
    assert target.read_text() == "a token"


def test_a_link_that_leads_elsewhere_is_replaced_and_a_right_one_left(state: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "login" / "auth.json", tmp_path / "elsewhere"
    elsewhere.write_text("not to be touched")
    (state / "auth.json").symlink_to(elsewhere)
    link(state, "auth.json", target)
    assert (state / "auth.json").readlink() == target
    made = (state / "auth.json").lstat().st_ino
    link(state, "auth.json", target)
    assert (state / "auth.json").lstat().st_ino == made
    assert elsewhere.read_text() == "not to be touched"


@pytest.mark.parametrize("is_link", [True, False])
def test_what_an_agent_has_put_in_place_of_a_folder_goes_and_nothing_is_written_behind_it(
    state: Path, tmp_path: Path, is_link: bool
) -> None:
    outside, target = tmp_path / "outside", tmp_path / "login" / "auth.json"
    outside.mkdir()
    if is_link:
        (state / ".agent").symlink_to(outside)
    else:
        (state / ".agent").write_text("")
    link(state, ".agent/auth.json", target)
    assert (state / ".agent" / "auth.json").readlink() == target
    assert not (state / ".agent").is_symlink()
    assert list(outside.iterdir()) == [], "nothing is written where the link led"
