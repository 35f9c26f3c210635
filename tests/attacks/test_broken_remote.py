"""Refs on the remote that git itself stumbles over (rule 6.8): by a disk's fault, or by somebody who can write there.

git refuses every push while one ref names an object that isn't there; what is finished by then is not done again, and
a person is told in git's own words which ref it is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from daemon.saving.outcomes import Outcomes
from domain.spawn_task import OutcomeStatus
from tests.attacks.forging import BRANCH, REF, Forger, Machine, forged, holds_our_own
from tests.integration.deliveries import TASK

pytestmark = [pytest.mark.rule("6.8"), pytest.mark.timeout(600)]

NOWHERE = "12345678" * 5
ELSEWHERE = "refs/makima/outcomes/somebody/1"


def names_nothing(forger: Forger, ref: str) -> None:
    """A ref to an object that isn't there."""
    file = forger.origin / ref
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{NOWHERE}\n")


def is_corrupt(forger: Forger, ref: str) -> None:
    """A ref to an object that can't be read."""
    lie = forger.outcome(forged())
    forger.git("update-ref", ref, lie)
    file = forger.origin / "objects" / lie[:2] / lie[2:]
    file.chmod(0o644)
    file.write_text("garbage")


def is_no_ref(forger: Forger, ref: str) -> None:
    """A file of a ref that holds no object's name."""
    file = forger.origin / ref
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("garbage\n")


@pytest.mark.parametrize(
    ("broken", "ref", "words"),
    [
        (names_nothing, ELSEWHERE, f"bad object {ELSEWHERE}"),
        (is_corrupt, REF, "is corrupt"),
        (is_no_ref, REF, f"bad object {REF}"),
    ],
)
async def test_a_remote_that_refuses_every_push_for_one_ref_is_told_in_gits_words_and_nothing_is_done_again(
    one: Machine, forger: Forger, ours: Outcomes, broken: Callable[[Forger, str], None], ref: str, words: str
) -> None:
    broken(forger, ref)

    waits = await one.does("echo done > work")

    assert waits.status is OutcomeStatus.WAITING and words in waits.summary and "`git fsck`" in waits.summary, waits
    assert waits.resume and waits.resume.is_finished and waits.resume.daemon == "here"
    again = await one.does("exit 1", resume=waits.resume)
    assert again.status is OutcomeStatus.WAITING, "no agent runs, and no attempt is lost"
    (forger.origin / ref).unlink()
    await holds_our_own(ours, forger, await one.does("exit 1", resume=waits.resume))


FAR = "/".join("x" * 200 for _ in range(22))
"""Longer than the name of any file."""


@pytest.mark.parametrize(
    "names", [(f"{REF}/{FAR}",), (f"refs/makima/outcomes/{TASK}", REF), (REF, f"{REF}/1", f"{REF}/1/1")]
)
async def test_refs_that_git_keeps_only_packed_hold_nothing_up(
    one: Machine, forger: Forger, names: tuple[str, ...]
) -> None:
    lie = forger.outcome(forged())
    forger.git("pack-refs", "--all")
    with (forger.origin / "packed-refs").open("a") as packed:
        packed.writelines(f"{lie} {name}\n" for name in names)
    outcome = await one.does("echo done > work")
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work
    assert forger.ref(f"refs/heads/{BRANCH}") == outcome.work.head
    assert (await one.does("exit 1")).work == outcome.work
