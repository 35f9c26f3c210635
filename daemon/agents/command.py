"""`command`: any program by a template of its arguments, the prompt on stdin or in a file, success by exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from daemon import agent_files
from daemon.agents.base import AgentCommand, AgentRun, Program, parts_of, require_program
from domain.errors import CannotServe

_PLACES = re.compile(r"\{(prompt_file|model)\}")


class CommandAgent(Program):
    """`[agents.NAME] kind = "command"`: `{model}` and `{prompt_file}` in `argv` are replaced, all else stays.

    Without `{prompt_file}` the prompt is on stdin. A run's further arguments come last.
    """

    follows_prompts: ClassVar[bool] = True
    kind: Literal["command"]
    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    model: str = ""
    """For `{model}`, where the directive names none."""

    def check(self) -> None:
        require_program(self.argv[0], self.env.get("PATH"))

    def parts(self) -> tuple[Path, ...]:
        named = (Path(part) for part in self.argv[1:] if part.startswith("/"))
        return (*parts_of(self.argv[0], self.env.get("PATH")), *named)

    def command(self, run: AgentRun) -> AgentCommand:
        values = {"model": run.model or self.model, "prompt_file": str(run.folder.prompt)}
        wanted = {place for part in self.argv for place in _PLACES.findall(part)}
        if "model" in wanted and not values["model"]:
            raise CannotServe("its command needs a model: name one in the directive or in the agent's settings")
        argv = tuple(_PLACES.sub(lambda place: values[place[1]], part) for part in self.argv)
        stdin = run.prompt.encode()
        if "prompt_file" in wanted:
            agent_files.write(run.folder.path, run.folder.prompt.name, stdin)
            stdin = b""
        return AgentCommand((*argv, *run.arguments), stdin, self.env, self.pass_env)
