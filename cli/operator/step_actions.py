"""What an operator does with one step (rules 4.5, 8.2): functions from what was typed to a typed request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import typer

from cli.operator.command_group import StepName, listed
from domain.errors import Refused
from domain.plan import PlannedStep
from domain.requests import (
    AddStep,
    CancelStep,
    CompleteStep,
    EditStep,
    FailStep,
    RemoveStep,
    Request,
    RetryStep,
    SetDependencies,
    SkipStep,
)

Phase = Annotated[int, typer.Option(help="The step's phase: it waits for every lower one.", min=0)]
Label = Annotated[str, typer.Option(help="Only a daemon with this label may do it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to what happens to the steps that were built on it.")]
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def add_step(
    name: Annotated[str, typer.Argument(help="The new step's name.")],
    task_plan: Annotated[str, typer.Option(help="Everything that the step's agent has to know.")],
    description: Annotated[str, typer.Option(help="What it is, in a line or two.")] = "",
    depends_on: Annotated[str, typer.Option(help="Ids or names of steps, separated by commas.")] = "",
    order_index: Phase = 0,
    label: Label = "",
) -> AddStep:
    """Add a step to the newest plan and print its id.

    Example: starter.py add-step 3f2a "Rate limit" --task-plan "Five tries a minute" --depends-on "Session store"
    """
    planned = PlannedStep(
        name=name,
        description=description,
        task_plan=task_plan,
        depends_on=listed(depends_on),
        order_index=order_index,
        label=label,
    )
    return AddStep(id=uuid4(), step=planned)


def edit_step(
    step: StepName,
    description: Annotated[str | None, typer.Option(help="What it is, in a line or two.")] = None,
    task_plan: Annotated[str | None, typer.Option(help="Everything that the step's agent has to know.")] = None,
    order_index: Annotated[int | None, typer.Option(help="Another phase.", min=0)] = None,
    label: Annotated[str | None, typer.Option(help='The label that its daemon must have; "" for none.')] = None,
) -> EditStep:
    """Give a step that doesn't run yet another text, phase or label.

    Example: starter.py edit-step 3f2a "Rate limit" --task-plan "Ten tries a minute"
    """
    if (description, task_plan, order_index, label) == (None, None, None, None):
        raise Refused("nothing to edit: give --description, --task-plan, --order-index or --label")
    return EditStep(step=step, description=description, task_plan=task_plan, order_index=order_index, label=label)


def remove_step(step: StepName, yes: Yes = False) -> RemoveStep:
    """Take a step out of the plan, one that is done, too, as long as no pull request holds it.

    The steps that depend on it go with it, once you have agreed to that.

    Example: starter.py remove-step 3f2a "Rate limit" --yes
    """
    return RemoveStep(step=step, agreed=yes)


def set_deps(
    step: StepName,
    on: Annotated[str, typer.Option(help='Ids or names of steps, separated by commas; "" for none.')],
) -> SetDependencies:
    """Let a step that doesn't run yet depend on other steps than before.

    Example: starter.py set-deps 3f2a "Rate limit" --on "Session store,Login form"
    """
    return SetDependencies(step=step, depends_on=listed(on))


def retry_step(
    step: StepName,
    reason: Annotated[str, typer.Option(help="What was wrong; its agent reads it.")] = "",
    yes: Yes = False,
) -> RetryStep:
    """Run a step again that failed, was cancelled, or is done and in no pull request yet.

    The steps that it blocks are freed; those that were built on its work are done again, once you have agreed to that.

    Example: starter.py retry-step 3f2a "Session store" --reason "Sessions never end" --yes
    """
    return RetryStep(step=step, reason=reason, agreed=yes)


def skip_step(step: StepName, yes: Yes = False) -> SkipStep:
    """Go on as if a step were done, and without what it has done, where no pull request holds that yet.

    The steps that were built on its work are done again, once you have agreed to that.

    Example: starter.py skip-step 3f2a "Session store" --yes
    """
    return SkipStep(step=step, agreed=yes)


def complete_step(
    step: StepName,
    commit: Annotated[
        str, typer.Option(help="The commit that holds its work, in full; the next steps build on it.")
    ] = "",
) -> CompleteStep:
    """Count a step as completed by hand.

    Example: starter.py complete-step 3f2a "Session store" --commit "$(git rev-parse HEAD)"
    """
    if commit and not COMMIT.fullmatch(commit.lower()):
        raise Refused("--commit takes a whole commit id: `git rev-parse HEAD` prints one")
    return CompleteStep(step=step, commit=commit.lower())


def fail_step(step: StepName, reason: Annotated[str, typer.Option(help="Why.")]) -> FailStep:
    """Count a step as failed by hand.

    Example: starter.py fail-step 3f2a "Session store" --reason "The library is abandoned"
    """
    return FailStep(step=step, reason=reason)


def cancel_step(step: StepName) -> CancelStep:
    """Stop a step, its work saved; `retry-step` runs it again.

    Example: starter.py cancel-step 3f2a "Session store"
    """
    return CancelStep(step=step)


STEP_ACTIONS: tuple[Callable[..., Request], ...] = (
    add_step,
    edit_step,
    remove_step,
    set_deps,
    retry_step,
    skip_step,
    complete_step,
    fail_step,
    cancel_step,
)
