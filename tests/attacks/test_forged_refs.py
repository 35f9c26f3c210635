"""More of what somebody who may push can put where our state belongs (rule 6.8): codes that are nearly right, refs of
every kind and number, again and again, on remotes of every kind. Forger and daemons are those of tests.attacks.forging.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.core.attempt_key import AttemptKey, StateKind
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import in_all_places, outcome_name
from daemon.saving.foreign_state import LARGEST, MOST_MOVES, ForeignState
from daemon.saving.outcomes import Outcomes, outcome_ref
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.attacks.forging import BRANCH, DIRECTIVE, REF, SECRET, Forger, GitCommand, Machine, forged, holds_our_own
from tests.integration.deliveries import TASK, until

pytestmark = [pytest.mark.rule("6.8"), pytest.mark.timeout(600)]

UNVERIFIED = "refs/makima/unverified"
OUTCOME_COPIES = f"{UNVERIFIED}/{outcome_name(str(TASK), 1)}"


def key_of(one: Machine, attempt: int = 1, directive: object = DIRECTIVE) -> AttemptKey:
    given = {"directive": directive, "secret": SECRET, "attempt": attempt}
    key = AttemptKey.of(one.daemon.command(TaskKind.STEP, **given))
    assert key
    return key


def flipped(token: bytes) -> bytes:
    return token[:20] + bytes([token[20] ^ 1]) + token[21:]


NEARLY: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half a nonce": lambda token: token[:6],
    "a nonce alone": lambda token: token[:12],
    "no end": lambda token: token[:-1],
    "no beginning": lambda token: token[1:],
    "a bit": flipped,
    "twice": lambda token: token * 2,
    "more": lambda token: token + b"\n",
}


async def test_a_code_that_is_nearly_right_is_wrong(one: Machine, forger: Forger, cache: RepositoryCache) -> None:
    main = forger.ref("refs/heads/main")
    for attempt, (what, spoiled) in enumerate(NEARLY.items(), start=1):
        ref, key = outcome_ref(str(TASK), attempt), key_of(one, attempt)
        token = key.encrypt(StateKind.OUTCOME, forged().encode(), ref, main)
        outcomes = Outcomes(cache, key)
        forger.git("update-ref", ref, forger.outcome_of(token, main))
        assert await outcomes.find_outcome(str(TASK), attempt), "made as ours are: else nothing is shown here"
        lie = forger.outcome_of(spoiled(token), main)
        forger.git("update-ref", ref, lie)
        assert await outcomes.find_outcome(str(TASK), attempt) is None, what
        (kept,) = forger.refs(f"{UNVERIFIED}/{outcome_name(str(TASK), attempt)}")
        assert forger.ref(kept) == lie and forger.ref(ref) == "", what


async def test_a_code_counts_for_its_own_kind_directive_ref_and_commit_alone(
    one: Machine, forger: Forger, cache: RepositoryCache
) -> None:
    main, payload = forger.ref("refs/heads/main"), forged().encode()
    other = forger.commit(forger.tree(""))
    there = f"refs/heads/makima-state/{outcome_name(str(TASK), 1)}"
    ours, foreign = key_of(one), key_of(one, directive=uuid4())
    honest = forger.outcome_of(ours.encrypt(StateKind.OUTCOME, payload, REF, main), main)
    forger.git("update-ref", REF, honest)
    assert await Outcomes(cache, ours).find_outcome(str(TASK), 1), "made as ours are: else nothing is shown here"
    lies: dict[str, tuple[bytes, list[str]]] = {
        "a parent more": (ours.encrypt(StateKind.OUTCOME, payload, REF, main), [main, other]),
        "another kind": (ours.encrypt(StateKind.CHECKPOINT, payload, REF, main), [main]),
        "another directive with a task of the same id": (
            foreign.encrypt(StateKind.OUTCOME, payload, REF, main),
            [main],
        ),
        "another ref": (ours.encrypt(StateKind.OUTCOME, payload, there, main), [main]),
        "another commit": (ours.encrypt(StateKind.OUTCOME, payload, REF, main), [other]),
        "no commit": (ours.encrypt(StateKind.OUTCOME, payload, REF, main), []),
    }
    for what, (token, parents) in lies.items():
        forger.git("update-ref", REF, forger.outcome_of(token, *parents))
        assert await Outcomes(cache, ours).find_outcome(str(TASK), 1) is None, what
    assert len(forger.refs(UNVERIFIED)) == MOST_MOVES


async def test_after_three_moves_in_one_attempt_over_all_daemons_the_outcome_stays_on_the_machine(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    lie = forger.outcome(forged())
    for number, machine in enumerate((one, other, one)):
        forger.git("update-ref", REF, lie)
        await machine.is_interrupted("echo half > work", tmp_path / f"began-{number}")
        assert forger.ref(REF) == "" and len(forger.refs(OUTCOME_COPIES)) == number + 1
    forger.git("update-ref", REF, lie)

    outcome = await other.does("echo done > work")

    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work
    assert forger.ref(REF) == lie and len(forger.refs(OUTCOME_COPIES)) == MOST_MOVES, "no fourth move"
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    (question,) = outcome.questions
    assert "saved on here only" in question.text and "after 3 others" in question.text
    assert (await one.does("exit 1")).work, "the branch proves the end to the machine that doesn't know the outcome"


async def test_what_was_moved_for_other_attempts_is_not_counted(
    one: Machine, forger: Forger, cache: RepositoryCache
) -> None:
    for attempt in (11, 2, 3):
        for _ in range(MOST_MOVES):
            ref = outcome_ref(str(TASK), attempt)
            forger.git("update-ref", ref, forger.outcome(forged()))
            assert await Outcomes(cache, key_of(one, attempt)).find_outcome(str(TASK), attempt) is None
            assert forger.ref(ref) == ""
    forger.git("update-ref", REF, forger.outcome(forged()))
    assert await Outcomes(cache, key_of(one)).find_outcome(str(TASK), 1) is None
    assert forger.ref(REF) == ""


async def test_a_symbolic_ref_in_our_place_is_left_since_deleting_it_would_delete_a_branch(
    one: Machine, forger: Forger
) -> None:
    """Nobody can push one; whoever may write on the server can make one."""
    main = forger.ref("refs/heads/main")
    outcome = await one.does(f"echo done > work; git --git-dir={forger.origin} symbolic-ref {REF} refs/heads/main")
    assert forger.ref("refs/heads/main") == main, "git deletes what a symbolic ref points to"
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.questions
    assert any("symbolic" in line for line in outcome.unverified)
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head


async def test_a_symbolic_ref_that_points_nowhere_holds_nothing_up(
    one: Machine, forger: Forger, ours: Outcomes
) -> None:
    forger.git("symbolic-ref", REF, "refs/heads/nowhere")
    await holds_our_own(ours, forger, await one.does("echo done > work"))


ODD_NAMES = {
    "no text": "\udcff\udcfe",
    "a shell's": """'"$(touch${IFS}hacked);&|<>%s-ü""",
    "an option": "--upload-pack=touch",
    "long": "/".join("x" * 200 for _ in range(15)),
}


