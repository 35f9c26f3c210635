"""Between a merge and its pull request: pushes of people, forges that are away or say no, daemons that die."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import AttemptGone, CannotServe, ForgeRefused, ForgeUnreachable
from domain.models import Question
from domain.pull_request import PullRequest, PullRequestState
from domain.questions import AGAIN, LEAVE, SHIPPING_CHOICES
from domain.spawn_task import CommandContext, Outcome, OutcomeStatus
from tests.integration.completions import BRANCH, Completions, head

GitCommand = Callable[..., str]
Committer = Callable[..., str]
NO_AGENT = "exit 9"
NO_SCOPE = ForgeRefused("forge.example: the token lacks the scope `repo`")


@pytest.mark.rule("7.3")
async def test_what_people_push_while_the_work_is_verified_is_merged_and_verified_too(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = head("Walls", commit({"walls": "w\n"}))
    first = await completions.does(NO_AGENT, [walls])
    assert first.work
    door = commit({"door": "d\n"}, first.work.head)
    roof = head("Roof", commit({"roof": "r\n"}, walls.commit))
    push = f"git -C {origin} update-ref refs/heads/{BRANCH} {door}"
    done = await completions.does(NO_AGENT, [roof], verify=(f"test -e door || {push}",))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert completions.files(BRANCH) == {"README", "door", "roof", "walls"}
    git(origin, "merge-base", "--is-ancestor", door, BRANCH)


@pytest.mark.rule("7.3")
async def test_what_people_push_in_the_last_moment_is_merged_and_no_conflict_is_resolved_twice(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, tmp_path: Path
) -> None:
    first = await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    assert first.work
    door = commit({"door": "d\n"}, first.work.head)
    git(origin, "update-ref", "refs/people/door", door)
    hook = origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nwhile read old new ref; do case $ref in refs/makima/outcomes/*) "
        f"git update-ref refs/heads/{BRANCH} {door};; esac; done\n"
    )
    hook.chmod(0o755)
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    runs = tmp_path / "runs"
    done = await completions.does(f"echo run >> {runs}; echo purple > README", steps)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert completions.files(BRANCH) == {"README", "door", "walls"}
    assert git(origin, "show", f"{BRANCH}:README") == "purple"
    assert done.work and done.work.head == git(origin, "rev-parse", BRANCH)
    assert runs.read_text().split() == ["run"]
    again = await completions.delivered("exit 9")
    assert again.shipped == done.shipped


async def test_people_who_never_stop_pushing_are_never_pushed_over(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    ref = f"refs/heads/{BRANCH}"
    who = "git -c user.name=p -c user.email=p@example.com"
    push = f"cd {origin} && git update-ref {ref} $({who} commit-tree {ref}^{{tree}} -p {ref} -m more)"
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}))], verify=(push,))
    assert done.failure
    assert "5 times during the merge" in done.failure.report
    assert completions.files(BRANCH) == {"README", "walls"}


@pytest.mark.rule("7.3")
async def test_a_delivery_after_the_push_opens_no_second_pull_request(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    later = datetime.now(UTC) + timedelta(hours=2)
    completions.forge.fails = [None, None, None, ForgeUnreachable("the rate limit is used up", later)]
    with pytest.raises(CannotServe, match="rate limit") as away:
        await completions.does("echo purple > README", steps)
    assert away.value.until == later
    pushed = git(origin, "rev-parse", BRANCH)

    done = await completions.delivered(NO_AGENT)
    assert done.work and done.work.head == pushed
    assert [each.number for each in completions.forge.opened] == [1]
    by_hand = commit({"door": "d\n"}, pushed, branch=BRANCH)
    again = await completions.delivered(NO_AGENT)
    assert [each.number for each in completions.forge.opened] == [1]
    assert again.shipped and again.shipped.pull_request.head == by_hand
    completions.forge.merge(1, "squash")
    merged = await completions.delivered(NO_AGENT)
    assert merged.shipped and merged.shipped.pull_request.state is PullRequestState.MERGED
    assert [each.number for each in completions.forge.opened] == [1]


async def test_a_forge_that_is_away_for_a_moment_is_asked_again(completions: Completions, commit: Committer) -> None:
    completions.forge.fails = [ForgeUnreachable("bad gateway"), None, None, None, ForgeUnreachable("timed out"), None]
    walls = head("Walls", commit({"walls": "w\n"}))
    done = await completions.does(NO_AGENT, [walls], pulse=timedelta(seconds=0.02))
    assert done.shipped and done.shipped.pull_request.number == 1
    assert completions.forge.calls == ["find"] * 4 + ["open_or_update"] * 2
    held_up = [beat.held_up for beat in completions.daemon.delivery.beats]
    assert {"bad gateway", "timed out"} <= set(held_up), "which is seen by people meanwhile"
    assert held_up[-1] == ""
    again = [beat.again for beat in completions.daemon.delivery.beats]
    assert [at is not None for at in again] == [bool(why) for why in held_up], "and when"


async def test_an_attempt_that_is_gone_asks_no_more_of_the_forge(completions: Completions, commit: Committer) -> None:
    completions.forge.fails = [ForgeUnreachable("bad gateway")]
    completions.daemon.gone = True
    with pytest.raises(AttemptGone):
        await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    assert completions.forge.calls == ["find"]


@pytest.mark.parametrize("refusals", [[NO_SCOPE], [None, None, None, NO_SCOPE]], ids=["before", "after the push"])
async def test_a_forge_that_says_no_is_one_question_whose_answer_is_to_try_again(
    completions: Completions, commit: Committer, refusals: list[Exception | None]
) -> None:
    completions.forge.fails = list(refusals)
    waiting = await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    first = only_question(waiting)
    assert "lacks the scope `repo`" in first.text
    assert first.choices == SHIPPING_CHOICES

    completions.forge.fails = [NO_SCOPE]
    answered = answer(first, AGAIN)
    second = only_question(await completions.delivered(NO_AGENT, context=CommandContext(answers=(answered,))))
    assert second.id != first.id, "an answered question would make nobody wait"
    both = CommandContext(answers=(answered, answer(second, AGAIN)))
    done = await completions.delivered(NO_AGENT, context=both)
    assert done.status is OutcomeStatus.COMPLETED
    assert done.shipped and done.shipped.pull_request.number == 1


@pytest.mark.parametrize("refusals", [[NO_SCOPE], [None, None, None, NO_SCOPE]], ids=["before", "after the push"])
async def test_a_forge_that_says_no_can_be_done_without(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, refusals: list[Exception | None]
) -> None:
    completions.forge.fails = list(refusals)
    asked = only_question(await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))]))
    completions.forge.fails, completions.forge.calls = [NO_SCOPE], []
    left = CommandContext(answers=(answer(asked, LEAVE),))
    done = await completions.delivered(NO_AGENT, context=left)
    assert done.shipped
    pushed = git(origin, "rev-parse", BRANCH)
    assert done.shipped.pull_request == PullRequest(branch=BRANCH, base="main", head=pushed)
    assert completions.forge.calls == []


@pytest.mark.rule("6.11")
async def test_no_secret_that_a_forge_tells_gets_into_a_question(completions: Completions, commit: Committer) -> None:
    token = "ghp_" + "x1" * 18
    completions.forge.fails = [ForgeRefused(f"forge.example says: no hook takes {token}")]
    asked = only_question(await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))]))
    assert asked.text.startswith("forge.example says: no hook takes ***\n")


@pytest.mark.rule("7.3")
async def test_a_rule_that_refuses_the_push_is_one_question_that_names_it(
    completions: Completions, commit: Committer, origin: Path, tmp_path: Path
) -> None:
    rule = "GH013: Repository rule violations found. Commits must have verified signatures."
    hook = origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ncase "$1" in refs/heads/{BRANCH}) echo "{rule}" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    runs = tmp_path / "runs"
    script = f"echo run >> {runs}; echo purple > README"
    first = only_question(await completions.does(script, steps))
    assert rule in first.text and BRANCH in first.text
    assert first.choices == (AGAIN,)
    answered = answer(first, AGAIN)
    again = only_question(await completions.delivered(script, context=CommandContext(answers=(answered,))))
    assert again.id != first.id
    hook.unlink()
    both = CommandContext(answers=(answered, answer(again, AGAIN)))
    done = await completions.delivered(script, context=both)
    assert done.shipped and done.shipped.pull_request.number == 1
    assert runs.read_text().split() == ["run"], "the agent's work was kept"


@pytest.mark.rule("7.3")
async def test_without_a_forge_the_branch_is_pushed_and_goes_on(completions: Completions, commit: Committer) -> None:
    del completions.daemon.more["forges"]
    walls = commit({"walls": "w\n"})
    first = await completions.does(NO_AGENT, [head("Walls", walls)])
    assert first.shipped and first.work
    assert first.shipped.pull_request.state is PullRequestState.PUSHED
    assert first.shipped.pull_request.head == first.work.head
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert completions.files(BRANCH) == {"README", "roof", "walls"}


def only_question(outcome: Outcome) -> Question:
    assert outcome.status is OutcomeStatus.WAITING
    (question,) = outcome.questions
    return question


def answer(question: Question, said: str) -> Question:
    return question.model_copy(update={"answer": said, "answered_by": "operator"})
