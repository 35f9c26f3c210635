"""The text of a pull request (rule 7.4): what was asked, what was done, what is missing, what it cost, how to go on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain.issues import closing_lines
from domain.models import State, Step
from domain.names import short, step_task
from domain.statuses import StepStatus
from domain.usage import Usage, by_agents, used
from domain.used import total_usage
from domain.visible import visible

BODY_LIMIT = 60_000
"""Characters; GitHub takes 65,536."""
GOAL_SHOWN = 8_000
LINE_SHOWN = 1_000
REPORT_SHOWN = 600
REPLY_SHOWN = 1_500
SECTION_LIMIT = 20_000
"""Characters of a table or list: three of them and the goal fit."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>|~!+\-=.#])")
_LINKED = re.compile(r"([@#])(?=\w)")
_ZERO_WIDTH = "&#8203;"
"""Keeps a forge from notifying @people and linking #numbers that a goal or a log happens to name."""


def body(state: State, ships: Iterable[Step] = ()) -> str:
    """The pull request's description once it holds `ships`, as markdown of at most 60,000 characters."""
    arriving = {step.id for step in ships}
    version = state.pull_request.version if state.pull_request and not state.pull_request.state.is_over else 0
    held = [step for step in state.ordered_steps() if step.id in arriving or _is_held(step, version)]
    parts = [
        _asked(state),
        closing_lines(state.directive.settings.closes),
        _table(state, held),
        _left_out(state),
        _not_committed(held),
        _cost(state),
        _how_to_go_on(state),
        f"<!-- makima:directive:{state.directive.id} -->",
    ]
    return "\n\n".join(part for part in parts if part)


def reply_text(step: Step) -> str:
    """What a reviewer is answered once a fix step has dealt with the comment."""
    summary = escaped(step.summary, REPLY_SHOWN)
    if step.work and step.work.commits:
        return f"Done in {step.work.head}." + (f" {summary}" if summary else "")
    return f"Nothing was changed: {summary or 'no reason was given'}"


def escaped(text: str, limit: int = LINE_SHOWN) -> str:
    """Text of a person or agent as one line that markdown, HTML and tables leave as it is, and nothing in it unseen."""
    line = visible(" ".join(text.split()))
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;"))
    return _LINKED.sub(rf"\1{_ZERO_WIDTH}", line)


def _is_held(step: Step, version: int) -> bool:
    return step.status is StepStatus.COMPLETED and step.shipped and step.shipped_in == version


def _asked(state: State) -> str:
    text = state.directive.text
    quoted = "\n".join(f"> {escaped(line)}" for line in text.goal[:GOAL_SHOWN].splitlines())
    more = "\n> …" if len(text.goal) > GOAL_SHOWN else ""
    listed = [
        _listed("Requirements", text.requirements),
        _listed("Acceptance criteria", text.acceptance),
        _listed("Constraints", text.constraints),
    ]
    return "\n\n".join(["## What was asked", quoted + more, *(part for part in listed if part)])


def _listed(title: str, lines: tuple[str, ...]) -> str:
    return _fitted([f"**{title}**", "", *(f"- {escaped(line)}" for line in lines)], 4_000) if lines else ""


def _table(state: State, held: list[Step]) -> str:
    if not held:
        return ""
    columns = ("Step", "Status", "Agent", "Branch", "Commit", "Verified by", "Used")
    head = ["## Steps", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return _fitted([*head, *(_row(state, step) for step in held)], SECTION_LIMIT)


def _row(state: State, step: Step) -> str:
    work = step.work
    cells = (
        escaped(step.name, 200),
        "nothing to do" if work is None or not work.commits else step.status.value,
        escaped(by_agents(_agents(state, step)), 300),
        escaped(work.branch) if work and work.commits else "",
        work.head[:10] if work and work.commits else "",
        escaped(", ".join(work.verified), 300) if work else "",
        escaped(used(_usage(state, step))),
    )
    return f"| {' | '.join(cells)} |"


def _left_out(state: State) -> str:
    """What failed, was skipped or cancelled, and why; what a later plan took out is nobody's loss."""
    left = [step for step in state.ordered_steps() if _is_left_out(step)]
    lines = [f"- **{escaped(step.name, 200)}**: {escaped(_why(state, step), REPORT_SHOWN)}" for step in left]
    return _fitted(["## Not in here", "", *lines], SECTION_LIMIT) if lines else ""


def _not_committed(held: list[Step]) -> str:
    """What the agents wrote and no commit holds."""
    lines = [
        f"- **{escaped(step.name, 200)}**: {escaped(', '.join(step.work.left_out), REPORT_SHOWN)}"
        for step in held
        if step.work and step.work.left_out
    ]
    return _fitted(["## Left out of the commits", "", *lines], SECTION_LIMIT) if lines else ""


def _is_left_out(step: Step) -> bool:
    return not step.removed and step.status not in (StepStatus.COMPLETED, StepStatus.MERGED)


def _why(state: State, step: Step) -> str:
    if step.failure:
        return f"failed ({step.failure.category}): {step.failure.report}"
    if step.status is StepStatus.BLOCKED:
        return "blocked by " + ", ".join(state.steps[other].name for other in step.blocked_by)
    return step.status.value


def _cost(state: State) -> str:
    total = total_usage(state)
    return f"## Used so far\n\n{escaped(used(total))}, by all agents of this directive." if total != Usage() else ""


def _how_to_go_on(state: State) -> str:
    name = short(state.directive.id)
    failed = next((step for step in state.ordered_steps() if step.status is StepStatus.FAILED), None)
    commands = [f'starter.py goal {name} "another goal"', f"starter.py status {name}"]
    if failed:
        commands.insert(0, f"starter.py retry-step {name} {failed.id}")
    return "## How to go on\n\n```\n" + "\n".join(commands) + "\n```"


def _usage(state: State, step: Step) -> Usage:
    task = state.tasks.get(step_task(step.id))
    return (task and task.usage) or Usage()


def _agents(state: State, step: Step) -> dict[str, Usage]:
    task = state.tasks.get(step_task(step.id))
    return task.agents.by_agent if task else {}


def _fitted(lines: list[str], limit: int) -> str:
    """The lines as text of at most `limit` characters, with the number of those that didn't fit."""
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > limit - 40:
            return "\n".join([*lines[:number], "", f"… and {len(lines) - number} more"])
    return "\n".join(lines)