@pytest.mark.parametrize("kind", ODD_NAMES)
async def test_a_ref_with_an_odd_name_holds_nothing_up(one: Machine, forger: Forger, ours: Outcomes, kind: str) -> None:
    lie = forger.outcome("evil")
    forger.git("update-ref", f"{REF}/{ODD_NAMES[kind]}", lie)
    outcome = await one.does("echo done > work")
    await holds_our_own(ours, forger, outcome)
    assert forger.git("for-each-ref", "--format=%(objectname)", OUTCOME_COPIES) == lie
    assert len(outcome.unverified) == 1 and outcome.model_dump_json(), "Temporal takes no outcome without UTF-8"


async def test_ten_thousand_refs_in_the_way_and_ten_thousand_elsewhere_hold_nothing_up(
    one: Machine, forger: Forger
) -> None:
    lie = forger.outcome(forged())
    ways = [f"{REF}/{number}" for number in range(10_000)]
    others = [f"refs/makima/outcomes/{uuid4()}/1" for number in range(10_000)]
    forger.git("pack-refs", "--all")
    with (forger.origin / "packed-refs").open("a") as packed:  # 20,000 files would be slow to write, and to read
        packed.writelines(f"{lie} {ref}\n" for ref in sorted((*ways, *others)))

    outcome = await one.does("echo done > work")

    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and outcome.questions
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    assert any("9997 more refs like" in line for line in outcome.unverified), outcome.unverified
    assert len(forger.refs("refs/makima")) == 20_000, "none is deleted"


async def test_what_is_larger_than_the_limit_is_not_fetched_to_be_moved(
    one: Machine, forger: Forger, cache: RepositoryCache
) -> None:
    """At the limit that is true; what git stores uncompressed is found out soonest."""
    for name in ("core.compression", "pack.compression", "core.looseCompression"):
        forger.git("config", name, "0")
    (forger.origin / "large").write_bytes(os.urandom(LARGEST + 1))
    lie = forger.git("hash-object", "-w", "large")
    forger.git("update-ref", REF, lie)
    foreign = ForeignState(cache, outcome_name(str(TASK), 1))
    for _ in range(2):
        assert await Outcomes(cache, key_of(one), foreign=foreign).find_outcome(str(TASK), 1) is None
    (told,) = foreign.found
    assert "it can't be fetched within 64 MiB): it stays there, since it can't be read" in told
    assert forger.ref(REF) == lie
    assert not list(cache.folder.glob("quarantine-*")) and not await cache.has(lie)
    assert sum(file.stat().st_size for file in cache.folder.rglob("*") if file.is_file()) < LARGEST // 8


