"""`command`: any program by a template of its arguments, the prompt on stdin or in a file, success by its signs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from daemon import agent_files
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
from daemon.agents.error_texts import reset_time
from daemon.agents.named_files import named_files
from daemon.agents.signs import Sign
from daemon.agents.stream_events import Ending, Stream
from daemon.agents.told_amounts import AmountPattern, CountingStream
from daemon.process.program import AgentCommand, ProcessEnd
from domain.errors import AgentUnavailable
from domain.failures import FailureCategory

TAIL_KEPT = 500
"""Characters of the output that a report of an account's trouble shows."""
_PLACES = re.compile(r"\{(prompt_file|model)\}")


class CommandAgent(Program):
    """`[agents.NAME] kind = "command"`: `{model}` and `{prompt_file}` in `argv` are replaced, all else stays.

    Without `{prompt_file}` the prompt is on stdin. A run's further arguments come last.
    """

    follows_prompts: ClassVar[bool] = True
    counts_cost: ClassVar[bool] = False

    kind: Literal["command"]
    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    model: str = ""
    """For `{model}`, where the directive names none."""
    success: Sign = Sign(exit_codes=(0,))
    """With patterns: one of them is there, too."""
    limit: Sign = Sign()
    """Its account has used up what it may for a while: the task waits, and no other one of this account begins."""
    auth: Sign = Sign()
    """Its login or key is refused: a person is asked."""
    capacity: Sign = Sign()
    """Its model has no room at this moment: as with a limit."""
    cost: AmountPattern = ""
    """In its output: what its run has cost so far, in USD."""
    tokens: AmountPattern = ""
    """The same of tokens."""

    @property
    def credential(self) -> str:
        """The account: that of the program, whoever calls it what."""
        return hashlib.sha256("\0".join((*self.argv, *self.pass_env)).encode()).hexdigest()[:12]

    def cost_problem(self, model: str) -> str:
        return "" if self.cost else "its settings don't say how it tells its cost (docs/agents.md)"

    def stream(self, run: AgentRun) -> Stream:
        return CountingStream(self.cost, self.tokens)

    def judge(self, end: ProcessEnd, seen: StreamSummary) -> AgentResult:
        """By the signs that its settings name; a success that names a pattern comes before all others."""
        if stopped := stopped_by_us(end):
            return stopped
        ended_well = end.exit_code in (self.success.exit_codes or (0,))
        if ended_well and self.success.line(end.tail) is not None:
            return AgentResult()
        trouble = {Ending.LIMIT: self.limit, Ending.AUTH: self.auth, Ending.CAPACITY: self.capacity}
        for ending, sign in trouble.items():
            if sign.is_given(end):
                return _waits(ending, sign.line(end.tail) or end.tail[-TAIL_KEPT:], end.exit_code)
        if ended_well and not self.success.patterns:
            return AgentResult()
        how = f"exit code {end.exit_code}" + (", without a sign of success" if ended_well else "")
        return failed(Ending.CRASHED, FailureCategory.AGENT, how, end.tail)

    def check(self) -> None:
        require_program(self.argv[0], self.env.get("PATH"))

    def parts(self) -> tuple[Path, ...]:
        return (*parts_of(self.argv[0], self.env.get("PATH")), *named_files(self.argv[1:]))

    def command(self, run: AgentRun) -> AgentCommand:
        values = {"model": run.model or self.model, "prompt_file": str(run.folder.prompt)}
        wanted = {place for part in self.argv for place in _PLACES.findall(part)}
        if "model" in wanted and not values["model"]:
            raise AgentUnavailable("its command needs a model: name one in the directive or in the agent's settings")
        argv = tuple(_PLACES.sub(lambda place: values[place[1]], part) for part in self.argv)
        stdin = run.prompt.encode()
        if "prompt_file" in wanted:
            agent_files.write(run.folder.path, run.folder.prompt.name, stdin)
            stdin = b""
        return AgentCommand((*argv, *run.arguments), stdin, self.env, self.pass_env)


def _waits(ending: Ending, words: str, exit_code: int) -> AgentResult:
    category = FailureCategory.AUTH if ending is Ending.AUTH else FailureCategory.AGENT
    until = reset_time(words, datetime.now().astimezone()) if ending is Ending.LIMIT else None
    return replace(failed(ending, category, f"{ending}: {words.strip() or f'exit code {exit_code}'}"), until=until)
