"""What an agent has committed and left beside HEAD: on branches and tags, in stashes and worktrees, or on nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

from daemon.git.agents_refs import AGAIN, PLACES, LeftIn, LooseEnd
from daemon.git.worktrees import Worktree

MOST = 50
"""That are looked at of each kind."""
_LIST = f"""
of() {{ git --git-dir=.git "$@" 2>/dev/null; }}
if test -n "$(of for-each-ref --count=1)"; then
of for-each-ref --count={MOST} --format='branch %(objectname) %(refname:short)' refs/heads
of for-each-ref --count={MOST} --format='notes %(objectname) %(refname:lstrip=2)' refs/notes
of for-each-ref --count={MOST} --format='again %(objectname) %(refname:short)' {AGAIN}
of for-each-ref --count={MOST} --format='tag %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) \
%(refname:short)' refs/tags
of rev-parse --quiet --verify refs/stash >/dev/null && of log -g -n {MOST} --format='stash %H %gs' refs/stash --
fi
test -e .git/worktrees && of worktree list --porcelain | sed -n 's/^worktree /path /p; s/^HEAD /worktree /p'
test -e .git/worktrees && of worktree list --porcelain | sed -n '1d; s/^worktree //p' | while IFS= read -r path; do
  test -n "$(git -C "$path" status --porcelain 2>/dev/null | head -c 1)" || continue
  own=$(mktemp) && cp "$(git -C "$path" rev-parse --git-path index)" "$own" || continue
  tree=$(export GIT_INDEX_FILE="$own"; git -C "$path" add --all && git -C "$path" write-tree) &&
    echo "path $path (not committed there)" &&
    export GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000' &&
    git -C "$path" commit-tree "$tree" -p HEAD -m 'What was not committed there' | sed 's/^/worktree /'
  rm -f "$own"
done 2>/dev/null
of log -g -n 500 --format='head %H %gs' HEAD --
for file in ORIG_HEAD rebase-merge/orig-head rebase-apply/orig-head BISECT_START; do
  test -f .git/$file && of rev-parse --verify "$(head -c 200 .git/$file)^{{commit}}" | sed 's/^/discarded /'
done
true
"""
_LINE = re.compile(r"^(\w+) ([0-9a-f]{40,64}) ?(.*)$")


async def loose_ends(worktree: Worktree) -> tuple[LooseEnd, ...]:
    """All that there may be, each commit once; whether HEAD holds it is not asked here. Raises what the runner does."""
    listed = await worktree.shell(_LIST)
    return tuple({end.commit: end for end in reversed(list(_parsed(listed.splitlines())))}.values())[::-1]


def _parsed(lines: Sequence[str]) -> Iterator[LooseEnd]:
    """In the order in which one place is better to name than another; pure."""
    found = [match.groups() for line in lines if (match := _LINE.match(line))]
    paths = [line.removeprefix("path ") for line in lines if line.startswith("path ")]
    for kind in (LeftIn.BRANCH, LeftIn.TAG, LeftIn.NOTES, LeftIn.STASH):
        yield from (LooseEnd(kind, commit, name) for word, commit, name in found if word == kind.value)
    others = [commit for word, commit, _ in found if word == "worktree"]
    # The first one is the task's own.
    yield from (LooseEnd(LeftIn.WORKTREE, commit, path) for commit, path in list(zip(others, paths, strict=False))[1:])
    yield from (LooseEnd(LeftIn.DETACHED, commit, name) for word, commit, name in found if word == "again")
    moves = [(commit, said) for word, commit, said in found if word == "head"]
    for (_, said), (before, _) in pairwise(moves):
        if said.startswith("checkout:"):
            yield LooseEnd(LeftIn.DETACHED, before, said)
    for (_, said), (before, _) in pairwise(moves):
        if said.startswith("reset:"):
            yield LooseEnd(LeftIn.DISCARDED, before, said)
    yield from (LooseEnd(LeftIn.DISCARDED, commit, name) for word, commit, name in found if word == "discarded")


async def put_back(worktree: Worktree, ends: Sequence[LooseEnd]) -> None:
    """Have the agent find its commits where it had left them, in a worktree that was made again and borrows the objects
    of a cache that has them. Raises what the runner does.
    """
    script = "".join(f"git --git-dir=.git {_again(end)} || true\n" for end in reversed(ends))
    if script:
        await worktree.shell(script)


def _again(end: LooseEnd) -> str:
    """The command that names the commit again; pure."""
    if end.kind is LeftIn.STASH:
        return f"stash store --message {shlex.quote(end.name)} {end.commit}"
    place = next((place for place, kind in PLACES.items() if kind is end.kind), "")
    return f"update-ref {shlex.quote(place + end.name if place else AGAIN + end.commit[:12])} {end.commit}"
