"""What daemons' activities answer, read where an answer that is none can be dealt with.

The SDK reads a result before the workflow sees it, and an error there fails the workflow task, again and again: one
answer of a daemon of another version, or of something that only says it is a daemon, would hold a directive for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import activity, workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.errors import AnswerBroken
    from domain.problems import first_problem

Answered = TypeVar("Answered")


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
