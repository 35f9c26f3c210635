"""Somebody else may push to the repository (issue 12): what they put where our state belongs changes nothing.

The forger has git and the right to push, reads every ref, and acts while a step runs; the daemon is a real one, with
real repositories and processes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.quarantine import fetch_apart, quarantine
from daemon.git.repository_cache import RepositoryCache
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox
from daemon.saving.housekeeping import Housekeeper, Keeping
from daemon.saving.outcomes import Outcomes, outcome_ref
from daemon.saving.rescue import Rescue, settle
from daemon.saving.restoring import Restorer
from domain.errors import AttemptGone, NotVerified
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from tests.attacks.forging import (
    BRANCH,
    REF,
    SECRET,
    Committer,
    Forger,
    GitCommand,
    Machine,
    forged,
    holds_our_own,
)
from tests.integration.deliveries import TASK, until

pytestmark = [pytest.mark.rule("6.8"), pytest.mark.timeout(600)]


async def test_a_forged_outcome_replaces_nothing_moves_no_branch_and_plants_no_memory(
    one: Machine, forger: Forger, ours: Outcomes, commit: Committer
) -> None:
    main, evil = forger.ref("refs/heads/main"), commit({"evil": "yes\n"})
    lie = forger.outcome(forged("main", evil, main), "outcome.json", evil)

    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")

    await holds_our_own(ours, forger, outcome)
    assert forger.ref("refs/heads/main") == main
    (kept,) = forger.refs("refs/makima/unverified")
    assert forger.ref(kept) == lie, "moved, not deleted"
    assert len(outcome.unverified) == 1 and kept in outcome.unverified[0] and REF in outcome.unverified[0]
    assert (await one.does("exit 1")).work == outcome.work, "no agent runs again"


def garbage(forger: Forger, kind: str) -> str:
    main = forger.ref("refs/heads/main")
    made: dict[str, Callable[[], str]] = {
        "blob": forger.blob,
        "tree": lambda: forger.tree(""),
        "empty commit": lambda: forger.commit(forger.tree("")),
        "plain": lambda: forger.outcome(forged()),
        "no json": lambda: forger.outcome("}{", "outcome.json"),
        "no text": lambda: forger.outcome("\x00\x01\x02" * 50),
        "empty": lambda: forger.outcome(""),
        "link": lambda: forger.outcome("/etc/passwd", mode="120000"),
        "folder": lambda: forger.commit(forger.tree(f"040000 tree {forger.tree('')}\toutcome\n")),
        "huge": lambda: forger.outcome("\0" * (20 * 1024 * 1024)),
        "two parents": lambda: forger.outcome(forged(), "outcome", main, forger.commit(forger.tree(""))),
    }
    return made[kind]()


GARBAGE = (
    "blob",
    "tree",
    "empty commit",
    "plain",
    "no json",
    "no text",
    "empty",
    "link",
    "folder",
    "huge",
    "two parents",
)


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_of_any_kind_is_moved_out_of_the_way(forger: Forger, ours: Outcomes, kind: str) -> None:
    lie = garbage(forger, kind)
    forger.git("update-ref", REF, lie)
    assert await ours.find_outcome(str(TASK), 1) is None
    assert not forger.ref(REF)
    assert [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")] == [lie]


async def test_garbage_is_out_of_the_way_before_and_after_the_work(
    one: Machine, forger: Forger, ours: Outcomes
) -> None:
    lie = garbage(forger, "two parents")
    forger.git("update-ref", REF, lie)
    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")
    await holds_our_own(ours, forger, outcome)
    assert [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")] == [lie, lie]


async def test_a_tag_is_no_outcome(one: Machine, forger: Forger, ours: Outcomes, git: GitCommand) -> None:
    git(forger.origin, "tag", "-a", "lie", "-m", "lie", "main")
    lie = forger.ref("refs/tags/lie")
    await holds_our_own(ours, forger, await one.does(f"echo done > work; {forger.puts(lie)}"))
    assert [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")] == [lie]


@pytest.mark.parametrize("name", [f"refs/makima/outcomes/{TASK}", f"{REF}/1", "refs/makima/outcomes"])
async def test_a_ref_in_the_way_of_ours_is_moved_and_not_waited_for(
    one: Machine, forger: Forger, ours: Outcomes, name: str
) -> None:
    lie = forger.outcome("evil")
    outcome = await one.does(f"echo done > work; {forger.puts(lie, name)}")
    await holds_our_own(ours, forger, outcome)
    kept = [*forger.refs("refs/makima/unverified"), *forger.refs("refs/heads/makima-state/unverified")]
    assert lie in [forger.ref(each) for each in kept]


async def test_what_is_too_large_is_not_even_fetched(cache: RepositoryCache, forger: Forger, origin: Path) -> None:
    (origin / "large").write_bytes(os.urandom(3 * 1024 * 1024))
    lie = forger.git("hash-object", "-w", "large")
    forger.git("update-ref", REF, lie)
    async with quarantine(cache) as apart:
        with pytest.raises(NotVerified, match="within 1 MiB"):
            await fetch_apart(apart, REF, lie, 1024 * 1024)
    assert not list(cache.folder.glob("quarantine-*"))


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_outcome_of_ours_counts_at_its_own_place_alone(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path, attempt: int
) -> None:
    """Replayed for another attempt, and moved to the place for remotes that refuse refs."""
    await one.does("echo first > work")
    honest = forger.ref(REF)
    forger.git("update-ref", "-d", REF)
    forger.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    place = outcome_ref(str(TASK), 2) if attempt == 2 else f"refs/heads/makima-state/outcomes/{TASK}/1"
    forger.git("update-ref", place, honest)

    outcome = await other.does(f"echo second > work; echo ran >> {tmp_path}/runs", attempt=attempt)

    assert outcome.status is OutcomeStatus.COMPLETED and (tmp_path / "runs").read_text() == "ran\n"
    assert forger.git("show", f"{BRANCH}:work") == "second"
    assert [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")] == [honest]


async def test_an_outcome_of_another_task_of_the_directive_is_none_of_this_one(
    one: Machine, other: Machine, forger: Forger
) -> None:
    foreign = uuid4()
    await one.does("echo first > work", task=foreign, target_branch="makima/y")
    forger.git("update-ref", REF, forger.ref(outcome_ref(str(foreign), 1)))
    outcome = await other.does("echo second > work")
    assert outcome.work and outcome.unverified
    assert forger.git("show", f"{BRANCH}:work") == "second"


async def test_a_deleted_outcome_runs_no_agent_again_on_the_machine_that_knows_it(
    one: Machine, forger: Forger, ours: Outcomes
) -> None:
    done = await one.does("echo done > work")
    forger.git("update-ref", "-d", REF)
    forger.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    again = await one.does("exit 1")
    assert again.work and done.work and again.work.head == done.work.head
    await holds_our_own(ours, forger, again)


async def test_a_deleted_outcome_runs_no_agent_again_where_the_record_knows_it(
    one: Machine, other: Machine, forger: Forger, ours: Outcomes
) -> None:
    """Another machine, on which nothing of the attempt is; the run that dispatches it has asked the record."""
    done = await one.does("echo done > work")
    assert done.work
    forger.git("update-ref", "-d", REF)
    forger.git("update-ref", "refs/heads/kept-by-somebody", done.work.head)
    forger.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    again = await other.does("exit 1", recorded=done)
    assert again.work and again.work.head == done.work.head
    await holds_our_own(ours, forger, again)


async def test_of_recorded_work_that_is_nowhere_any_more_a_person_is_told_and_no_agent_runs(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    done = await one.does("echo done > work")
    assert done.work
    forger.git("update-ref", "-d", REF)
    forger.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    forger.git("gc", "--quiet", "--prune=now")
    again = await other.does(f"touch {tmp_path}/ran", recorded=done)
    assert again.failure and again.failure.category is FailureCategory.REPOSITORY, "no other attempt follows"
    assert done.work.head in again.failure.report and "retry the step" in again.failure.report
    assert not (tmp_path / "ran").exists()


async def test_a_delivery_of_a_run_that_was_reset_since_runs_no_agent(one: Machine, tmp_path: Path) -> None:
    with pytest.raises(AttemptGone, match="was reset"):
        await one.does(f"touch {tmp_path}/ran", run="the run before")
    assert not (tmp_path / "ran").exists()
    assert (await one.does("echo done > work")).work
    assert (await one.does("exit 1", run="the run before")).work, "what the remote or the machine knows counts first"


def recreate(forger: Forger, lie: str, ref: str = REF) -> None:
    """A forger who sees every deletion at once: what was moved away is there again before the push has ended."""
    hook = forger.origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ngit rev-parse --verify --quiet {ref} >/dev/null || git update-ref {ref} {lie}\n")
    hook.chmod(0o755)


async def test_a_forger_who_never_stops_is_not_raced_with_the_work_goes_on_and_the_operator_is_asked(
    one: Machine, other: Machine, forger: Forger
) -> None:
    lie = forger.outcome(forged())
    recreate(forger, lie)
    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.memories == ()
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    assert forger.ref(REF) == lie and len(forger.refs("refs/makima/unverified")) == 3
    (question,) = outcome.questions
    assert question.task == TASK and "saved on here only" in question.text
    assert any(warning.startswith("the outcome is saved on here only") for warning in outcome.warnings)
    again = await one.does("exit 1")
    assert again.work == outcome.work, "this machine knows the outcome"
    elsewhere = await other.does("exit 1")
    assert elsewhere.work and elsewhere.work.head == outcome.work.head, "its branch proves the end to every other one"


async def test_a_remote_that_lets_nothing_be_moved_keeps_no_step_from_ending(one: Machine, forger: Forger) -> None:
    hook = forger.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in */unverified/*) exit 1;; esac\n')
    hook.chmod(0o755)
    lie = forger.outcome(forged())
    outcome = await one.does(f"echo done > work; {forger.puts(lie)}")
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.questions
    assert forger.ref(REF) == lie, "never deleted without a copy"
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head


async def test_work_is_gone_on_with_among_ten_thousand_forged_checkpoints(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    await one.is_interrupted("echo half > work", tmp_path / "began")
    (honest,) = forger.refs("refs/makima/checkpoints")
    place = honest.rpartition("/")[0]
    lie = forger.commit(forger.tree(f"100644 blob {forger.blob()}\twork\n"), forger.ref("refs/heads/main"))
    lines = "".join(f"create {place}/{number:08x} {lie}\n" for number in range(10_000))
    forger.git("update-ref", "--stdin", stdin=lines)
    outcome = await other.does("cat work > whole")
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert forger.git("show", f"{BRANCH}:whole") == "half"
    assert any("more refs like" in line for line in outcome.unverified)
    left = forger.refs("refs/makima/checkpoints")
    assert honest not in left and len(left) + len(forger.refs("refs/makima/unverified")) == 10_000, "none is deleted"


async def test_a_forged_checkpoint_at_our_own_place_is_not_gone_on_from(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    await one.is_interrupted("echo half > work", tmp_path / "began")
    (honest,) = forger.refs("refs/makima/checkpoints")
    said = forger.git("log", "-1", "--format=%B", honest)
    evil = forger.tree(f"100644 blob {forger.blob()}\twork\n")
    lie = forger.git("commit-tree", evil, "-p", f"{honest}^", "-m", said)
    forger.git("update-ref", honest, lie)
    outcome = await other.does("test ! -e work; echo own > work")
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert forger.git("show", f"{BRANCH}:work") == "own"
    assert [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")] == [lie]


async def test_a_checkpoint_that_somebody_replaces_is_saved_again_and_theirs_is_kept(
    one: Machine, forger: Forger, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    running = asyncio.create_task(one.does(f"echo 1 > work; until test -e {go}; do sleep 0.05; done; echo 2 > work"))
    await until(lambda: bool(forger.refs("refs/makima/checkpoints")))
    (place,) = forger.refs("refs/makima/checkpoints")
    lie = forger.commit(forger.tree(""))
    forger.git("update-ref", place, lie)
    go.touch()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert lie in [forger.ref(kept) for kept in forger.refs("refs/makima/unverified")]
    assert not forger.refs("refs/makima/checkpoints")


def takes_only_branches(forger: Forger) -> None:
    hook = forger.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/makima/*) ;; *) exit 1;; esac\n')
    hook.chmod(0o755)


async def test_a_branch_that_claims_to_be_the_attempts_end_proves_it(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    takes_only_branches(forger)
    claim = f"work\n\nMakima-Task: {TASK}\nMakima-Attempt: 1\nMakima-Proof: AAAA\n"
    tree = forger.tree(f"100644 blob {forger.blob()}\twork\n")
    lie = forger.git("commit-tree", tree, "-p", "main", "-m", claim)
    forger.git("update-ref", f"refs/heads/{BRANCH}", lie)
    outcome = await one.does(f"echo own > work; echo ran >> {tmp_path}/runs")
    assert outcome.status is OutcomeStatus.COMPLETED and (tmp_path / "runs").exists(), "the claim was not believed"
    found = await other.does("exit 1")
    assert found.work and outcome.work and found.work.head == outcome.work.head, "and ours was"
    moved = forger.git("log", "-1", "--format=%B", BRANCH)
    lie = forger.git("commit-tree", tree, "-p", "main", "-m", moved)
    forger.git("update-ref", f"refs/heads/{BRANCH}", lie)
    third = Machine(tmp_path / "third", one.repositories.git, forger.origin)
    assert (await third.does("exit 1")).failure, "another commit with our proof in it is not ours"


async def test_of_two_deliveries_at_once_one_wins_and_both_learn_the_same(one: Machine, other: Machine) -> None:
    first, second = await asyncio.gather(
        one.does("echo one > work"), other.does("echo other > work"), return_exceptions=True
    )
    assert isinstance(first, Outcome) and isinstance(second, Outcome), (first, second)
    assert first.work and second.work and first.work.head == second.work.head


def files_with(text: str, folder: Path) -> list[Path]:
    """The files in which it can be read, whatever they are."""
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_nothing_that_an_agent_or_a_reader_of_the_repository_can_see_holds_the_secret_or_our_text(
    one: Machine, forger: Forger, tmp_path: Path, git: GitCommand
) -> None:
    text, began = SECRET.get_secret_value(), tmp_path / "began"
    # Without a sandbox the agent reads all that the daemon's user may: its folders too.
    await one.is_interrupted(f"env > seen; cat {one.daemon.tasks}/*/* {one.daemon.tasks}/*/task/* >> seen || :", began)
    (checkpoint,) = forger.refs("refs/makima/checkpoints")
    seen = git(forger.origin, "show", f"{checkpoint}:seen")
    assert "attempt_key" in seen and text not in seen
    said = git(forger.origin, "log", "-1", "--format=%B", checkpoint)
    assert "Makima-Encrypted: " in said and "Makima-Began" not in said

    told = await one.does("echo the roof leaks; exit 3")

    assert told.failure and "exit" in told.failure.report
    assert await asyncio.to_thread(files_with, text, tmp_path) == []
    assert git(forger.origin, "ls-tree", "--name-only", REF) == "outcome"
    cache = await one.repositories.at(f"file://{forger.origin}")
    published = (await cache.local("cat-file", "blob", f"{forger.ref(REF)}:outcome")).stdout
    assert told.failure.category.encode() not in published and str(TASK).encode() not in published


async def test_what_a_daemon_that_died_has_left_is_saved_so_that_another_one_believes_it(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    """Its predecessor's note holds the attempt's own key, for nobody else, and not the directive's secret."""
    hook = forger.origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    await one.is_interrupted("echo half > work", tmp_path / "began")
    hook.unlink()
    (note,) = one.daemon.tasks.glob("*/delivery.json")
    assert SECRET.get_secret_value() not in note.read_text() and note.stat().st_mode & 0o077 == 0
    (note.parent / "work" / "work").write_text("more\n")

    await settle(await Rescue(one.daemon.runner.machine).save())

    (saved,) = forger.refs("refs/makima/checkpoints")
    assert "-rescued-" in saved
    assert (await other.does("cat work > whole")).status is OutcomeStatus.COMPLETED
    assert forger.git("show", f"{BRANCH}:whole") == "more"


