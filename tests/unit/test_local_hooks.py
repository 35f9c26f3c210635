"""Whether git has to be asked which hooks the configuration of a local repository names."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.git.local import may_name_hooks

PLAIN = '[core]\n\tbare = true\n[remote "origin"]\n\turl = https://forge.invalid/a.git\n'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "config").write_text(PLAIN)
    return tmp_path


@pytest.mark.rule("6.13")
def test_a_configuration_without_the_words_names_none(repository: Path) -> None:
    assert not may_name_hooks(repository)


@pytest.mark.rule("6.13")
@pytest.mark.parametrize(
    "section", ['[hook "a"]\n\tcommand = x', "[HoOk.a]\n\tevent = update", "[include]\n\tpath = x", '[includeIf "a"]']
)
@pytest.mark.parametrize("file", ["config", "config.worktree"])
def test_a_hook_or_another_file_is_asked_about(repository: Path, section: str, file: str) -> None:
    with (repository / file).open("a") as config:
        config.write(f"{section}\n")
    assert may_name_hooks(repository)


@pytest.mark.rule("6.13")
def test_of_a_linked_worktree_the_shared_configuration_counts(repository: Path) -> None:
    linked = repository / "worktrees" / "one"
    linked.mkdir(parents=True)
    (linked / "commondir").write_text("../..\n")
    assert not may_name_hooks(linked)
    (repository / "config").write_text("[hook.a]\n")
    assert may_name_hooks(linked)


@pytest.mark.rule("6.13")
def test_what_is_no_file_is_for_git_to_read(repository: Path) -> None:
    (repository / "config.worktree").mkdir()
    assert may_name_hooks(repository)
