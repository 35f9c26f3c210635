"""What git is asked of many files fits the commands by which it is asked."""

from __future__ import annotations

from daemon.git.arguments import MOST_ARGUMENTS, batches


def test_an_agents_long_paths_are_given_to_git_in_several_commands() -> None:
    """A thousand paths of 3,600 characters are more than the kernel takes: nothing could be saved any more."""
    names = [f"{number:03}{'d' * 3600}" for number in range(1000)]
    found = list(batches(names))
    assert [name for batch in found for name in batch] == names
    assert max(sum(map(len, batch)) for batch in found) <= MOST_ARGUMENTS
    assert list(batches([])) == []
    assert list(batches(["x" * (MOST_ARGUMENTS + 1), "y"])) == [["x" * (MOST_ARGUMENTS + 1)], ["y"]]
