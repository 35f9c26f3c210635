"""`init`: a first `.makima.toml` for a repository, from what is found in it (rule 2.15)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from secrets import token_hex

from domain.errors import Refused
from steering.found_commands import ProjectCommands, TopFolder, found_commands

FILE = ".makima.toml"
LARGEST = 256 * 1024
"""Bytes of a file that are looked at."""
MOST_NAMES = 5000
"""Of the uppermost folder."""
HEAD = """\
# What Makima is to know of this repository; docs/daemon.md says more. It counts once it is on the base branch.
# A # right before a key makes an example of its line: take it away, and it counts.
"""
REST = """\

# What the branches of directives begin with; else makima/.
#branch_prefix = "feature/"

# What looks like a secret in commits and is none: a file, a folder, or the hash that a report names.
#allow_secrets = ["tests/fixtures/"]

# What each pull request begins with. Labels, people and milestone have to be there already.
[pull_request]
#labels = ["bot"]
#reviewers = ["ann", "acme/core"]
#assignees = ["ann"]
#milestone = "1.0"
# "unfinished" while steps are missing, "always" until a person makes it ready, or "never".
#draft = "unfinished"
# The forge merges it by itself once the base branch's rules are met: "merge", "squash" or "rebase".
#auto_merge = "squash"
# One that lacks nothing but commits of the base branch is brought up to date.
#update = true
# Names of jobs that are run once more before work is made of them.
#flaky = ["e2e*"]
#rerun = true
#resolve = true
#template = true

# Options of `start` that nobody has typed. What you have in ~/.config/makima/config.toml counts before them, but for a
# limit that is tighter here.
[start]
# Agents by their names in the daemons' settings; several with commas, the next where one can't.
#planner = "claude"
#agent = "claude"
#agents = "claude,codex"
#fixer = "claude"
#resolver = "claude"
# Where work starts and is merged; else the default branch.
#base_branch = "main"
# Only daemons with it may serve directives of this repository.
#label = "linux"
# Hold every plan until `approve` or `reject`.
#require_approval = true
# At most what counts without them: `start --help` names it.
#max_parallel_steps = 4
#max_attempts = 1
#shepherd_rounds = 2
# Of an agent for a step: turns, and what they cost.
#max_turns = 100
#max_cost_usd = 5
# Of a whole directive.
#budget = "20usd, 5M tokens, 6h"
"""


def root_of(folder: Path) -> Path:
    """The uppermost folder of the work tree; Refused where there is none. Git is not asked: a repository's own settings
    can name programs for it to run.
    """
    try:
        here = folder.resolve(strict=True)
        found = next((each for each in (here, *here.parents) if _is_work_tree(each)), None)
    except OSError as error:
        raise Refused(f"{folder}: {error.strerror}") from error
    if found is None or not here.is_dir():
        raise Refused(f"{folder} is not in the work tree of a git repository: go to a clone, or name its folder")
    return found


def _is_work_tree(folder: Path) -> bool:
    """A worktree and a submodule have a file in place of the folder."""
    git = folder / ".git"
    return git.is_file() or (git / "HEAD").is_file()


def contents_of(root: Path) -> TopFolder:
    """Of the uppermost folder, without following any link; a name that no person would write is nobody's project."""
    try:
        with os.scandir(root) as found:
            names = [each.name for each in islice(found, MOST_NAMES) if not each.is_symlink()]
    except OSError as error:
        raise Refused(f"{root}: {error.strerror}") from error
    return TopFolder(frozenset(name for name in names if name.isprintable()), lambda name: _text(root / name))


def _text(file: Path) -> str:
    """Empty for what is no regular file, larger than is looked at, or no text."""
    try:
        # Not blocking: a pipe would wait for somebody who writes.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            content = opened.read(LARGEST + 1)
        return content.decode() if len(content) <= LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def settings_for(root: Path) -> tuple[str, list[ProjectCommands]]:
    """The file's text, and what was found for it."""
    found = found_commands(contents_of(root))
    return rendered(found), found


def rendered(found: Iterable[ProjectCommands]) -> str:
    """The file: what was found counts, all else is an example."""
    kinds = list(found)
    where = (
        f" Found in {', '.join(f'{each.because} ({each.tool})' for each in kinds)}." if kinds else " None was found."
    )
    setup = [line for each in kinds for line in each.setup]
    verify = [line for each in kinds for line in each.verify]
    return "".join(
        (
            HEAD,
            f"\n# Commands for a shell.{where}\n# Before each agent, for at most 15 minutes:\n",
            _line("setup", setup, "make dependencies"),
            "# Have to succeed on every step's work before it is pushed; else it goes back to the agent:\n",
            _line("verify", verify, "make test"),
            REST,
        )
    )


def _line(key: str, commands: list[str], example: str) -> str:
    return f"{'' if commands else '#'}{key} = [{', '.join(map(_quoted, commands or [example]))}]\n"


def _quoted(text: str) -> str:
    """As a TOML string, which is JSON's but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def write(root: Path, text: str, *, replace: bool) -> Path:
    """Whole or not at all; Refused where there is a file already, unless it is to be replaced."""
    target, fresh = root / FILE, root / f"{FILE}.{token_hex(8)}"
    try:
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            fresh.replace(target)
        else:
            # In place of a look before: nobody's file is lost that comes between.
            os.link(fresh, target)
    except FileExistsError as error:
        raise Refused(f"{target} is there already: --print shows what would be in it, --force replaces it") from error
    except OSError as error:
        raise Refused(f"{target} can't be written: {error.strerror}; --print shows what would be in it") from error
    finally:
        fresh.unlink(missing_ok=True)
    return target
