"""Whoever may push is quicker than we are (rule 6.8): they write between two steps of ours, while an answer is lost, or
while two deliveries of an attempt live. Forger and daemons are those of tests.attacks.forging.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.git.state_refs import in_all_places, name_of
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox
from daemon.saving.outcomes import Outcomes
from daemon.saving.rescue import Rescue, settle
from daemon.saving.restoring import Restorer
from domain.spawn_task import Outcome, OutcomeStatus
from tests.attacks.forging import BRANCH, REF, Forger, Machine, forged, holds_our_own
from tests.integration.deliveries import TASK, until

pytestmark = [pytest.mark.rule("6.8"), pytest.mark.timeout(300)]

COPIES = ("refs/makima/unverified", "refs/heads/makima-state/unverified")


def hook(forger: Forger, name: str, script: str) -> None:
    """What the server does at each push: `update` gets ref, old and new, `post-receive` a line of old, new and ref."""
    file = forger.origin / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def copies(forger: Forger) -> list[str]:
    return sorted(forger.ref(ref) for place in COPIES for ref in forger.refs(place))


async def test_what_takes_the_place_of_what_was_copied_is_never_deleted_without_a_copy(
    one: Machine, forger: Forger, ours: Outcomes, tmp_path: Path
) -> None:
    first, second = (forger.outcome(text) for text in ("first", "second"))
    once = f"test -e {tmp_path}/once || {{ touch {tmp_path}/once; git update-ref {REF} {second}; }}"
    hook(forger, "post-receive", f"read old new ref\ncase $ref in */unverified/*) {once};; esac")
    outcome = await one.does(f"echo done > work; {forger.puts(first)}")
    await holds_our_own(ours, forger, outcome)
    assert copies(forger) == sorted([first, second])


async def test_a_remote_that_lets_nothing_be_deleted_keeps_one_copy_and_what_it_is_of(
    one: Machine, forger: Forger
) -> None:
    hook(forger, "update", f'test "$1" != {REF} || case $3 in *[!0]*) ;; *) exit 1;; esac')
    lie = forger.outcome(forged())
    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.questions
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    assert forger.ref(REF) == lie
    assert copies(forger) == [lie]
    (told,) = outcome.unverified
    assert "it stays there, with a copy at" in told


async def test_what_could_not_be_moved_at_first_is_moved_once_it_can_be(
    one: Machine, forger: Forger, ours: Outcomes, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.touch()
    hook(forger, "update", f'case "$1" in */unverified/*) test ! -e {closed};; esac')
    lie = forger.outcome(forged())
    forger.git("update-ref", REF, lie)
    outcome = await one.does(f"echo done > work; rm {closed}")
    await holds_our_own(ours, forger, outcome)
    assert copies(forger) == [lie] and not outcome.questions


async def test_a_copy_that_arrived_though_the_answer_was_lost_is_the_copy(
    one: Machine, forger: Forger, ours: Outcomes
) -> None:
    hook(forger, "post-receive", "read old new ref\ncase $ref in */unverified/*) kill -9 $PPID;; esac")
    lie = forger.outcome(forged())
    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")
    await holds_our_own(ours, forger, outcome)
    assert copies(forger) == [lie]


async def test_an_operator_is_asked_about_a_ref_of_any_name(one: Machine, forger: Forger) -> None:
    hook(forger, "update", 'case "$1" in */unverified/*) exit 1;; esac')
    forger.git("update-ref", f"{REF}/\udcff", forger.outcome("evil"))
    outcome = await one.does("echo done > work")
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work
    (question,) = outcome.questions
    assert outcome.model_dump_json() and "\\udcff" in question.text
    assert (await one.does("exit 1")).work == outcome.work, "the machine knows it"


async def test_a_checkpoint_whose_place_is_taken_under_an_odd_name_stays_here_and_the_work_goes_on(
    one: Machine, forger: Forger, tmp_path: Path
) -> None:
    step = f"echo 1 > work; until test -e {tmp_path}/go; do sleep 0.05; done; echo 2 > work"
    running = asyncio.create_task(one.does(f"{step}; until test -e {tmp_path}/end; do sleep 0.05; done"))
    await until(lambda: bool(forger.refs("refs/makima/checkpoints")))
    hook(forger, "update", 'case "$1" in */unverified/*) exit 1;; esac')
    (place,) = forger.refs("refs/makima/checkpoints")
    forger.git("update-ref", "-d", place)
    for ref in in_all_places(name_of(place)):
        forger.git("update-ref", f"{ref}/\udcff", forger.outcome("evil"))
    (tmp_path / "go").touch()
    told = "saved on here only: something that is not ours stays at "
    await until(lambda: any(told in chunk.text for chunk in one.daemon.core.chunks))
    (tmp_path / "end").touch()
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.model_dump_json()
    assert [warning for warning in outcome.warnings if told in warning and "\\udcff" in warning]


def held(name: str, folder: Path) -> str:
    """A step that is there, and ends once the test lets it."""
    return f"touch {folder}/{name}; until test -e {folder}/go-{name}; do sleep 0.05; done; echo {name} > work"


async def both(one: Machine, other: Machine, folder: Path) -> Iterator[asyncio.Task[Outcome]]:
    """Two deliveries of the attempt, alive at once."""
    running = [asyncio.create_task(each.does(held(name, folder))) for name, each in (("one", one), ("other", other))]
    await until(lambda: (folder / "one").exists() and (folder / "other").exists())
    return iter(running)


async def test_of_two_deliveries_one_wins_though_somebody_writes_between_them(
    one: Machine, other: Machine, forger: Forger, ours: Outcomes, tmp_path: Path
) -> None:
    first, second = await both(one, other, tmp_path)
    lie = forger.outcome(forged())
    forger.git("update-ref", REF, lie)
    (tmp_path / "go-one").touch()
    won = await first
    await holds_our_own(ours, forger, won)
    forger.git("update-ref", f"refs/heads/makima-state/outcomes/{TASK}/1", lie)
    (tmp_path / "go-other").touch()
    assert (await second).work == won.work
    await holds_our_own(ours, forger, won)
    assert forger.git("show", f"{BRANCH}:work") == "one"


async def test_where_the_first_deliverys_outcome_was_replaced_the_second_takes_nothing_from_its_branch(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    first, second = await both(one, other, tmp_path)
    (tmp_path / "go-one").touch()
    won = await first
    lie = forger.outcome(forged())
    forger.git("update-ref", REF, lie)
    (tmp_path / "go-other").touch()
    lost = await second
    assert won.work and forger.ref(f"refs/heads/{BRANCH}") == won.work.head, "what was reported stays"
    assert lost.failure and BRANCH in lost.failure.report, "two results are never told as one"
    assert lie in copies(forger)


async def test_a_forged_outcome_in_place_of_a_recorded_one_runs_no_agent(
    one: Machine, other: Machine, forger: Forger, ours: Outcomes, tmp_path: Path
) -> None:
    """As after `recover` or a reset, on another machine: the record was asked, and knows the end."""
    done = await one.does("echo done > work")
    main = forger.ref("refs/heads/main")
    lie = forger.outcome(forged("main", main, main), "outcome", main)
    forger.git("update-ref", REF, lie)
    again = await other.does(f"touch {tmp_path}/ran", recorded=done)
    assert again.work and done.work and again.work.head == done.work.head and not (tmp_path / "ran").exists()
    await holds_our_own(ours, forger, again)
    assert copies(forger) == [lie]


async def test_restore_lays_out_our_own_checkpoint_among_forged_state_and_moves_nothing(
    one: Machine, forger: Forger, tmp_path: Path
) -> None:
    await one.is_interrupted("echo half > work", tmp_path / "began")
    await settle(await Rescue(one.daemon.runner.machine).save())
    assert not list(one.daemon.tasks.glob("*/work")), "all that is left here is the note with the key"
    (ours, *_) = forger.refs("refs/makima/checkpoints")
    main = forger.ref("refs/heads/main")
    evil = forger.commit(forger.tree(f"100644 blob {forger.blob()}\twork\n"), main)
    lies = {REF: forger.outcome(forged(BRANCH, evil, main), "outcome", evil), f"{ours.rpartition('/')[0]}/evil": evil}
    for ref, lie in lies.items():
        forger.git("update-ref", ref, lie)
    restorer = Restorer(one.daemon.tasks, tmp_path / "restored", one.repositories, GitIdentity(), NoSandbox())
    path = await restorer.restore(str(TASK)[:8], f"file://{forger.origin}")
    assert (path / "work").read_text() == "half\n" and restorer.warnings == []
    assert {ref: forger.ref(ref) for ref in lies} == lies and copies(forger) == []
