"""Arguments that nobody means, sent by whoever reaches the namespace: one refusal, and a directive that goes on."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain import requests
from domain.protocol import ErrorType
from tests.workflows.scripted import Handle, planned, surroundings, until_status
from workflows.directive import DirectiveWorkflow

DEFINED: Any = workflow._Definition.must_from_class(DirectiveWorkflow)
"""What the worker registers, so that what comes to be later takes part."""
WRONG: tuple[list[Any], ...] = (
    [],
    [None],
    ["a text"],
    [17],
    [[]],
    [{"actor": None}],
    [{"no_such_field": 1}],
    [None, None],
    [{}, {}],
)


def _raw(data: bytes, encoding: str = "json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=data))


UNREADABLE = {
    "cut off": _raw(b'{"actor":'),
    "no text": _raw(b'"\xff"'),
    "half an emoji": _raw(b'{"actor": "\\ud83d"}'),
    "five thousand levels": _raw(b"[" * 5000 + b"]" * 5000),
    "5,000 digits": _raw(b'{"actor": ' + b"9" * 5000 + b"}"),
    "of no known kind": _raw(b"x", "binary/odd"),
    "of no kind": RawValue(Payload(data=b"x")),
}
"""Payloads that no client of ours makes."""


@pytest.mark.rule("8.2")
async def test_wrong_arguments_are_refused_in_a_line_and_hold_nothing_up(temporal_server: WorkflowEnvironment) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(("floor", []))]
        handle = await world.start(world.directive())
        await until_status(handle, "idle")
        before = await handle.query(DirectiveWorkflow.state_now)
        for name in DEFINED.updates:
            for arguments in WRONG:
                await _is_refused(handle, name, arguments)
        history = [EventType.Name(event.event_type) async for event in handle.fetch_history_events()]
        assert not any("EXECUTION_UPDATE" in event for event in history), "a refused update leaves no trace"
        for name in DEFINED.signals:
            for arguments in WRONG[:2] + WRONG[3:]:  # a text is a goal
                await handle.signal(name, args=arguments)
        await handle.signal("goal_changed", {"goal": None})
        for payload in UNREADABLE.values():
            with pytest.raises(WorkflowUpdateFailedError) as error:
                await handle.execute_update("pause", args=[payload])
            assert isinstance(error.value.cause, ApplicationError)
            _is_one_line(error.value.cause.message)
            await handle.signal("goal_changed", payload)
            with pytest.raises(WorkflowQueryFailedError) as unread:
                await handle.query("questions_of", payload)
            _is_one_line(str(unread.value))
        for name in DEFINED.queries:
            for arguments in [[None], *WRONG[2:]]:
                with pytest.raises(WorkflowQueryFailedError) as failed:
                    await handle.query(name, args=arguments)
                _is_one_line(str(failed.value))
        assert await handle.query(DirectiveWorkflow.state_now) == before
        answer = await handle.execute_update(DirectiveWorkflow.pause, requests.Pause())
        assert answer.status == "paused", "it still works"


async def _is_refused(handle: Handle, name: str, arguments: list[Any]) -> None:
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await handle.execute_update(name, args=arguments)
    cause = error.value.cause
    assert isinstance(cause, ApplicationError), (name, arguments)
    assert cause.type == ErrorType.REFUSED, (name, arguments, cause)
    _is_one_line(cause.message)


def _is_one_line(text: str) -> None:
    assert "\n" not in text
    assert "Error" not in text
