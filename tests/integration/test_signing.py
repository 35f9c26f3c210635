"""Commits of the daemon's work, signed with a key that no agent sees (rule 6.16): real keys, and git's own word."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.bridges import JOINS
from daemon.git.git import Git
from daemon.git.repository_cache import RepositoryCache
from daemon.git.signed_commits import signed_work
from daemon.git.updates import updated, updates_of
from domain.errors import SigningFailed
from domain.spawn_task import Outcome, OutcomeStatus
from tests.integration.completions import BRANCH, Completions, head
from tests.integration.deliveries import Steps
from tests.integration.test_refused_refs import BRANCHES_OF_TASKS_ONLY, refuse
from tests.signing import Key, make_key

GitCommand = Callable[..., str]
Committer = Callable[..., str]
KINDS = ["ed25519", "ecdsa", "openpgp"]
AGENTS = """\
git config user.name Linus; git config user.email linus@example.com
echo one > one; git add one
export GIT_AUTHOR_NAME=Linus GIT_AUTHOR_EMAIL=linus@example.com
GIT_COMMITTER_NAME=Linus GIT_COMMITTER_EMAIL=linus@example.com git commit --quiet --message "The agent's first"
git checkout --quiet -b side; echo two > two; git add two; git commit --quiet --message "Beside it"
git checkout --quiet --detach HEAD~1; echo three > three; git add three; git commit --quiet --message Third
git merge --quiet --no-edit side; echo four > four
"""


@pytest.fixture(params=KINDS)
def key(request: pytest.FixtureRequest, daemon_git: Git) -> Iterator[Key]:
    """What the daemon of these tests signs with."""
    with tempfile.TemporaryDirectory(prefix="mk") as folder:
        made = make_key(Path(folder, "k"), request.param)
        daemon_git.signer = made.signer
        yield made
        made.close()


def commits(git: GitCommand, repository: Path, branch: str, *without: str) -> list[str]:
    return git(repository, "rev-list", branch, *(f"^{each}" for each in without)).split()


def bad(key: Key, git: GitCommand, repository: Path, branch: str, *without: str) -> list[str]:
    """Subjects of the commits that git doesn't take for signed by the key."""
    found = [each for each in commits(git, repository, branch, *without) if not key.is_good(repository, each)]
    return [git(repository, "show", "--no-patch", "--format=%s", each) for each in found]


@pytest.mark.rule("6.16")
async def test_all_commits_of_a_step_are_signed_those_of_its_agent_too_and_their_authors_stay(
    key: Key, steps: Steps, git: GitCommand, origin: Path
) -> None:
    outcome = await steps.does(AGENTS)
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work, outcome
    assert len(commits(git, origin, "makima/step", "main")) == outcome.work.commits == 5
    assert bad(key, git, origin, "makima/step", "main") == []
    assert git(origin, "rev-parse", "makima/step") == outcome.work.head
    told = git(origin, "log", "--format=%an %cn <%ce>: %s", "makima/step", "^main").splitlines()
    assert "Linus Makima <makima@localhost>: The agent's first" in told
    assert {line.partition(": ")[0].split(" ", 1)[1] for line in told} == {"Makima <makima@localhost>"}
    assert git(origin, "fsck", "--strict") == ""


@pytest.mark.rule("6.16")
async def test_another_delivery_finds_the_signed_work_and_signs_nothing_again(
    key: Key, steps: Steps, git: GitCommand, origin: Path, daemon_git: Git
) -> None:
    task = {"task": uuid4(), "directive": uuid4(), "step": uuid4()}
    done = await steps.does(AGENTS, **task)
    key.secret.rename(key.secret.with_name("away"))
    daemon_git.signer = key.signer
    again = await steps.does("exit 9", **task)
    assert done.work and again.work and again.work.head == done.work.head == git(origin, "rev-parse", "makima/step")


