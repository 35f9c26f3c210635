"""What an agent that asks for leave may do without a person: the same list as everywhere (docs/agents.md)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from daemon.agents.acp.tool_calls import ToolCall
from daemon.agents.coding import GIT_COMMANDS, Permissions

_READS = ("read", "search", "think")
_EDITS = ("edit",)
_SUBSTITUTION = frozenset("$`\\\n\r")
"""With any of these a line may run another command than it looks like, in quotes or not."""
_OPERATORS = frozenset("();<>|&")


@dataclass(frozen=True)
class PermissionPolicy:
    """`permissions` of the agent's settings, for one run."""

    permissions: Permissions
    boxed: bool
    commands: tuple[str, ...]
    """Lines that it may run as they stand: those of setup and verify."""
    allow: tuple[str, ...]
    """Beginnings of further ones."""
    folders: tuple[Path, ...]
    """It may change files below these."""

    @property
    def allows_all(self) -> bool:
        return self.permissions is Permissions.ALLOW or (self.permissions is Permissions.AUTO and self.boxed)

    def decision(self, call: ToolCall) -> bool | None:
        """Whether the tool may be used; None: a person is asked."""
        if self.allows_all or self._is_listed(call):
            return True
        return None if self.permissions is Permissions.ASK else False

    def _is_listed(self, call: ToolCall) -> bool:
        # What it runs counts, whatever it calls it.
        if line := call.command:
            return line in self.commands or self._may_run(line)
        if call.kind in _READS or call.is_ours:
            return True
        return call.kind in _EDITS and bool(call.paths) and all(map(self._is_own, call.paths))

    def _may_run(self, line: str) -> bool:
        words = _words(line)
        beginnings = (("makima",), *_git_beginnings(), *(tuple(each.split()) for each in self.allow))
        return any(each and tuple(words[: len(each)]) == each for each in beginnings)

    def _is_own(self, path: str) -> bool:
        """By where it leads: a link in the worktree is no way out of it."""
        real = os.path.realpath(self.folders[0] / path)
        return any(_is_below(real, os.path.realpath(folder)) for folder in self.folders)


def _words(line: str) -> list[str]:
    """Of one plain command; none where the line is anything else."""
    if set(line) & _SUBSTITUTION:
        return []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    return [] if any(set(word) <= _OPERATORS for word in words) else words


def _git_beginnings() -> Iterable[tuple[str, ...]]:
    return (("git", *name.split()) for name in GIT_COMMANDS)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath((path, folder)) == folder