async def test_a_forged_outcome_makes_no_daemon_forget_what_it_has_kept(
    one: Machine, forger: Forger, tmp_path: Path
) -> None:
    one.daemon.gone = True
    with pytest.raises(AttemptGone):
        await one.does("echo done > work")
    one.daemon.gone = False
    lie = forger.outcome(forged())
    forger.git("update-ref", REF, lie)
    await Housekeeper(one.daemon.tasks, one.repositories, Keeping()).clean(at_once=True)
    assert (await one.does("exit 1")).status is OutcomeStatus.COMPLETED, "what was finished is published, nothing runs"
    assert forger.git("show", f"{BRANCH}:work") == "done"


async def test_an_attempt_without_a_secret_keeps_what_was_written_before_and_refuses_a_branch_that_is_not_its_own(
    one: Machine, other: Machine, forger: Forger, commit: Committer
) -> None:
    plain = {"secret": ""}
    before = await one.does("echo before > work", **plain)
    assert forger.git("ls-tree", "--name-only", REF) == "outcome.json"
    assert (await other.does("exit 1", **plain)).work == before.work, "it still counts"

    main, evil = forger.ref("refs/heads/main"), commit({"evil": "yes\n"})
    lie = forger.outcome(forged("main", evil, main), "outcome.json", evil)
    forger.git("update-ref", REF, lie)
    third = await other.does("echo third > work", **plain)
    assert third.work and third.work.branch == BRANCH and third.memories == ()
    assert forger.ref("refs/heads/main") == main
    assert "'main' is not the task's" in third.unverified[0]


async def test_restore_lays_out_our_own_work_and_says_what_it_cannot_tell(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    await one.does("echo done > work")
    shown = {}
    for name, machine in (("one", one), ("other", other)):
        given = (machine.daemon.tasks, tmp_path / "restored", machine.repositories)
        restorer = Restorer(*given, GitIdentity(), NoSandbox())
        path = await restorer.restore(str(TASK)[:8], f"file://{forger.origin}")
        shown[name] = ((path / "work").read_text(), len(restorer.warnings))
    assert shown == {"one": ("done\n", 0), "other": ("done\n", 1)}
