"""What may be asked of a directive (rule 8.2): one frozen model for every action."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.budget import Budget
from domain.directive_settings import CompletionRule
from domain.plan import PlannedStep

Reference = Annotated[str, Field(min_length=1, max_length=200)]
"""A step, by its id or by its name; the newest one of that name."""


class Request(BaseModel):
    """What every request carries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: Annotated[str, Field(max_length=200)] = "operator"


class Begin(Request):
    """Start a draft (rule 2.1)."""


class ChangeGoal(Request):
    """Another goal for a running directive, which plans it again (rule 8.1)."""

    goal: Annotated[str, Field(min_length=1, max_length=64 * 1024)]


class Replan(Request):
    """Plan the same goal again."""

    comment: Annotated[str, Field(max_length=16 * 1024)] = ""


class Pause(Request):
    """Start nothing new; queued tasks are called back, running ones end (drain) or are stopped, their work saved."""

    now: bool = False


class Resume(Request):
    """Go on after a pause."""


class EditDirective(Request):
    """Other settings from the next task on, named as in `domain.directive_settings.Settings`; None leaves one as it is,
    and what is empty takes it away. Of agents the names, with commas between them (rule 5.9)."""

    base_branch: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    agents: str | None = None
    """Those of `agent` and `planner`, where neither is named by itself."""
    agent: str | None = None
    planner: str | None = None
    fixer: str | None = None
    resolver: str | None = None
    step_agents: tuple[str, ...] | None = None
    fallback_after: timedelta | None = None
    on: str | None = None
    label: str | None = None
    setup: tuple[str, ...] | None = None
    verify: tuple[str, ...] | None = None
    max_parallel_steps: int | None = None
    max_attempts: int | None = None
    max_turns: int | None = None
    max_cost_usd: float | None = None
    budget: Budget | None = None
    completion: CompletionRule | None = None
    require_approval: bool | None = None
    memory: bool | None = None
    shepherd: bool | None = None
    shepherd_rounds: int | None = None
    branch_prefix: str | None = None
    keep_branches: bool | None = None


class Archive(Request):
    """Cancel what runs, save its work, close (rule 2.9)."""


PlanName = Annotated[str, Field(pattern=r"^([0-9a-f]{8})?$")]
"""Of a plan that waits for approval; empty: whichever does."""
NO_PLAN = "0" * 8
"""No plan's: asked for where none was to be seen, lest one is meant that comes meanwhile."""


class Approve(Request):
    """Let the proposed plan be carried out (rule 2.4)."""

    plan: PlanName = ""


class Reject(Request):
    """Send the proposed plan back to the planner."""

    plan: PlanName = ""
    comment: Annotated[str, Field(min_length=1, max_length=16 * 1024)]


class AddStep(Request):
    """Add one step to the newest generation."""

    id: UUID
    """Chosen by the caller, so that a repeated call is recognised."""
    step: PlannedStep


class StepRequest(Request):
    """A request about one step."""

    step: Reference


class EditStep(StepRequest):
    """Another text, phase or label for a step that doesn't run yet; None leaves one as it is."""

    description: str | None = None
    task_plan: str | None = None
    order_index: int | None = None
    label: str | None = None


class StepTexts(BaseModel):
    """What a step is told, as the record has it; the state of a long run has dropped it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    task_plan: str


class Repairing(BaseModel):
    """What a request about a step carries that may take finished work back, and what was built on it along with it."""

    follow: tuple[UUID, ...] = ()
    """The steps that the operator agrees to see done again, or removed, too; refused where others would be."""
    agreed: bool = False
    """With whatever follows from it, unseen."""
    texts: dict[UUID, StepTexts] = {}
    """Of the steps that are done again, as far as the record has them."""


class RemoveStep(StepRequest, Repairing):
    """Take a step out of the plan (rule 4.5)."""


class SetDependencies(StepRequest):
    """Other dependencies for a step that doesn't run yet."""

    depends_on: tuple[Reference, ...]


class RetryStep(StepRequest, Repairing):
    """Run a step again that failed, was cancelled, or is completed and not shipped yet."""

    reason: Annotated[str, Field(max_length=4096)] = ""
    """What was wrong: its agent reads it."""


class SkipStep(StepRequest, Repairing):
    """Go on as if it were done, without what it has done."""


Repair = RetryStep | SkipStep | RemoveStep


class CompleteStep(StepRequest):
    """Count it as completed by hand, with the commit that holds its work, if there is one (rule 4.5)."""

    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] = ""


class FailStep(StepRequest):
    """Count it as failed by hand."""

    reason: Annotated[str, Field(min_length=1, max_length=4096)]


class CancelStep(StepRequest):
    """Stop it, its work saved; it can be retried."""


class AnswerQuestion(Request):
    """Answer a question of an agent's (rule 8.3), named by its id or a beginning of it."""

    question: Annotated[str, Field(min_length=4, max_length=36)]
    answer: Annotated[str, Field(max_length=16 * 1024)]


class SetMemory(Request):
    """Remember something for the directive's agents."""

    key: Annotated[str, Field(min_length=1, max_length=200)]
    value: str
    category: Annotated[str, Field(max_length=100)] = ""


class DeleteMemory(Request):
    """Forget it."""

    key: str


class Poke(Request):
    """Look at the pull request now (rule 7.5)."""


class SetPullRequest(Request):
    """Name the pull request that was opened by hand; one of the directive's repository is looked after from now on."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2048)]
    agreed: bool = False
    """The operator was asked, or wants not to be: it may come from another branch than the directive's own."""
