"""Other settings for a directive that is under way (rule 8.2): from the next task on, what runs keeps what it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from domain import budgeting, names
from domain.asking import Topic, anew, ask_operator, asked_now, settle_topic
from domain.change import Draft
from domain.directive_settings import SHELL, AgentChoice, Settings, agent_list
from domain.errors import Refused
from domain.events import EventName
from domain.fallbacks import look_again
from domain.models import State
from domain.problems import first_problem
from domain.statuses import DirectiveStatus, TaskKind, TaskStatus

if TYPE_CHECKING:  # reading a directive needs no requests, and their models take time to build
    from domain.requests import EditDirective

AGENTS = ("agent", "planner", "fixer", "resolver")
BY_DEFAULT = ("fixer", "resolver")
"""What another agent does where none is named for it."""
OF_THE_LOOP = ("max_parallel_steps", "max_attempts")
"""What no task is told: nothing that is queued has to be queued anew for it."""


def edit(draft: Draft, request: EditDirective) -> None:
    """Carry out `request`, or raise Refused."""
    before = draft.state.directive
    settings = _changed(before.settings, request)
    if request.base_branch is not None:  # until the first plan the directive may have none
        _check_base(draft.state, request.base_branch)
    told = _differences(before.settings, settings)
    rebased = request.base_branch not in (None, before.base_branch)
    if not told and not rebased:
        raise Refused("nothing would be another than it is")
    state = draft.state
    draft.set(directive=before.model_copy(update={"settings": settings}))
    look_again(draft, state)
    if told:
        draft.event(EventName.DIRECTIVE_EDITED, "; ".join(told)[:500])
    if request.base_branch is not None and rebased:
        _choose_base(draft, request.base_branch)
    budgeting.edited(draft, before.settings.budget)
    if rebased or any(line.split(":")[0] not in OF_THE_LOOP for line in told):
        _queue_anew(draft)


def is_own_branch(state: State, branch: str) -> bool:
    """Whether the directive pushes to `branch`: as its base it would be merged into itself."""
    directive, known = state.directive, state.pull_request
    ours = re.escape(names.directive_branch(directive.text.title, directive.id, prefix=directive.settings.prefix))
    of_steps = {step.work.branch for step in state.steps.values() if step.work}
    is_ours = re.fullmatch(rf"{ours}(-v\d+)?", branch) is not None
    return is_ours or branch in of_steps or (known is not None and known.branch == branch)


def use_base(draft: Draft, branch: str, why: str) -> None:
    """From now on the work starts from, and is merged into, another base branch: what was recorded of the one before
    is no place to begin at any more.
    """
    draft.set(directive=draft.state.directive.model_copy(update={"base_branch": branch}))
    outdate_bases(draft)
    known = draft.state.pull_request
    if known and not known.number:
        draft.set(pull_request=known.model_copy(update={"base": branch}))
    settle_topic(draft, Topic.BASE, branch)
    draft.event(EventName.BASE_CHANGED, why)


def outdate_bases(draft: Draft) -> None:
    """What has not begun yet starts from the base branch as it is then, not from the commit that was recorded."""
    state = draft.state
    planning = state.proposal or state.live(TaskKind.PLANNING, TaskKind.PREPARE)
    outdated = max(state.merged.generation, state.generation if planning else state.planned)
    draft.set(merged=state.merged.model_copy(update={"generation": outdated}))


def ask_for_base(draft: Draft, report: str) -> None:
    """One question at a time, whose answer is the name of the branch to use from now on."""
    if not asked_now(draft.state, Topic.BASE):
        text = f"{report}\nWhich branch shall the work start from and be merged into?"
        ask_operator(draft, Topic.BASE, anew(draft), text, ())


def answer_base(draft: Draft, answer: str) -> None:
    """Use the branch that was named, and go on with it; Refused for what is no branch's name."""
    branch = _check_base(draft.state, answer.strip())
    before = draft.state.directive.base_branch
    if branch != before:
        _choose_base(draft, branch)
    if draft.state.status is DirectiveStatus.PAUSED:
        draft.set(status=DirectiveStatus.ACTIVE, reason="")
        draft.event(EventName.DIRECTIVE_RESUMED, f"with base branch {branch}")


def running(state: State) -> list[str]:
    """The names of the tasks that keep what they were started with."""
    return [task.name for task in state.live() if task.status in (TaskStatus.STARTING, TaskStatus.RUNNING)]


def _changed(settings: Settings, request: EditDirective) -> Settings:
    fields: dict[str, Any] = request.model_dump(exclude_none=True, include=set(Settings.model_fields))
    fields |= _agents(settings, request)
    if fields.get("on") == "any":
        fields["on"] = ""
    try:
        changed = Settings.model_validate({**dict(settings), **fields})
    except ValidationError as error:
        raise Refused(first_problem(error, "settings")) from error
    if changed.on and changed.label:
        raise Refused(f"--on {changed.on} names the daemon: --label {changed.label} has nothing left to choose")
    return changed


def _agents(settings: Settings, request: EditDirective) -> dict[str, AgentChoice | None]:
    """As at the start: the agents for all do what none is named for, and the shell never plans."""
    chosen: dict[str, AgentChoice | None] = {}
    for name in AGENTS:
        wanted, option = getattr(request, name), name
        if wanted is None and name not in BY_DEFAULT and request.agents is not None:
            wanted, option = request.agents, "agents"
        if wanted is None or (option == "agents" and name == "planner" and wanted.strip() == SHELL):
            continue
        before = getattr(settings, name)
        known = before.in_order if before else ()
        try:
            chosen[name] = agent_list(wanted.split(","), known) if wanted or name not in BY_DEFAULT else None
        except ValueError as error:
            raise Refused(f"--{option}: {error}") from error
    return chosen


def _differences(before: Settings, after: Settings) -> list[str]:
    return [
        f"{name}: {_said(getattr(before, name))} → {_said(getattr(after, name))}"
        for name in Settings.model_fields
        if getattr(before, name) != getattr(after, name)
    ]


def _said(value: object) -> str:
    if isinstance(value, AgentChoice):
        return ", ".join(each.name for each in value.in_order)
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value or "none")


def _check_base(state: State, branch: str) -> str:
    if is_own_branch(state, names.check_branch(branch)):
        raise Refused(f"{branch!r} is a branch that the directive pushes to: its base is another one")
    return branch


def _choose_base(draft: Draft, branch: str) -> None:
    """An operator's choice: an open pull request is brought to it, else its own base would count again."""
    use_base(draft, branch, f"{draft.state.directive.base_branch} → {branch}")
    known = draft.state.pull_request
    if known and known.number and not known.state.is_over:
        draft.set(shepherding=draft.state.shepherding.model_copy(update={"retarget": branch}))


def _queue_anew(draft: Draft) -> None:
    """What waits in a queue was told the old settings, and may wait in a queue that nobody serves."""
    for task in draft.state.live():
        if task.status is TaskStatus.PENDING:
            draft.task(task.id, unwanted=True)
