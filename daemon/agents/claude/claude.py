"""`claude`: Claude Code, headless (tested with the version named in docs/agents.md)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from daemon.agents.base import AgentRun
from daemon.agents.claude.claude_stream import ClaudeStream
from daemon.agents.claude.token_count import ClaudeCount
from daemon.agents.coding import GIT_COMMANDS, CodingAgent, KnownProgram, Permissions
from daemon.agents.instructions import InstructionsFile
from daemon.agents.stream_events import Stream
from daemon.process.program import AgentCommand

_READS_AND_EDITS = ("Read", "Glob", "Grep", "Edit", "Write", "MultiEdit", "NotebookEdit", "TodoWrite", "Task")
_NO_RULE = "()\n\r"
"""A rule can't hold these."""
_LEAST_BUDGET = 0.0001
"""USD: less would be written as none."""
_RETRIES = "4"
"""Of its own ten the last ones take minutes; the daemon waits without holding a task's slot."""

_VENDOR = ("api.anthropic.com:443",)
_LOGIN = ("console.anthropic.com:443", "platform.claude.com:443")
"""Where it renews the tokens of a login."""


class ClaudeAgent(CodingAgent):
    """`[agents.NAME] kind = "claude"`."""

    key_variable: ClassVar[str] = "ANTHROPIC_API_KEY"
    token_variable: ClassVar[str] = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105 (a variable's name)
    known: ClassVar[KnownProgram] = KnownProgram(
        tested="2.1.330",
        asks_login=("auth", "status"),
        keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        home="CLAUDE_CONFIG_DIR",
    )

    instructions: ClassVar[InstructionsFile | None] = InstructionsFile(".claude", "CLAUDE.md", "CLAUDE_CONFIG_DIR")

    kind: Literal["claude"]
    program: str = "claude"
    permissions: Permissions = Permissions.AUTO
    allow: tuple[str, ...] = ()
    """Rules of its own kind (`Bash(npm *)`) beside the usual ones, where not everything is allowed."""

    @property
    def program_name(self) -> str:
        return self.program

    def model_hosts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        if self.model_urls(environ):
            return ()
        return _VENDOR if not self.uses_login else (*_VENDOR, *_LOGIN)

    def login_command(self, folder: Path) -> str:
        return f"CLAUDE_CONFIG_DIR={shlex.quote(str(folder))} {self.program} auth login"

    def command(self, run: AgentRun) -> AgentCommand:
        self.give_instructions(run)
        talks = self._talks(run)
        argv = (
            *(self.program, "-p", "--output-format", "stream-json", "--verbose"),
            *(("--input-format", "stream-json", "--permission-prompt-tool", "stdio") if talks else ()),
            *self._permitted(run),
            *(("--model", model) if (model := run.model or self.model) else ()),
            *(("--max-turns", str(run.turns)) if run.turns else ()),
            *(("--max-budget-usd", f"{max(run.cost_usd, _LEAST_BUDGET):.4f}") if run.cost_usd else ()),
            *(("--resume", run.session) if run.session else ()),
            *(*self.arguments, *run.arguments),
        )
        stdin = self.stream(run).prompt(run.prompt).encode()
        return AgentCommand(argv, stdin, self._environment(run), self.pass_env, self.writes(run), talks)

    def stream(self, run: AgentRun) -> Stream:
        count = ClaudeCount(run.before, partial(self.price, run), run.unsettled_usd)
        return ClaudeStream(count, lambda: datetime.now().astimezone(), talks=self._talks(run))

    def _talks(self, run: AgentRun) -> bool:
        return self.permissions is Permissions.ASK

    def _permitted(self, run: AgentRun) -> Iterator[str]:
        if self.permissions is Permissions.ALLOW or (self.permissions is Permissions.AUTO and run.boxed):
            yield from ("--permission-mode", "bypassPermissions")
            return
        lines = [line for line in run.commands if not set(line) & set(_NO_RULE)]
        yield "--allowedTools"
        yield from (*_READS_AND_EDITS, *(f"Bash(git {name}:*)" for name in GIT_COMMANDS), "Bash(makima:*)")
        yield from (*(f"Bash({line})" for line in lines), *self.allow)
        yield from ("--permission-mode", "acceptEdits")

    def _environment(self, run: AgentRun) -> dict[str, str]:
        """State and history are the task's, the login is shared: a copy of a refresh token would end the others'."""
        state = {"CLAUDE_CONFIG_DIR": str(run.state), "CLAUDE_CODE_MAX_RETRIES": _RETRIES}
        login = {"CLAUDE_SECURESTORAGE_CONFIG_DIR": str(run.login)} if self.uses_login else {}
        quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
        # As root it refuses to run without asking, unless told that somebody else has fenced it in.
        root = {"IS_SANDBOX": "1"} if run.boxed or self.permissions is Permissions.ALLOW else {}
        return {**quiet, **root, **state, **login, **self.credentials(os.environ), **self.env}
