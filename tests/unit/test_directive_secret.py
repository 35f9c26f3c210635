"""A directive's secret reaches its daemons, and nobody else sees it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from domain import names
from domain.directive_secret import NO_SECRET, new_secret
from domain.dispatch import spawn_command
from domain.models import State
from domain.protocol import DaemonFeature
from domain.queues import queue_of
from domain.record import Facts, ProgressWrite, WriteAnswer, snapshot
from domain.reports import DaemonSeen
from domain.spawn_task import SpawnTask
from domain.statuses import TaskKind
from domain.why import why
from tests.unit.directives import NOW, begun, dispatchable, one_step, planned_state
from workflows.state import DirectiveInput

pytestmark = pytest.mark.rule("6.8")
SECRET = new_secret()
TEXT = SECRET.get_secret_value()


def authenticated(state: State) -> State:
    return state.model_copy(update={"authenticated": True})


def command() -> SpawnTask:
    state = authenticated(planned_state(one_step()))
    return spawn_command(state, dispatchable(state)[0], SECRET)


def test_every_directives_secret_is_another_one() -> None:
    assert len({new_secret().get_secret_value() for _ in range(100)}) == 100
    assert len(TEXT) >= 43


def test_a_secret_travels_as_json_and_shows_nowhere_else() -> None:
    given = DirectiveInput(state=authenticated(planned_state(one_step())), secret=SECRET)
    write = snapshot(given.state, Facts(), "run", 1, SECRET)
    for holder in (command(), given, write):
        assert TEXT not in repr(holder) + str(holder) + str(holder.model_dump())
        again = type(holder).model_validate_json(holder.model_dump_json())
        assert again == holder
    assert TEXT not in given.state.model_dump_json()


@pytest.mark.parametrize("model", [SpawnTask, DirectiveInput, ProgressWrite, WriteAnswer])
def test_what_cannot_be_read_is_told_without_the_secret(model: type[Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(model).validate_json(json.dumps({"secret": TEXT, "z": 1}))
    assert TEXT[:10] not in str(refused.value)


def test_a_directive_without_one_is_dispatched_as_ever() -> None:
    state = planned_state(one_step())
    (task,) = dispatchable(state)
    assert spawn_command(state, task, SECRET).secret == NO_SECRET
    assert queue_of(state, task).name == "daemons/default"


@pytest.mark.parametrize(
    ("settings", "queue"),
    [
        ({}, "authenticated/daemons/default"),
        ({"label": "gpu"}, "authenticated/daemons/default/gpu"),
        ({"on": "box"}, "authenticated/daemon/default/box"),
    ],
)
def test_an_attempt_with_a_secret_waits_where_only_daemons_poll_that_know_it(
    settings: dict[str, Any], queue: str
) -> None:
    state = authenticated(planned_state(one_step(), **settings))
    (task,) = dispatchable(state)
    assert queue_of(state, task).name == queue
    assert spawn_command(state, task, SECRET).secret == SECRET


def test_what_leaves_nothing_on_the_remote_needs_no_secret() -> None:
    state = authenticated(begun())
    (task,) = dispatchable(state)
    prepare = task.model_copy(update={"kind": TaskKind.PREPARE})
    assert queue_of(state, prepare).name == names.light_queue("default")
    assert spawn_command(state, prepare, SECRET).secret == NO_SECRET


def test_why_names_the_daemon_that_has_to_be_upgraded() -> None:
    state = authenticated(planned_state(one_step()))
    (step,) = state.steps.values()

    def seen(**fields: Any) -> DaemonSeen:
        given = {"name": "box", "version": "0.1", "agents": (), "labels": (), "capacity": 1, "running": ()}
        late = {"reported_at": NOW, "sandbox": "", "silent_for": timedelta(seconds=1)}
        return DaemonSeen.model_validate(given | late | fields)

    assert "box is of a version that knows no secrets: upgrade it" in why(state, step, [seen()], NOW)
    assert "1 of 1 slots free" in why(state, step, [seen(features=(DaemonFeature.SECRETS,))], NOW)