def objects_of_every_kind(forger: Forger, honest: str, git: GitCommand) -> dict[str, str]:
    git(forger.origin, "tag", "-a", "one", "-m", "lie", honest)
    git(forger.origin, "tag", "-a", "two", "-m", "lie", "one")
    return {
        "tag": forger.ref("refs/tags/one"),
        "tag of a tag": forger.ref("refs/tags/two"),
        "tree": forger.git("rev-parse", f"{honest}^{{tree}}"),
        "blob": forger.blob(),
    }


@pytest.mark.parametrize("kind", ["tag", "tag of a tag", "tree", "blob"])
async def test_an_object_of_another_kind_in_a_checkpoints_place_is_not_gone_on_from(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path, git: GitCommand, kind: str
) -> None:
    await one.is_interrupted("echo half > work", tmp_path / "began")
    (honest,) = forger.refs("refs/makima/checkpoints")
    lie = objects_of_every_kind(forger, forger.ref(honest), git)[kind]
    forger.git("update-ref", honest, lie)
    outcome = await other.does("test ! -e work; echo own > work")
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert [forger.ref(kept) for kept in forger.refs(UNVERIFIED)] == [lie]
    assert len(outcome.unverified) == 1, "a tag is one ref, though git lists it twice"


async def test_a_checkpoint_is_bound_to_its_own_date(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    """Else the oldest one, with a date of tomorrow, would be the newest for good."""
    await one.is_interrupted("echo half > work", tmp_path / "began")
    (place,) = forger.refs("refs/makima/checkpoints")
    written = forger.git("cat-file", "commit", place)
    when = forger.git("log", "-1", "--format=%ct", place)
    later = written.replace(f" {when} +0000", f" {int(when) + 86_400} +0000")
    assert later != written
    lie = forger.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=later + "\n")
    forger.git("update-ref", place, lie)
    assert (await other.does("test ! -e work; echo own > work")).status is OutcomeStatus.COMPLETED
    assert [forger.ref(kept) for kept in forger.refs(UNVERIFIED)] == [lie]


def takes_no_refs_of_ours(forger: Forger) -> None:
    """A forge that lets nobody push anything but branches and tags."""
    hook = forger.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*|refs/tags/*) ;; *) exit 1;; esac\n')
    hook.chmod(0o755)


async def test_an_attempt_goes_its_whole_way_by_branches_where_the_remote_takes_no_refs_of_ours(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    """Begun, saved, given up, gone on with elsewhere, ended; with forged branches at each place."""
    takes_no_refs_of_ours(forger)
    branches, began = "refs/heads/makima-state", tmp_path / "began"
    delivery = asyncio.create_task(one.does(f"echo half > work; touch {began}; exec sleep 60"))
    await until(lambda: began.exists() and bool(forger.refs(f"{branches}/checkpoints")))
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    (saved,) = forger.refs(f"{branches}/checkpoints")
    main, place = forger.ref("refs/heads/main"), f"{branches}/{outcome_name(str(TASK), 1)}"
    lie = forger.outcome(forged("main", main), "outcome", main)
    before = forger.commit(forger.tree(f"100644 blob {forger.blob()}\twork\n"), main)
    forger.git("update-ref", place, lie)
    forger.git("update-ref", f"{saved.rpartition('/')[0]}/evil", before)

    outcome = await other.does(f"cat work > whole; {forger.puts(lie, place)}")

    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work and not outcome.questions
    assert forger.git("show", f"{BRANCH}:whole") == "half" and forger.ref("refs/heads/main") == main
    assert forger.git("ls-tree", "--name-only", place) == "outcome" and forger.ref(place) != lie
    kept = [forger.ref(each) for each in forger.refs(f"{branches}/unverified")]
    assert sorted(kept) == sorted([lie, lie, before])
    assert not forger.refs("refs/makima") and not forger.refs(f"{branches}/checkpoints")
    third = Machine(tmp_path / "third", one.repositories.git, forger.origin)
    assert (await third.does("exit 1")).work == outcome.work, "the outcome is found by its branch"
    forger.git("update-ref", "-d", place)
    assert (await other.does("exit 1")).work == outcome.work, "the machine that knows it publishes it again"
    assert forger.ref(place)


async def test_what_others_have_put_beside_an_attempt_of_before_changes_nothing(
    one: Machine, other: Machine, forger: Forger, tmp_path: Path
) -> None:
    """The attempt before this one: its work is shown to the agent, so that a forged one would be."""
    main = forger.ref("refs/heads/main")
    evil = forger.commit(forger.tree(f"100644 blob {forger.blob()}\twork\n"), main)
    forger.git("update-ref", REF, forger.outcome(forged(BRANCH, evil, main), "outcome", evil))
    asked = tmp_path / "asked"
    agent = f"cat > {asked} || :; echo own > work"
    outcome = await other.does(agent, attempt=2)
    assert outcome.status is OutcomeStatus.COMPLETED
    assert not asked.exists() or evil not in asked.read_text()
    for ref in in_all_places(outcome_name(str(TASK), 1)):
        assert forger.ref(ref) == ""
