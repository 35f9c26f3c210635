"""Makes a commit of what a worktree's files are, in a repository of the daemon's own (rule 6.7, docs/decisions/0020).

A program of its own, with the arguments SIDE and OPTIONS (`daemon.process.own_program`), run in the worktree, because a
sandbox shows nothing of the daemon's code and lets no link lead out. SIDE is the daemon's repository: its index,
objects and configuration, which nothing that the agent runs can see. Of the agent's `.git` only HEAD, the index's names
and the objects are read, and only as data: none of its configuration counts here, and without it the files are saved
all the same. OPTIONS is a JSON file (`Options`), and JSON is printed (`SnapshotAnswer`); the objects that the daemon
lacks are left in SIDE/out.pack.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import TypedDict

from daemon.git.agents_git import git_trouble, head_of, objects_trouble, quoted, remove_traps, unlock, why_no_head
from daemon.git.agents_refs import MOST, LooseEnd, loose_ends
from daemon.git.side_files import NOTHING, Files, Options
from daemon.git.side_git import FIRST_TRY, MEMORY, SideGit, Waited, environment

LEFT_OUT_LIMIT = 200
"""Files that are named; a folder of keys must not become a report of megabytes."""
LAST_TRY = 200.0


class SnapshotAnswer(TypedDict):
    commit: str
    head: str
    """What the commit's parent is: the agent's HEAD, or where it was last known to be."""
    left_out: dict[str, str]
    """File → why it isn't in there."""
    trouble: str
    """Why the agent's own repository can't be used as it is; empty: it can."""
    unlocked: list[str]
    """Lock files that were removed."""
    beside: list[LooseEnd]
    """Commits that the agent has left beside HEAD, and that are in the pack."""
    may_be_unmerged: bool
    """The agent's index holds a conflict, as far as it can be read."""


def main() -> int:
    side = sys.argv[1]
    with open(sys.argv[2]) as file:
        options: Options = json.load(file)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ.update(environment(side))
    answer: SnapshotAnswer = {
        "commit": "", "head": "", "left_out": {}, "trouble": "", "unlocked": [], "beside": [], "may_be_unmerged": True,
    }  # fmt: skip
    if options["is_over"]:
        answer["unlocked"] = unlock()
        remove_traps()
    unread = objects_trouble(options["alternates"])
    answer["trouble"] = unread or git_trouble()
    objects = quoted(os.path.abspath(".git/objects"))
    os.environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = "" if unread or options["distrust"] else objects
    git = SideGit(side, FIRST_TRY)
    try:
        save(git, options, answer)
    except Waited:
        remove_traps()
        save(SideGit(side, LAST_TRY), options, answer)
    print(json.dumps(answer))
    return 0


def save(git: SideGit, options: Options, answer: SnapshotAnswer) -> None:
    if options["take"]:
        git.pack(options["take"], options["known"])
        return
    if not answer["trouble"] and not git.borrows(options["known"][-1]):
        answer["trouble"] = "it has nothing of what the work began with"
        options["distrust"] = True
    found = "" if options["distrust"] else head_of(".git")
    if found and not git.has_all(found, options["known"]):
        answer["trouble"] = answer["trouble"] or f"its commit {found} is not whole"
        found = ""
    elif not found:
        why = "what it holds is not whole" if options["distrust"] else why_no_head(".git")
        answer["trouble"] = answer["trouble"] or why
    head = found or git.last_head(options["known"])
    files = Files(git, options, head)
    answer["may_be_unmerged"] = files.may_be_unmerged
    answer["head"], answer["left_out"] = head, dict(list(files.add().items())[:LEFT_OUT_LIMIT])
    answer["commit"] = git("commit-tree", git("write-tree"), "-p", head, "-m", "Snapshot")
    if options["beside"] and not options["distrust"]:
        answer["beside"] = list(beside(git, head, options["known"]))
    git.pack([answer["commit"], *(end.commit for end in answer["beside"])], options["known"])
    if found:
        git.remember_head(found)


def beside(git: SideGit, head: str, known: list[str]) -> Iterator[LooseEnd]:
    """Each commit once, whole, and not in HEAD's history."""
    seen: set[str] = set()
    ends = [end for end in loose_ends() if not NOTHING.fullmatch(end.commit)]
    commits = git.commits(list(dict.fromkeys(end.commit for end in ends)))
    for end in ends:
        peeled = commits.get(end.commit, "")
        if not peeled or peeled in seen:
            continue
        seen.add(peeled)
        is_held = git.run("merge-base", "--is-ancestor", peeled, head).returncode == 0
        if not is_held and git.has_all(peeled, known):
            yield LooseEnd(end.kind, peeled, end.name)
        if len(seen) >= 5 * MOST:
            return
