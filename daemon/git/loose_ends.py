"""What an agent has committed and left beside HEAD: on branches and tags, in stashes and worktrees, or on nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from daemon.git.worktrees import Worktree

MOST = 50
"""That are looked at of each kind."""
_LIST = f"""
of() {{ git --git-dir=.git "$@" 2>/dev/null; }}
of for-each-ref --count={MOST} --format='branch %(objectname) %(refname:short)' refs/heads
of for-each-ref --count={MOST} --format='tag %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) \
%(refname:short)' refs/tags
of rev-parse --quiet --verify refs/stash >/dev/null && of log -g -n {MOST} --format='stash %H %gs' refs/stash --
of worktree list --porcelain | sed -n 's/^worktree /path /p; s/^HEAD /worktree /p'
of log -g -n 500 --format='head %H %gs' HEAD --
for file in ORIG_HEAD rebase-merge/orig-head rebase-apply/orig-head BISECT_START; do
  test -f .git/$file && of rev-parse --verify "$(head -c 200 .git/$file)^{{commit}}" | sed 's/^/discarded /'
done
true
"""
_LINE = re.compile(r"^(\w+) ([0-9a-f]{40,64}) ?(.*)$")


class Kind(StrEnum):
    BRANCH = "branch"
    TAG = "tag"
    STASH = "stash"
    WORKTREE = "worktree"
    DETACHED = "commits on no branch"
    """Left by a checkout of something else."""
    DISCARDED = "discarded commits"
    """Left by a reset, or rewritten: the agent has taken them back."""


@dataclass(frozen=True)
class LooseEnd:
    """A commit, and where the agent has left it."""

    kind: Kind
    commit: str
    name: str

    def __str__(self) -> str:
        known = f" {self.name!r}" if self.kind in (Kind.BRANCH, Kind.TAG, Kind.STASH, Kind.WORKTREE) else ""
        return f"{self.kind}{known} ({self.commit[:12]})"


async def loose_ends(worktree: Worktree) -> tuple[LooseEnd, ...]:
    """All that there may be, each commit once; whether HEAD holds it is not asked here. Raises what the runner does."""
    listed = await worktree.shell(_LIST)
    return tuple({end.commit: end for end in reversed(list(_parsed(listed.splitlines())))}.values())[::-1]


def _parsed(lines: Sequence[str]) -> Iterator[LooseEnd]:
    """In the order in which one place is better to name than another; pure."""
    found = [match.groups() for line in lines if (match := _LINE.match(line))]
    paths = [line.removeprefix("path ") for line in lines if line.startswith("path ")]
    for kind in (Kind.BRANCH, Kind.TAG, Kind.STASH):
        yield from (LooseEnd(kind, commit, name) for word, commit, name in found if word == kind.value)
    others = [commit for word, commit, _ in found if word == "worktree"]
    # The first one is the task's own.
    yield from (LooseEnd(Kind.WORKTREE, commit, path) for commit, path in list(zip(others, paths, strict=False))[1:])
    moves = [(commit, said) for word, commit, said in found if word == "head"]
    for (_, said), (before, _) in pairwise(moves):
        if said.startswith("checkout:"):
            yield LooseEnd(Kind.DETACHED, before, said)
    for (_, said), (before, _) in pairwise(moves):
        if said.startswith("reset:"):
            yield LooseEnd(Kind.DISCARDED, before, said)
    yield from (LooseEnd(Kind.DISCARDED, commit, name) for word, commit, name in found if word == "discarded")