@pytest.mark.rule("6.16")
async def test_work_that_cannot_be_signed_waits_says_why_and_goes_on_with_the_key_without_its_agent(
    key: Key, steps: Steps, git: GitCommand, origin: Path, tmp_path: Path, daemon_git: Git
) -> None:
    task = {"task": uuid4(), "directive": uuid4(), "step": uuid4()}
    away = key.secret.with_name("away")
    key.secret.rename(away)
    key.close()
    held = await steps.does(f"echo ran >> {tmp_path}/runs; {AGENTS}", **task)
    assert held.status is OutcomeStatus.WAITING and held.resume and held.resume.is_finished
    assert "[signing]" in held.summary and "The work is done and saved on here" in held.summary
    assert not git(origin, "for-each-ref", "refs/heads/makima/step", "refs/makima/outcomes")
    away.rename(key.secret)
    done = await steps.does(f"echo ran >> {tmp_path}/runs", **task)
    assert done.status is OutcomeStatus.COMPLETED and done.work, done
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert bad(key, git, origin, "makima/step", "main") == []
    assert git(origin, "show", "makima/step:four") == "four"


@pytest.mark.rule("6.16")
async def test_a_pull_request_holds_signed_commits_and_those_of_people_as_they_are(
    key: Key, completions: Completions, steps: Steps, git: GitCommand, origin: Path, commit: Committer
) -> None:
    work = [await _step(steps, f"echo {name} > {name}", f"makima/step-{name}") for name in ("roof", "door")]
    done = await completions.does("exit 3", [head(f"Step {one.head}", one.head) for one in work])
    assert done.status is OutcomeStatus.COMPLETED and done.work, done
    assert bad(key, git, origin, BRANCH, "main") == []
    assert set(commits(git, origin, BRANCH)) >= {one.head for one in work}, "what was recorded is built on"

    person = commit({"garden": "roses\n"}, BRANCH, BRANCH)
    third = await _step(steps, "echo wall > wall", "makima/step-wall")
    done = await completions.does("exit 3", [head("Build: wall", third.head)])
    assert done.status is OutcomeStatus.COMPLETED and done.work, done
    assert person in commits(git, origin, BRANCH)
    assert bad(key, git, origin, BRANCH, "main") == ["change garden"]

    # Merged by squash: what comes after it is joined to the base branch.
    commit({"roof": "roof\n", "door": "door\n", "wall": "wall\n", "garden": "roses\n"}, "main", "main")
    made = await steps.does("echo lamp > lamp", task=uuid4(), target_branch="makima/step-lamp",
                            bridges=(done.work.head,), merge=(head("Build: wall", done.work.head),))  # fmt: skip
    assert made.status is OutcomeStatus.COMPLETED and made.work, made
    assert JOINS in git(origin, "log", "--format=%s", "makima/step-lamp")
    assert bad(key, git, origin, "makima/step-lamp", "main", done.work.head) == []


@pytest.mark.rule("6.16")
async def test_where_only_the_branch_tells_of_the_end_it_is_signed_and_found_again(
    key: Key, steps: Steps, git: GitCommand, origin: Path
) -> None:
    refuse(origin, BRANCHES_OF_TASKS_ONLY)
    task = {"task": uuid4(), "directive": uuid4(), "step": uuid4(), "secret": "s" * 43}
    done = await steps.does(AGENTS, **task)
    assert done.status is OutcomeStatus.COMPLETED and done.work, done
    assert bad(key, git, origin, "makima/step", "main") == []
    again = await steps.does("exit 9", **task)
    assert again.work and again.work.head == done.work.head


@pytest.mark.rule("6.16")
@pytest.mark.parametrize("is_recorded", [True, False])
async def test_work_that_others_know_of_is_not_made_again_though_its_outcome_is_gone_from_the_remote(
    is_recorded: bool, key: Key, steps: Steps, git: GitCommand, origin: Path, daemon_git: Git, tmp_path: Path
) -> None:
    daemon_git.signer = None
    task: dict[str, Any] = {"task": uuid4(), "directive": uuid4(), "step": uuid4()}
    task |= {} if is_recorded else {"secret": "s" * 43}
    done = await steps.does(AGENTS, **task)
    assert done.work
    for ref in git(origin, "for-each-ref", "--format=%(refname)", "refs/makima", "refs/heads/makima").splitlines():
        git(origin, "update-ref", "-d", ref)
    daemon_git.signer = key.signer
    again = await steps.does("exit 9", **task, **({"recorded": done} if is_recorded else {}))
    assert again.work and again.work.head == done.work.head == git(origin, "rev-parse", "makima/step")


