"""Reading a chain plan document (SPEC 3.3): `{"steps": […]}` or a bare list, whole, fenced, or with prose around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from domain.errors import PlanRefused
from domain.plan import PlannedStep, read_planned

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def read_chain_plan(document: str) -> list[PlannedStep]:
    """The steps that `document` holds; PlanRefused where no JSON in it looks like a plan, or a step is malformed."""
    for candidate in _candidates(document):
        steps = candidate.get("steps") if isinstance(candidate, dict) else candidate
        if isinstance(steps, list) and steps and all(isinstance(step, dict) for step in steps):
            return read_planned(steps)
    raise PlanRefused('no plan found: a chain plan is JSON, {"steps": [{"name": …, "task_plan": …}]}')


def _candidates(document: str) -> Iterator[object]:
    """Every JSON value in `document`, the most deliberate forms first."""
    for text in [document, *_FENCE.findall(document)]:
        try:
            yield json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            continue
    decoder = json.JSONDecoder()
    for start in re.finditer(r"[{\[]", document):
        try:
            yield decoder.raw_decode(document, start.start())[0]
        except (json.JSONDecodeError, RecursionError):
            continue
