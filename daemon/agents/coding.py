"""What the coding agents with an account have in common: credentials, permissions, and how their end is judged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from daemon.agents.base import (
    AgentResult,
    AgentRun,
    Program,
    StreamSummary,
    failed,
    parts_of,
    require_program,
    stopped_by_us,
)
from daemon.agents.error_texts import ending_of
from daemon.agents.instructions import InstructionsFile
from daemon.agents.named_files import named_files
from daemon.agents.prices import Price, price_for
from daemon.agents.stream_events import Ending
from daemon.process.program import EndedBy, ProcessEnd
from domain.directive_settings import Limits
from domain.errors import AgentUnavailable
from domain.failures import Failure, FailureCategory

_CATEGORY = {
    Ending.BUDGET: FailureCategory.BUDGET,
    Ending.CONTEXT: FailureCategory.CONTEXT,
    Ending.CRASHED: FailureCategory.CRASHED,
    Ending.AUTH: FailureCategory.AUTH,
}
_SIGNAL = 128
_NOT_STARTED = (126, 127)
"""Exit codes of a program that can't be run, or of one that lacks its interpreter."""

GIT_COMMANDS = (
    *("add", "apply", "blame", "branch", "cat-file", "checkout", "cherry-pick", "clean", "commit", "describe", "diff"),
    *("grep", "log", "ls-files", "ls-tree", "merge", "merge-base", "mv", "rebase", "reset", "restore", "rev-list"),
    *("rev-parse", "revert", "rm", "show", "stash", "status", "switch", "tag", "worktree list"),
)
"""Neither push nor config, and nothing before the command's name, which could stand for either."""


class Permissions(StrEnum):
    """What an agent may do beyond reading and editing in its worktree."""

    AUTO = "auto"
    """Everything inside a sandbox; without one what `deny` says."""
    ALLOW = "allow"
    DENY = "deny"
    """What the list of allowed commands doesn't name is refused."""
    ASK = "ask"
    """What the list doesn't name becomes a question to a person."""


@dataclass(frozen=True)
class KnownProgram:
    """A program that Makima is tested with, as `doctor` looks at it."""

    tested: str
    """tests/agents/package.json has the same version."""
    asks_login: tuple[str, ...]
    """Arguments with which it says, by its exit code and without a request to a model, whether it is logged in."""
    keys: tuple[str, ...]
    """Variables that hold a credential."""
    home: str
    """The variable that names the folder of its login."""
    until_login: bool = False
    """It was tried no further than its request for a login."""


