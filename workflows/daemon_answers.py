"""What daemons' activities answer, read where an answer that is none can be dealt with.

The SDK reads a result before the workflow sees it, and an error there fails the workflow task, again and again: one
answer of a daemon of another version, or of something that only says it is a daemon, would hold a directive for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from temporalio import activity, workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, TimeoutError

with workflow.unsafe.imports_passed_through():
    from pydantic import TypeAdapter, ValidationError

    from domain.agents import Away
    from domain.errors import AnswerBroken
    from domain.moment import Moment
    from domain.problems import first_problem
    from domain.progress import used_by
    from domain.spawn_task import LONGEST_NAME
    from domain.usage import Usage
    from domain.visible import visible
    from workflows.patches import Patch, patched

Answered = TypeVar("Answered")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


async def answer_of(
    task: Callable[[Any, Any], Awaitable[Answered]], command: object, answer: type[Answered], **options: Any
) -> Answered:
    """Run the activity `task` of a daemon's; ActivityError, or AnswerBroken where it answers no `answer`."""
    name = activity._Definition.must_from_callable(task).name
    raw: RawValue = await workflow.execute_activity(str(name), command, result_type=RawValue, **options)
    try:
        read: Answered = workflow.payload_converter().from_payload(raw.payload, answer)
    except Exception as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise AnswerBroken(f"{name} answered what is no {answer.__name__}: {problem[:500]}") from error
    return read


def daemon_of(refusal: ApplicationError) -> str:
    """The name of the daemon that refused, as it says itself."""
    return visible(str(refusal.details[0]))[:LONGEST_NAME] if refusal.details else "?"


def until_of(refusal: ApplicationError) -> datetime | None:
    """When asking that daemon again makes sense, where it says so in a way that can be read."""
    try:
        return _MOMENT.validate_python(refusal.details[1]) if len(refusal.details) > 1 else None
    except ValidationError:
        return None


def away_of(refusal: ApplicationError) -> Away | None:
    """What is the matter with the task's agent there, where it is that."""
    said = refusal.details[2] if len(refusal.details) > 2 else None
    return next((away for away in Away if away == said), None)


def used_of(error: BaseException | None) -> Usage:
    """What the attempt had used by the last word of a delivery that came to no end: of its heartbeat, or its error."""
    if isinstance(error, TimeoutError):
        return used_by(error.last_heartbeat_details)
    told = error.details[3] if isinstance(error, ApplicationError) and len(error.details) > 3 else {}
    try:
        return Usage.model_validate(told)
    except ValidationError:
        return Usage()


def was_called_back(error: BaseException) -> bool:
    """The task was called back, and its daemon lost before it could say that it has stopped: no attempt is used."""
    gone = isinstance(error, ActivityError) and error.retry_state is RetryState.CANCEL_REQUESTED
    return gone and patched(Patch.CALLED_BACK_AND_LOST)
