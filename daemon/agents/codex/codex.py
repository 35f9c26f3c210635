"""`codex`: OpenAI's Codex, headless (tested with the version named in docs/agents.md)."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from daemon import agent_files
from daemon.agents.base import AgentRun
from daemon.agents.codex.codex_stream import CodexStream
from daemon.agents.coding import CodingAgent, KnownProgram
from daemon.agents.file_tail import FileTail
from daemon.agents.instructions import InstructionsFile
from daemon.agents.stream_events import Stream
from daemon.process.program import AgentCommand

_LOGIN_FILES = ("auth.json", "auth.lock")
_VENDOR = ("api.openai.com:443",)
_LOGIN = ("chatgpt.com:443", "auth.openai.com:443")
"""With a login its model is elsewhere, and its tokens are renewed here."""
_BASE_URL = "base_url"


class CodexAgent(CodingAgent):
    """`[agents.NAME] kind = "codex"`. It can't ask: what its own sandbox doesn't allow is refused."""

    key_variable: ClassVar[str] = "CODEX_API_KEY"
    token_variable: ClassVar[str] = "CODEX_ACCESS_TOKEN"  # noqa: S105 (a variable's name)
    known: ClassVar[KnownProgram] = KnownProgram(
        tested="0.169.0",
        asks_login=("login", "status"),
        keys=("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN"),
        home="CODEX_HOME",
    )

    instructions: ClassVar[InstructionsFile | None] = InstructionsFile(".codex", "AGENTS.md", "CODEX_HOME")
    counts_turns: ClassVar[bool] = False
    counts_cost: ClassVar[bool] = False

    kind: Literal["codex"]
    program: str = "codex"
    permissions: Literal["auto", "allow", "deny"] = "auto"
    config: dict[str, str] = Field(default_factory=dict)
    """What is set by `-c`: dotted name → value in TOML."""

    @property
    def program_name(self) -> str:
        return self.program

    def model_urls(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        return (*super().model_urls(environ), *_base_urls(self.config))

    def model_hosts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        if self.model_urls(environ):
            return ()
        return _VENDOR if not self.uses_login else (*_VENDOR, *_LOGIN)

    def login_command(self, folder: Path) -> str:
        return f"CODEX_HOME={shlex.quote(str(folder))} {self.program} login"

    def command(self, run: AgentRun) -> AgentCommand:
        self._link_login(run)
        self.give_instructions(run)
        settings = (part for name, value in self.config.items() for part in ("-c", f"{name}={value}"))
        argv = (
            *(self.program, "exec", "--json", "--skip-git-repo-check"),
            # A login shell takes its PATH from /etc/profile, and the `makima` command would be out of reach.
            *("-c", "allow_login_shell=false"),
            *self._permitted(run),
            *(("--model", model) if (model := run.model or self.model) else ()),
            *(*settings, *self.arguments, *run.arguments),
            *(("resume", run.session) if run.session else ()),
            "-",
        )
        env = {"CODEX_HOME": str(run.state), **self.credentials(os.environ), **self.env}
        return AgentCommand(argv, run.prompt.encode(), env, self.pass_env, self.writes(run))

    def stream(self, run: AgentRun) -> Stream:
        return CodexStream(run.before, lambda: datetime.now().astimezone(), self.price(run))

    def side_files(self, run: AgentRun) -> FileTail:
        """Its threads' files: what it prints tells of tokens only at its end."""
        return FileTail(run.state / "sessions", "rollout-*.jsonl", b'"token_usage_record"')

    def _permitted(self, run: AgentRun) -> Iterator[str]:
        if self.permissions == "allow" or (self.permissions == "auto" and run.boxed):
            yield "--dangerously-bypass-approvals-and-sandbox"
        else:
            # The folder in which the `makima` command writes down what it is told.
            yield from ("--sandbox", "workspace-write", "--add-dir", str(run.folder.path))

    def _link_login(self, run: AgentRun) -> None:
        """State and history are the task's, the login is shared: it follows the link when it renews its tokens, and
        a copy of them would end the others'.
        """
        if not self.uses_login:
            return
        run.state.mkdir(parents=True, exist_ok=True)
        for name in _LOGIN_FILES:
            link = run.state / name
            if not link.is_symlink() or link.readlink() != Path(run.login, name):
                agent_files.remove_tree(link)  # the agent may have made a folder of it
                link.symlink_to(run.login / name)


def _base_urls(config: Mapping[str, str]) -> Iterator[str]:
    """What the settings call `base_url` at any depth; a value that is no TOML is text, as the program takes it."""
    for name, value in config.items():
        try:
            given = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            given = value
        yield from _strings_named(_BASE_URL, name.rpartition(".")[2], given)


def _strings_named(ending: str, name: str, given: object) -> Iterator[str]:
    if isinstance(given, dict):
        for key, value in given.items():
            yield from _strings_named(ending, key, value)
    elif isinstance(given, str) and name.endswith(ending):
        yield given