@pytest.mark.rule("6.16")
async def test_a_branch_is_brought_up_to_date_by_a_signed_merge_that_is_known_again(
    key: Key, cache: RepositoryCache, commit: Committer, git: GitCommand
) -> None:
    work, base = commit({"a": "1\n"}), commit({"b": "1\n"})
    await cache.local("fetch", "--quiet", str(cache.url.display).removeprefix("file://"), work, base)
    made = await updated(cache, work, base, "main")
    assert key.is_good(cache.folder, made)
    assert len(await updates_of(cache, made, work, base) or ()) == 1
    key.secret.rename(key.secret.with_name("away"))
    key.close()
    cache.git.signer = key.signer
    with pytest.raises(SigningFailed, match=r"^\[signing\]: "):
        await updated(cache, work, base, "main")


@pytest.mark.rule("6.16")
async def test_what_is_signed_with_the_key_is_not_made_again_by_another_process(
    key: Key, cache: RepositoryCache, commit: Committer, git: GitCommand
) -> None:
    first = commit({"a": "1\n"})
    work = commit({"b": "1\n"}, first)
    await cache.local("fetch", "--quiet", str(cache.url.display).removeprefix("file://"), work)
    made = await signed_work(cache, work, [])
    assert [each for each in made.values() if not key.is_good(cache.folder, each)] == [] and len(made) == 2
    cache.git.signer = key.signer  # as after a restart: it remembers nothing
    assert await signed_work(cache, made[work], []) == {each: each for each in made.values()}
    assert await signed_work(cache, made[work], [made[first]]) == {made[work]: made[work]}

    forged = git(cache.folder, "cat-file", "commit", made[work]).replace("change b", "change c")
    agents = git(cache.folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{forged}\n")
    (again,) = (await signed_work(cache, agents, [made[first]])).values()
    assert again != agents and key.is_good(cache.folder, again) and not key.is_good(cache.folder, agents)


@pytest.mark.rule("6.16")
@pytest.mark.parametrize("is_signing", [True, False])
async def test_what_an_agent_configures_is_neither_run_nor_used(
    is_signing: bool, key: Key, steps: Steps, git: GitCommand, origin: Path, tmp_path: Path, daemon_git: Git
) -> None:
    own = make_key(tmp_path / "agents", "ed25519")
    if not is_signing:
        daemon_git.signer = None
    evil, ran = tmp_path / "evil", tmp_path / "ran"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    evil.chmod(0o755)
    named = ("gpg.program", "gpg.ssh.program", "gpg.openpgp.program", "gpg.x509.program")
    settings = [f"git config {each} {evil}" for each in named]
    settings += [f"git config user.signingkey {own.secret}", "git config gpg.format ssh"]
    settings += [f"git config {each} true" for each in ("commit.gpgsign", "tag.gpgsign", "log.showSignature")]
    settings += ["git config merge.verifySignatures true", "git config rebase.gpgsign true"]
    signed = f"git -c gpg.format=ssh -c user.signingkey={own.secret} commit --quiet -S --message Mine"
    outcome = await steps.does("\n".join(["echo a > a; git add a", signed, *settings, "echo b > b"]))
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work, outcome
    assert not ran.exists()
    made = commits(git, origin, "makima/step", "main")
    assert [key.is_good(origin, each) for each in made] == [is_signing] * 2
    if is_signing:
        assert not any(own.is_good(origin, each) for each in made), "the agent's own signature is gone"


async def _step(steps: Steps, script: str, branch: str, **fields: Any) -> Any:
    outcome: Outcome = await steps.does(script, task=uuid4(), target_branch=branch, **fields)
    assert outcome.status is OutcomeStatus.COMPLETED and outcome.work, outcome
    return outcome.work
