"""What stands beside, above or below the places of our state, or looks like it (rule 6.8): it stops neither work nor
`restore`. Forger and daemons are those of tests.attacks.forging.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from daemon.git.quarantine import fetch_apart, quarantine
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import outcome_name
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox
from daemon.saving.foreign_state import MOST_MOVES
from daemon.saving.outcomes import Outcomes
from daemon.saving.restoring import Restorer
from domain.errors import NotVerified
from domain.spawn_task import Outcome, OutcomeStatus
from tests.attacks.forging import BRANCH, REF, Forger, GitCommand, Machine, forged, holds_our_own
from tests.attacks.test_forged_refs import objects_of_every_kind
from tests.integration.deliveries import TASK, until

pytestmark = [pytest.mark.rule("6.8"), pytest.mark.timeout(300)]

UNVERIFIED = "refs/makima/unverified"


def goes_on_with_the_operator_asked(outcome: Outcome, forger: Forger) -> None:
    """The work counts and is pushed; its outcome is on the machine alone."""
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.memories == (), outcome
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    (question,) = outcome.questions
    assert "saved on here only" in question.text


async def test_where_both_places_of_copies_are_taken_nothing_is_deleted_and_the_work_goes_on(
    one: Machine, forger: Forger
) -> None:
    lie, taken = forger.outcome(forged()), (UNVERIFIED, "refs/heads/makima-state")
    for ref in taken:
        forger.git("update-ref", ref, lie)
    goes_on_with_the_operator_asked(await one.does(f"echo done > work; {forger.puts(lie)}"), forger)
    assert {forger.ref(ref) for ref in (REF, *taken)} == {lie}


async def test_a_ref_above_all_of_ours_is_found_and_not_waited_for(one: Machine, forger: Forger) -> None:
    """git lists a name of two parts only to whoever asks for it, and takes neither it nor its deletion by a push."""
    lie = forger.outcome(forged())
    forger.git("update-ref", "refs/makima", lie)
    outcome = await one.does("echo done > work")
    goes_on_with_the_operator_asked(outcome, forger)
    assert any(line.startswith("refs/makima at") for line in outcome.unverified)
    assert forger.ref("refs/makima") == lie


async def test_copies_that_were_there_before_are_counted_whoever_made_them(one: Machine, forger: Forger) -> None:
    lie = forger.outcome(forged())
    for number in range(MOST_MOVES):
        forger.git("update-ref", f"{UNVERIFIED}/{outcome_name(str(TASK), 1)}/{number}", lie)
    goes_on_with_the_operator_asked(await one.does(f"echo done > work; {forger.puts(lie)}"), forger)
    assert forger.ref(REF) == lie


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_branch_inside_of_the_tasks_own_is_moved_and_not_waited_for(
    one: Machine, forger: Forger, ours: Outcomes, when: str
) -> None:
    lie, inside = forger.outcome("evil"), f"refs/heads/{BRANCH}/evil"
    if when == "before":
        forger.git("update-ref", inside, lie)
    outcome = await one.does(f"echo done > work; {forger.puts(lie, inside)}")
    await holds_our_own(ours, forger, outcome)
    assert [forger.ref(kept) for kept in forger.refs(UNVERIFIED)] == [lie] and forger.ref(inside) == ""
    (told,) = outcome.unverified
    assert inside in told and "moved to" in told


async def test_a_branch_that_is_inside_again_and_again_is_not_raced_with_and_its_name_is_told(
    one: Machine, forger: Forger
) -> None:
    lie, inside = forger.outcome("evil"), f"refs/heads/{BRANCH}/evil"
    for number in range(MOST_MOVES):
        forger.git("update-ref", f"{UNVERIFIED}/{outcome_name(str(TASK), 1)}/{number}", lie)
    forger.git("update-ref", inside, lie)
    outcome = await asyncio.wait_for(one.does("echo done > work"), 200)
    assert outcome.status is OutcomeStatus.WAITING and inside in outcome.summary and "saved on here" in outcome.summary
    forger.git("update-ref", "-d", inside)
    again = await one.does("exit 1", resume=outcome.resume)
    assert again.work and forger.ref(f"refs/heads/{BRANCH}") == again.work.head, "no agent runs again"


async def test_two_daemons_that_move_the_same_ref_come_to_one_outcome(
    one: Machine, other: Machine, forger: Forger, ours: Outcomes
) -> None:
    lie = forger.outcome(forged())
    forger.git("update-ref", REF, lie)
    first, second = await asyncio.gather(one.does("echo one > work"), other.does("echo other > work"))
    assert first.work == second.work
    await holds_our_own(ours, forger, first)
    assert {forger.ref(kept) for kept in forger.refs(UNVERIFIED)} == {lie}


async def test_a_commit_that_this_machine_has_already_is_no_outcome_either(
    one: Machine, forger: Forger, ours: Outcomes
) -> None:
    main = forger.ref("refs/heads/main")
    await holds_our_own(ours, forger, await one.does(f"echo done > work; {forger.puts(main)}"))
    assert [forger.ref(kept) for kept in forger.refs(UNVERIFIED)] == [main] == [forger.ref("refs/heads/main")]


async def test_a_checkpoint_of_an_earlier_attempt_is_none_of_the_next_one(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    await one.is_interrupted("echo half > work", tmp_path / "began")
    (honest,) = forger.refs("refs/makima/checkpoints")
    commit = forger.ref(honest)
    forger.git("update-ref", honest.replace(f"{TASK}/1/", f"{TASK}/2/"), commit)
    outcome = await other.does("test ! -e work; echo own > work", attempt=2)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert [forger.ref(kept) for kept in forger.refs(UNVERIFIED)] == [commit]


@pytest.mark.parametrize("kind", ["tag", "tree", "blob", "commit"])
async def test_a_checkpoint_that_is_none_ends_no_attempt_of_before_there_were_secrets(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path, git: GitCommand, kind: str
) -> None:
    began = tmp_path / "began"
    running = asyncio.create_task(one.does(f"echo half > work; touch {began}; exec sleep 60", secret=""))
    await until(lambda: began.exists() and bool(forger.refs("refs/makima/checkpoints")))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (saved,) = forger.refs("refs/makima/checkpoints")
    lies = objects_of_every_kind(forger, forger.ref(saved), git) | {"commit": forger.commit(forger.tree(""))}
    forger.git("update-ref", f"{saved.rpartition('/')[0]}/evil", lies[kind])
    outcome = await other.does("cat work > whole", secret="")
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert forger.git("show", f"{BRANCH}:whole") == "half"


@pytest.mark.parametrize("name", [f"{TASK}0/1", f"{TASK}/x", f"{TASK}/{'9' * 200}", f"{str(TASK)[:8]}/1"])
async def test_a_name_that_is_nearly_the_tasks_keeps_nobody_from_restoring_it(
    one: Machine, forger: Forger, tmp_path: Path, name: str
) -> None:
    await one.does("echo done > work")
    forger.git("update-ref", f"refs/makima/outcomes/{name}", forger.outcome(forged()))
    for worktree in one.daemon.tasks.glob("*/work"):
        shutil.rmtree(worktree)
    restorer = Restorer(one.daemon.tasks, tmp_path / "restored", one.repositories, GitIdentity(), NoSandbox())
    path = await restorer.restore(str(TASK), f"file://{forger.origin}")
    assert (path / "work").read_text() == "done\n" and restorer.warnings == []


async def test_many_small_files_are_within_the_limit_of_a_fetch_together_or_not_at_all(
    cache: RepositoryCache, forger: Forger
) -> None:
    """A limit of one file's size, while git would unpack so few objects into a file each."""
    names = []
    for number in range(20):
        (forger.origin / f"random-{number}").write_bytes(os.urandom(100_000))
        names.append(forger.git("hash-object", "-w", f"random-{number}"))
    lie = forger.commit(forger.tree("".join(f"100644 blob {name}\t{at}\n" for at, name in enumerate(names))))
    forger.git("update-ref", REF, lie)
    async with quarantine(cache) as apart:
        with pytest.raises(NotVerified, match="within 1 MiB"):
            await fetch_apart(apart, REF, lie, 1024 * 1024)


@pytest.mark.parametrize("script", ["echo done > work", "exit 3"])
async def test_an_outcome_says_whose_delivery_it_is_and_the_other_one_learns_that(
    one: Machine, other: Machine, script: str
) -> None:
    first = await one.does(script)
    assert first.delivery == one.daemon.delivery.name
    second = await other.does("exit 4")
    assert second.delivery == first.delivery != other.daemon.delivery.name