class CodingAgent(Program):
    """An agent of a vendor, whose account is used by an API key, a long-lived token, or a login on this machine."""

    follows_prompts: ClassVar[bool] = True
    has_sessions: ClassVar[bool] = True
    key_variable: ClassVar[str]
    """Where the program looks for an API key, and below for a token."""
    token_variable: ClassVar[str]
    known: ClassVar[KnownProgram]
    instructions: ClassVar[InstructionsFile | None] = None
    """Where its user's own instructions lie; None: nobody knows."""

    kind: str
    model: str = ""
    """Where the directive names none; empty: the program's own choice."""
    arguments: tuple[str, ...] = ()
    """Further ones of every run."""
    user_instructions: bool = False
    """Whether it is given what the daemon's user tells it in a file of the home folder."""
    api_key_env: str = ""
    """The variable of the daemon's environment that holds an API key."""
    token_env: str = ""
    """The same for a long-lived token."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """Model → price, `any` for all others: what is used costs, where the program itself doesn't say it."""
    login: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,40}$")] = "default"
    """Whose login it is, where neither is given: agents with the same one share it."""

    @property
    def credential(self) -> str:
        """The account by its name: what is parked while its limit lasts."""
        return self.api_key_env or self.token_env or self.login

    @property
    def credential_variables(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.api_key_env, self.token_env)))

    @property
    def login_name(self) -> str:
        return f"{self.kind}-{self.login}"

    @property
    def tested_program(self) -> KnownProgram | None:
        """What `doctor` looks at; None: no version of it was tested."""
        return self.known

    @property
    def uses_login(self) -> bool:
        return not self.credential_variables

    @property
    def program_name(self) -> str:
        raise NotImplementedError

    def remedy(self, folder: Path) -> str:
        """What a person does on this machine about a login that is refused; its login lies in `folder`."""
        if variable := self.api_key_env or self.token_env:
            return f"Its credential is {variable} in the daemon's environment: set it anew and restart the daemon."
        return f"Its login is in a folder of its own: {self.login_command(folder)}"

    def login_command(self, folder: Path) -> str:
        raise NotImplementedError

    def check(self) -> None:
        require_program(self.program_name, self.env.get("PATH"))
        for name in self.credential_variables:
            if not os.environ.get(name):
                where = "the daemon's environment, where the agent's settings want it"
                raise AgentUnavailable(f"{name} is not set in {where}")

    def parts(self) -> tuple[Path, ...]:
        return (*parts_of(self.program_name, self.env.get("PATH")), *named_files(self.arguments))

    def credentials(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables by which the program is given its key or token."""
        given = {self.key_variable: self.api_key_env, self.token_variable: self.token_env}
        return {name: environ[source] for name, source in given.items() if source and source in environ}

    @property
    def has_no_price(self) -> bool:
        """Whether nobody knows what its usual model costs."""
        return not (self.counts_cost or price_for(self.prices, self.model))

    def price(self, run: AgentRun, model: str = "") -> Price | None:
        """Of what this run uses; `model`: the one that has answered, where it is known."""
        return price_for(self.prices, model, run.model or self.model)

    def cost_problem(self, model: str) -> str:
        if self.counts_cost or price_for(self.prices, model or self.model):
            return ""
        return f"no price is known for {model or self.model or 'its model'} (docs/agents.md)"

    def refuse_limits(self, limits: Limits, model: str) -> None:
        if limits.cost_usd and (problem := self.cost_problem(model)):
            raise AgentUnavailable(
                f"--max-cost can't be kept: {problem}; name one, or `starter.py edit ID --max-cost 0`"
            )

    def refuse(self, run: AgentRun, end: ProcessEnd, seen: StreamSummary) -> None:
        """Where the program was not there when it was started: it is being updated, or was removed."""
        if end.exit_code in _NOT_STARTED and not seen.session and not seen.final:
            self.check()
            raise AgentUnavailable(f"{self.program_name!r} can't be started: {end.tail.strip()[-300:]}")

    def give_instructions(self, run: AgentRun) -> None:
        """Lay the user's own into its state, where the settings say so. OSError."""
        if self.user_instructions and self.instructions:
            self.instructions.copy_to(run.state)

    def writes(self, run: AgentRun) -> tuple[Path, ...]:
        """The folders that its program changes."""
        return (run.state, run.login) if self.uses_login else (run.state,)

    def judge(self, end: ProcessEnd, seen: StreamSummary) -> AgentResult:
        """Completed only where its final event says so and it ended by itself with exit code 0, or was ended for not
        ending (rule 6.9).
        """
        return judged(end, seen)


def judged(end: ProcessEnd, seen: StreamSummary) -> AgentResult:
    """What the end of a run means whose stream has a final event."""
    final = seen.final
    if seen.asks:
        return AgentResult(Ending.ASKED)
    if final is None or (final.ending is Ending.KILLED and end.ended_by is not EndedBy.EXIT):
        return stopped_by_us(end) or _without_final(end, seen)
    if final.ending in (Ending.COMPLETED, Ending.DENIED):
        if end.ended_by is EndedBy.EXIT and end.exit_code != 0:
            reason = f"exit code {end.exit_code} after it said that it was done"
            return failed(Ending.CRASHED, FailureCategory.CRASHED, reason, seen.complaints)
        return AgentResult(Ending.DENIED if seen.denied else final.ending)
    return _result(final.ending, final.text, final.until or seen.until)


def _without_final(end: ProcessEnd, seen: StreamSummary) -> AgentResult:
    words = seen.complaints
    # What it had to complain about was not what ended it.
    ending = ending_of(words) if end.exit_code <= _SIGNAL else Ending.CRASHED
    if ending is Ending.CRASHED:
        how = f"exit code {end.exit_code}, without having said that it was done"
        return failed(ending, FailureCategory.CRASHED, how, words or end.tail)
    return _result(ending, words, seen.until)


def _result(ending: Ending, text: str, until: datetime | None) -> AgentResult:
    category = _CATEGORY.get(ending, FailureCategory.AGENT)
    report = f"{ending}: {text}".strip() if text else str(ending)
    return AgentResult(ending, Failure(category=category, report=report), until if ending is Ending.LIMIT else None)
