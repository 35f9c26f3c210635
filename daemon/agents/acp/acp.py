"""`acp`: any agent that speaks the Agent Client Protocol, by its profile."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from daemon.agents.acp.acp_stream import AcpStream, Asked
from daemon.agents.acp.ends import Ends
from daemon.agents.acp.login_link import link
from daemon.agents.acp.permission_policy import PermissionPolicy
from daemon.agents.acp.profile import Access, Profile, Seconds, shipped
from daemon.agents.acp.token_count import AcpCount
from daemon.agents.base import AgentRun, StreamSummary
from daemon.agents.coding import CodingAgent, KnownProgram, Permissions
from daemon.agents.error_texts import ending_of
from daemon.agents.named_files import named_files
from daemon.agents.stream_events import Ending, Stream
from daemon.process.program import AgentCommand, ProcessEnd
from domain.errors import AgentUnavailable
from domain.names import TASK_FOLDER

_STATE = "{state}"
_LOGIN = "{login}"
_WORDS_SHOWN = 300


class AcpAgent(CodingAgent):
    """`[agents.NAME] kind = "acp"`."""

    counts_turns: ClassVar[bool] = False
    counts_cost: ClassVar[bool] = False

    kind: Literal["acp"]
    profile: str | Profile
    """The name of one that is shipped, or one of your own."""
    program: str = ""
    """A path, in place of the profile's program."""
    permissions: Permissions = Permissions.AUTO
    allow: tuple[str, ...] = ()
    """Beginnings of commands (`npm test`) beside the usual ones, where not everything is allowed."""
    silence_seconds: Seconds | None = None
    """In place of the profile's."""

    @model_validator(mode="after")
    def _has_a_profile(self) -> Self:
        if isinstance(self.profile, str) and self.profile not in shipped():
            known = ", ".join(sorted(shipped()))
            raise ValueError(f"no profile is called {self.profile!r}; there are {known}, or write one: docs/agents.md")
        if self.token_env:
            raise ValueError("token_env is not known to agents of this kind: name the variable in api_key_env")
        if self.user_instructions:
            raise ValueError("user_instructions is not known to agents of this kind: put them into its prompt")
        if self.api_key_env and not self.own.key:
            raise ValueError("its profile names no variable for a key: put yours into pass_env")
        return self

    @property
    def own(self) -> Profile:
        return shipped()[self.profile] if isinstance(self.profile, str) else self.profile

    @property
    def program_name(self) -> str:
        return self.program or self.own.command[0]

    def parts(self) -> tuple[Path, ...]:
        return (*super().parts(), *named_files(self.own.command[1:]))

    @property
    def credential(self) -> str:
        """Of the same profile: two agents of this kind have two accounts."""
        return f"{self.profile_name}-{super().credential}"

    @property
    def profile_name(self) -> str:
        return self.profile if isinstance(self.profile, str) else Path(self.own.command[0]).name

    @property
    def login_name(self) -> str:
        return f"{self.kind}-{self.profile_name}-{self.login}"

    @property
    def tested_program(self) -> KnownProgram | None:
        keys = (self.own.key,) if self.own.key else ()
        if not self.own.tested:
            return None
        until_login = self.own.until_login
        return KnownProgram(tested=self.own.tested, asks_login=(), keys=keys, home="", until_login=until_login)

    @property
    def has_no_price(self) -> bool:
        return not self.own.tells_cost and super().has_no_price

    def cost_problem(self, model: str) -> str:
        return "" if self.own.tells_cost else super().cost_problem(model)

    def unknown(self, run: AgentRun) -> str:
        """A cost that nobody knows is not none."""
        problem = self.cost_problem(run.model)
        return f"what it costs is not known: {problem}" if problem else ""

    def credentials(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {self.own.key: environ[self.api_key_env]} if environ.get(self.api_key_env) else {}

    def login_command(self, folder: Path) -> str:
        if self.own.log_in:
            return self.own.log_in.replace(_LOGIN, shlex.quote(str(folder)))
        return f"{self.program_name} knows how; name what it needs in env or pass_env"

    def model_hosts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        return () if self.model_urls(environ) else self.own.hosts

    def command(self, run: AgentRun) -> AgentCommand:
        run.state.mkdir(parents=True, exist_ok=True)
        if self.uses_login:
            for name in self.own.login_files:
                link(run.state, name, run.login / name)
        argv = (self.program_name, *self.own.command[1:], *self.arguments, *run.arguments)
        given = {**self.own.env, **self._access(self._policy(run)).env}
        own = {name: value.replace(_STATE, str(run.state)) for name, value in given.items()}
        env = {**own, **self.credentials(os.environ), **self.env}
        stdin = self.stream(run).prompt(run.prompt).encode()
        return AgentCommand(argv, stdin, env, self.pass_env, self.writes(run), talks=True)

    def stream(self, run: AgentRun) -> Stream:
        policy = self._policy(run)
        asked = Asked(
            prompt=run.prompt,
            worktree=str(run.worktree),
            session=run.session,
            access=self._access(policy),
            model=run.model or self.model,
            answer_seconds=self.own.answer_seconds,
            silence_seconds=self.silence_seconds or self.own.silence_seconds,
            tool_servers=(_our_tools(run),) if self.own.takes_tools else (),
        )
        return AcpStream(asked, policy, AcpCount(run.before, self.price(run)), Ends(self.own))

    def _policy(self, run: AgentRun) -> PermissionPolicy:
        return PermissionPolicy(
            permissions=self.permissions,
            boxed=run.boxed,
            commands=run.commands,
            allow=self.allow,
            folders=(run.worktree, run.folder.path),
        )

    def _access(self, policy: PermissionPolicy) -> Access:
        return self.own.full if policy.allows_all else self.own.listed

    def refuse(self, run: AgentRun, end: ProcessEnd, seen: StreamSummary) -> None:
        """AgentUnavailable for a program that can't be talked to: no attempt of the task is used by that."""
        super().refuse(run, end, seen)
        if seen.final and seen.final.ending is Ending.UNUSABLE:
            raise AgentUnavailable(f"{self.program_name!r} can't be used: {_one_line(seen.final.text)}")
        is_refused = ending_of(seen.complaints) is Ending.AUTH
        if not (seen.final or seen.session or run.session or is_refused):
            how = f"it ended with exit code {end.exit_code} before it had opened a session"
            words = _one_line(seen.complaints or end.tail)
            raise AgentUnavailable(f"{self.program_name!r} can't be used: {how}: {words}")


def _our_tools(run: AgentRun) -> dict[str, Any]:
    """`makima directive` as the agent starts it, beside itself; of its own environment it may pass on nothing."""
    task = {"name": TASK_FOLDER, "value": str(run.folder.path)}
    return {"name": "makima", "command": str(run.folder.makima), "args": ["mcp"], "env": [task]}


def _one_line(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _WORDS_SHOWN else f"{line[:_WORDS_SHOWN]} …"
