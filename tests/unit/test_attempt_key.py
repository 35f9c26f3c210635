"""What an attempt's state is bound to (rule 6.8): directive, task, attempt, kind, place and commit."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from daemon.core.attempt_key import AttemptKey, StateKind
from domain.directive_secret import new_secret
from domain.dispatch import spawn_command
from domain.errors import NotVerified
from domain.spawn_task import SpawnTask
from tests.unit.directives import dispatchable, one_step, planned_state

pytestmark = pytest.mark.rule("6.8")
BOUND = ("refs/makima/outcomes/x/1", "c" * 40)


@pytest.fixture
def command() -> SpawnTask:
    state = planned_state(one_step())
    return spawn_command(state, dispatchable(state)[0]).model_copy(update={"secret": new_secret()})


def key_of(command: SpawnTask, **other: Any) -> AttemptKey:
    key = AttemptKey.of(command.model_copy(update=other))
    assert key
    return key


def test_what_an_attempt_has_written_its_every_delivery_reads(command: SpawnTask) -> None:
    token = key_of(command).encrypt(StateKind.OUTCOME, b"text", *BOUND)
    assert b"text" not in token
    kept = AttemptKey.from_text(key_of(command).to_text())
    for key in (key_of(command), kept):
        assert key and key.decrypt(StateKind.OUTCOME, token, *BOUND) == b"text"
    again = command.model_copy(update={"attempt": 2})
    earlier = AttemptKey.of(again, 1)
    assert earlier and earlier.decrypt(StateKind.OUTCOME, token, *BOUND) == b"text", "what the next attempt looks at"


@pytest.mark.parametrize("other", ["secret", "directive", "task", "attempt"])
def test_no_other_attempt_reads_or_writes_it(command: SpawnTask, other: str) -> None:
    values: dict[str, Any] = {"secret": new_secret(), "directive": uuid4(), "task": uuid4(), "attempt": 2}
    foreign = key_of(command, **{other: values[other]})
    token = key_of(command).encrypt(StateKind.OUTCOME, b"text", *BOUND)
    with pytest.raises(NotVerified):
        foreign.decrypt(StateKind.OUTCOME, token, *BOUND)
    assert foreign.name("delivery") != key_of(command).name("delivery")


@pytest.mark.parametrize(
    "bound", [("refs/makima/outcomes/x/2", "c" * 40), (BOUND[0], "d" * 40), BOUND[:1], (*BOUND, ""), ("".join(BOUND),)]
)
def test_it_is_read_at_its_own_place_and_for_its_own_commit_alone(command: SpawnTask, bound: tuple[str, ...]) -> None:
    key = key_of(command)
    with pytest.raises(NotVerified):
        key.decrypt(StateKind.OUTCOME, key.encrypt(StateKind.OUTCOME, b"text", *BOUND), *bound)


def test_one_kind_of_state_is_never_taken_for_another(command: SpawnTask) -> None:
    key = key_of(command)
    for written in StateKind:
        for read in set(StateKind) - {written}:
            with pytest.raises(NotVerified):
                key.decrypt(read, key.encrypt(written, b"text", *BOUND), *BOUND)


@pytest.mark.parametrize("change", [b"", b"x", b"\0" * 12, b"\0" * 500])
def test_garbage_is_not_verified_and_no_crash(command: SpawnTask, change: bytes) -> None:
    with pytest.raises(NotVerified):
        key_of(command).decrypt(StateKind.OUTCOME, change, *BOUND)


def test_a_command_without_a_secret_has_no_key_and_no_key_is_shown(command: SpawnTask) -> None:
    assert AttemptKey.of(command.model_copy(update={"secret": type(command.secret)("")})) is None
    assert AttemptKey.from_text("") is None
    assert key_of(command).to_text() not in repr(key_of(command))
