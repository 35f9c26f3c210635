"""The client's methods as tools: their parameters make each one's schema, and nothing is written down twice."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from types import SimpleNamespace
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from domain.errors import MakimaError, Refused
from domain.problems import first_problem
from domain.visible import visible
from steering.client import Client
from steering.new_directive import StartOptions
from steering.shapes import LogsShown

OFFERED = (
    *("start", "list", "status", "why", "plan", "questions", "costs", "logs"),
    *("approve", "reject", "answer", "goal", "pause", "resume"),
)
LOOKS = ("list", "status", "why", "plan", "questions", "costs", "logs")
"""Those that change nothing."""
LEFT_OUT = ("goal_file", "edit", "plan", "yes", "auto_merge")
"""Of the options of `start`: whoever calls may be on another machine; and only a person agrees to what others wrote, or
to a merge that nobody looks at.
"""
MOST_OF_A_LOG = 20_000
"""Characters from the end of each: a model reads it."""
_MEANING = {
    "directive": "A directive's id, a unique beginning of it, its workflow's name, or its title where unique.",
    "step": "A step's name (the newest one of it), its id or a unique beginning of that.",
    "question": "A question's id or the beginning of it.",
    "text": "The answer.",
    "comment": "What shall be different: the planner reads it.",
    "goal": "What shall be true when it is done.",
    "generation": "Of the plan; the newest one if not given.",
    "plan": "The plan's name: whoever looks at another one approves nothing else.",
    "diff": "With what differs from the generation before.",
    "now": "Stop running steps too, their work saved.",
    "begin": "Else it is a draft.",
    "request_id": "A name for this request: sent again under it, as after a lost answer, it has no second effect.",
}


def _parameters(method: Callable[..., object]) -> Mapping[str, Any]:
    """Their types. What it returns is left out: its name is known only to who checks types (steering/looking.py)."""
    of_these = {name: hint for name, hint in method.__annotations__.items() if name != "return"}
    return get_type_hints(SimpleNamespace(__annotations__=of_these), method.__globals__, include_extras=True)


class Tool:
    """One of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._method = getattr(Client, name)
        self.looks = name in LOOKS

    @property
    def description(self) -> str:
        return " ".join((inspect.getdoc(self._method) or "").split())

    @cached_property
    def arguments(self) -> type[BaseModel]:
        hints = _parameters(self._method)
        given: dict[str, Any] = {}
        for each in list(inspect.signature(self._method).parameters.values())[1:]:
            if hints[each.name] is StartOptions:
                given |= _start_options()
            else:
                default = ... if each.default is inspect.Parameter.empty else each.default
                given[each.name] = (Annotated[hints[each.name], Field(description=_MEANING[each.name])], default)
        return create_model(f"{self.name}_arguments", __config__=ConfigDict(extra="forbid"), **given)

    async def call(self, client: Client, arguments: Mapping[str, object]) -> BaseModel:
        """Raises MakimaError."""
        try:
            taken = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise Refused(first_problem(error, self.name)) from error
        given = {name: getattr(taken, name) for name in self.arguments.model_fields}
        if self.name == "start":
            options = {name: given.pop(name) for name in _start_options()}
            given["options"] = StartOptions(**options)
        shown: BaseModel = await getattr(client, self.name)(**given)
        return shown


def _start_options() -> dict[str, Any]:
    hints = get_type_hints(StartOptions, include_extras=True)
    taken = [each for each in fields(StartOptions) if each.name not in LEFT_OUT]
    return {each.name: (hints[each.name], each.default) for each in taken}


class Tools:
    """All of them, over one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._under_way: set[asyncio.Task[BaseModel]] = set()
        self.offered: dict[str, Tool] = {name: Tool(name) for name in OFFERED}

    async def call(self, name: str, arguments: Mapping[str, object]) -> tuple[str, bool]:
        """What it says, and whether it went well. What has begun is done to its end, whether or not somebody waits."""
        tool = self.offered.get(name)
        if tool is None:
            return f"there is no tool {name[:100]!r}, only: {', '.join(self.offered)}", False
        work = asyncio.create_task(tool.call(self._client, arguments))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            shown = await asyncio.shield(work)
        except MakimaError as error:
            return visible(" ".join(str(error).split())), False
        return visible(_short(shown).model_dump_json()), True

    async def finish(self) -> None:
        """Wait for what has begun."""
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _short(shown: BaseModel) -> BaseModel:
    """Logs without what is far from their ends."""
    if not isinstance(shown, LogsShown):
        return shown
    tasks = [
        task.model_copy(
            update={
                "log": task.log[-MOST_OF_A_LOG:],
                "deliveries": tuple(each.model_copy(update={"log": ""}) for each in task.deliveries),
            }
        )
        for task in shown.tasks
    ]
    return shown.model_copy(update={"tasks": tuple(tasks)})
