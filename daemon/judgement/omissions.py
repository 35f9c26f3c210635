"""What is in the worktree and not in the work: told to the agent once, and to people with the step."""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from daemon import agent_files
from daemon.git.worktrees import Worktree, excluding
from daemon.judgement.check import Examined, Fault, advice, named
from daemon.judgement.conflict_markers import added_lines
from domain.failures import FailureCategory

MOST = 20
"""That are named to people."""
MOST_NAMES = 5_000
"""That are looked for in what the work adds."""
LARGEST = 1024 * 1024
"""Bytes of a list or a configuration that are looked at here; git is asked about more."""
IGNORED = "ignored by git, and the work refers to it"
HIDDEN = "ignored by a list of git's that only this worktree has"
_HIDDEN = """
of() { git --git-dir=.git --work-tree=. "$@" 2>/dev/null; }
own=$(of config --local --includes --type=path core.excludesFile)
test -f .git/info/exclude || test -f "$own" || exit
all=$(mktemp) && seen=$(mktemp) || exit
set -- --others --exclude-per-directory=.gitignore
of ls-files -z "$@" | sort -z > "$all"
test -f .git/info/exclude && set -- "$@" --exclude-from=.git/info/exclude
test -f "$own" && set -- "$@" --exclude-from="$own"
of ls-files -z "$@" | sort -z > "$seen"
comm -z -23 "$all" "$seen" | head -c 200000; rm -f "$all" "$seen"
"""
_NAMED = re.compile(r"exclude|include", re.IGNORECASE)
_PATH = re.compile(r"[\w.@+-]+(?:/[\w.@+-]+)*")
_REMEDY = (
    "They stay out, also of what later steps see. If the task needs them: a repository inside of this one becomes part "
    "of it without its .git; a file over 10 MiB belongs into Git LFS, or has to be made by a command; what is ignored "
    "is added with `git add -f`, or by another line in .gitignore. If not, end your work as it is."
)


async def referred_to(work: Examined, worktree: Worktree, since: float) -> dict[str, str]:
    """Path → why, of the ignored files that were written after `since` (seconds of the epoch) and that lines name which
    the work adds.
    """
    shown = ("-c", "core.quotePath=false", "diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-prefix")
    difference = await work.cache.git.run(*shown, work.began, work.head, repository=work.cache.folder)
    asked = names_in(added_lines(difference.text))
    written = await asyncio.to_thread(_written, worktree.path, asked, since)
    return dict.fromkeys(await worktree.ignored(written), IGNORED) if written else {}


async def hidden(worktree: Worktree, since: float, own: Sequence[str]) -> dict[str, str]:
    """Path → why, of the files that were written after `since` and that the agent has told its own git alone to ignore.
    `own`: what the daemon has told it.
    """
    if not await asyncio.to_thread(_may_hide, worktree.path, own):
        return {}
    listed = (await worktree.shell(_HIDDEN)).split("\0")[:-1]
    ours = tuple(f"{path.rstrip('/')}/" for path in own)
    theirs = [path for path in listed if not f"{path}/".startswith(ours)]
    return dict.fromkeys(await asyncio.to_thread(_written, worktree.path, theirs, since), HIDDEN)


def _may_hide(top: Path, own: Sequence[str]) -> bool:
    """Whether the agent may have told its git to ignore anything: most have not, and then git need not be asked. A key
    of its configuration, or of a file that is read with it, can't be written without its name. Nothing is believed of
    what is read here but that it says nothing.
    """
    ours = {line for path in own for line in (excluding(path), excluding(path.rstrip("/")), excluding(f"{path}/"))}
    try:
        said = _text(top, ".git/info/exclude").split("\n")
        theirs = [line for line in said if line.strip() and not line.startswith("#") and line not in ours]
        return bool(theirs) or any(_NAMED.search(_text(top, f".git/{name}")) for name in ("config", "config.worktree"))
    except OSError:
        return True


def _text(top: Path, name: str) -> str:
    try:
        return agent_files.read(top, name, LARGEST).decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""


def names_in(added: Mapping[str, Mapping[int, str]]) -> list[str]:
    """What may be a file's path in added lines, from the repository's first folder and from the file's own; pure."""
    found: dict[str, None] = {}
    for path, lines in added.items():
        for line in lines.values():
            for name in _PATH.findall(line[:2000]):
                if len(found) >= MOST_NAMES:
                    return list(found)
                if "." in name or "/" in name:
                    places = (name, posixpath.normpath(posixpath.join(posixpath.dirname(path), name)))
                    found |= dict.fromkeys(place for place in places if not place.startswith(("../", "./", ".git/")))
    return list(found)


def _written(top: Path, names: Iterable[str], since: float) -> list[str]:
    """Nothing is opened, and no link followed at a path's end."""
    found = []
    for name in names:
        try:
            told = os.lstat(top / name)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(told.st_mode) and told.st_mtime >= since:
            found.append(name)
    return found


def omissions(left_out: Mapping[str, str]) -> Fault:
    """What the agent hears of it."""
    return advice(FailureCategory.NO_RESULT, f"not in your commits are: {named(lines(left_out))}", _REMEDY)


def lines(left_out: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each, of at most MOST; pure."""
    told = [f"{path[:200]} ({why})" for path, why in sorted(left_out.items())]
    return (*told[:MOST], f"and {len(told) - MOST} more") if len(told) > MOST else tuple(told)
