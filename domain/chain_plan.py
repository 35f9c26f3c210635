"""Reading a chain plan document (SPEC 3.3): `{"steps": […]}` or a bare list, whole, fenced, or with prose around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from domain.errors import NoPlanFound
from domain.plan import PlannedStep, read_planned

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_INSTRUCTIONS = {"task_plan", "taskPlan"}
MAX_TRIES = 20_000
"""Places in a long text where JSON may begin; a plan of 200 steps has under 1,000."""
MAX_TOO_DEEP = 100
"""Of them, those that nest beyond all reason: each costs as much as a thousand others."""


def plan_artifact(names: Sequence[str]) -> str | None:
    """Which of a task's artifacts holds the plan: one that says so in its name, else the first (SPEC 3.3)."""
    named = [name for name in names if "chain" in name.lower() or "plan" in name.lower()]
    return next(iter([*named, *names]), None)


def read_chain_plan(document: str) -> list[PlannedStep]:
    """The steps that `document` holds, the last plan where it holds several.

    NoPlanFound where no JSON in it looks like a plan, PlanRefused where a step of it is malformed.
    """
    for candidate in _candidates(document):
        steps = candidate.get("steps") if isinstance(candidate, dict) else candidate
        if _are_steps(steps, named=isinstance(candidate, dict)):
            return read_planned(steps)
    raise NoPlanFound('no plan found: a chain plan is JSON, {"steps": [{"name": …, "task_plan": …}]}')


def _are_steps(steps: object, *, named: bool) -> bool:
    """A list that nobody calls steps is one only if it has instructions: logs are full of lists of objects."""
    if not isinstance(steps, list) or not steps or not all(isinstance(step, dict) for step in steps):
        return False
    return named or any(_INSTRUCTIONS & step.keys() for step in steps)


def _candidates(document: str) -> Iterator[object]:
    """Every JSON value in `document`, the most deliberate forms first, the later before the earlier.

    From the end: what an agent says last is its answer, and what it has printed before may be anything.
    """
    for text in [document, *reversed(_FENCE.findall(document))]:
        try:
            yield json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            continue
    decoder = json.JSONDecoder()
    starts = [found.start() for found in re.finditer(r"[{\[]", document)]
    too_deep = 0
    for start in islice(reversed(starts), MAX_TRIES):
        try:
            yield decoder.raw_decode(document, start)[0]
        except json.JSONDecodeError:
            continue
        except RecursionError:
            too_deep += 1
            if too_deep > MAX_TOO_DEEP:
                return
