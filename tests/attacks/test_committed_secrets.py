"""An agent commits a secret: nothing of it leaves the machine, and the work goes on (issue 11, 6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.agents.shell import ShellAgent
from daemon.git.repositories import Repositories
from daemon.judgement.check import Examined
from daemon.judgement.judge import added_secrets
from daemon.secrets.secret_search import scan, without_secrets
from domain.failures import FailureCategory
from domain.spawn_task import CommandContext, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.attacks.hiding import COMMIT, HIDDEN, TOKEN, WRAPPED, GitCommand, holds
from tests.integration.deliveries import OneDaemon

pytestmark = pytest.mark.rule("6.7")
Committer = Callable[..., str]


class Attempt:
    """One attempt of a step, in as many deliveries as it takes; `home` is where the agent finds files of the test."""

    def __init__(self, daemon: OneDaemon, repositories: Repositories, origin: Path, git: GitCommand) -> None:
        self.daemon, self.origin, self.git = daemon, origin, git
        self.task = uuid4()
        self._repositories = repositories

    async def does(self, script: str, *, told: bool = False, **fields: Any) -> Outcome:
        """`told`: by an agent that can be told what is wrong; else by one that runs the step's script."""
        agents = {} if told else {"agents": {"scripted": ShellAgent(kind="shell")}}
        self.daemon.more = {**self.daemon.more, **agents}
        given = {"task": self.task, "step_name": "A step", "base_commit": await self.daemon.base()}
        given = {**given, "target_branch": "makima/step", "script": script}
        return await self.daemon.does(script if told else "", TaskKind.STEP, **{**given, **fields})

    async def checkpoint(self) -> str:
        """The commit of the newest one, as another machine would find it."""
        cache = await self._repositories.at(f"file://{self.origin}")
        refs = await cache.listed(f"refs/makima/checkpoints/{self.task}/1/*")
        assert len(refs) == 1
        return next(iter(refs.values()))

    def left_the_machine(self, *secrets: str) -> bool:
        """Whether one of them is in any object of the remote, whatever refers to it."""
        return holds(self.git, self.origin, ("--batch-all-objects",), "", *secrets)


@pytest.fixture
def attempt(tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand) -> Attempt:
    return Attempt(OneDaemon(tmp_path, repositories, origin), repositories, origin, git)


def answered(done: Outcome, answer: str) -> CommandContext:
    (question,) = done.questions
    return CommandContext(answers=(question.model_copy(update={"answer": answer}),))


@pytest.mark.parametrize("how", ["a file", "one commit, taken out in the next", "the name of a file", "a name of keys"])
async def test_a_committed_secret_stays_on_the_machine_and_a_person_is_asked(attempt: Attempt, how: str) -> None:
    done = await attempt.does(HIDDEN[how] + "echo kept > kept")
    assert done.status is OutcomeStatus.WAITING, done.failure
    (question,) = done.questions
    assert "allow_secrets" in question.text and question.choices == ("try again", "give up")
    assert TOKEN not in done.model_dump_json()
    assert not attempt.left_the_machine(TOKEN)
    assert attempt.git(attempt.origin, "for-each-ref", "refs/heads/makima") == ""
    assert attempt.git(attempt.origin, "show", f"{await attempt.checkpoint()}:kept") == "kept"


async def test_a_file_of_keys_is_one_although_the_base_speaks_of_its_name(attempt: Attempt, commit: Committer) -> None:
    commit({".gitignore": ".env\n", "README": "Copy .env.example to .env\n"}, branch="main")
    done = await attempt.does(f"echo PASSWORD=swordfish > .env; {COMMIT}")
    assert done.status is OutcomeStatus.WAITING, done.failure
    assert not attempt.left_the_machine("swordfish")


async def test_what_is_not_committed_does_not_leave_either_however_it_is_wrapped(attempt: Attempt) -> None:
    wraps = f"printf 'key = {TOKEN}' | iconv -t UTF-16 > wide; echo 'tls.key: {WRAPPED}' > secret.yaml; echo k > kept"
    done = await attempt.does(f"{wraps}; exit 3")
    assert done.failure and done.failure.category is FailureCategory.AGENT
    assert done.work
    assert attempt.git(attempt.origin, "show", f"{done.work.head}:kept") == "k"
    assert not attempt.left_the_machine(TOKEN, WRAPPED, "\0".join(TOKEN))


async def test_what_could_not_be_looked_through_stays_on_the_machine(
    repositories: Repositories, origin: Path, commit: Committer, git: GitCommand
) -> None:
    """At the limit of time the work waits for a person, and what is saved elsewhere is what it began with."""
    began = commit({"a": "1\n"}, branch="main")
    head = commit({"a": "1\n", "b": "2\n"}, began, "work")
    cache = await repositories.at(f"file://{origin}")
    await cache.fetch()
    tree, before = (git(origin, "rev-parse", f"{each}^{{tree}}") for each in (head, began))
    assert (await scan(cache, head, [began])).is_clean
    late = await scan(cache, head, [began], within=0)
    assert (late.is_clean, late.whole) == (False, False)
    assert await without_secrets(cache, tree, head, began) == (tree, head)
    assert await without_secrets(cache, tree, head, began, within=0) == (before, began)
    assert await without_secrets(cache, tree, began, began, within=0) == (before, began), "a tree that isn't committed"
    work = Examined(cache, head, began, ())
    assert await added_secrets(work) is None
    told = await added_secrets(work, within=0)
    assert told and "more than can be looked through" in told.report


async def test_the_agent_takes_it_out_of_its_history_once_it_is_told(attempt: Attempt) -> None:
    base = await attempt.daemon.base()
    leaks = f"echo {TOKEN} > config; echo x > x; {COMMIT} git rm -q config; git commit -qm hidden"
    mends = f"git reset -q --soft {base}; git commit -qm anew; git reflog expire --expire=now --all"
    words = "out of the history of your work, not only of its end"
    script = f'P=$(cat); case "$P" in *"{words}"*) {mends} ;; *) {leaks} ;; esac'
    done = await attempt.does(script, told=True)
    assert done.status is OutcomeStatus.COMPLETED, done.questions
    assert attempt.git(attempt.origin, "ls-tree", "--name-only", "makima/step").split() == ["README", "x"]
    assert not attempt.left_the_machine(TOKEN)


async def test_after_the_rounds_the_attempt_waits_and_goes_on_with_all_of_its_work(attempt: Attempt) -> None:
    leaks = f"test -e config && grep -q {TOKEN} config && touch again || echo {TOKEN} > config; {COMMIT} true"
    done = await attempt.does(leaks, told=True)
    assert done.status is OutcomeStatus.WAITING
    # On this machine it goes on with what was withheld; elsewhere without.
    base = await attempt.daemon.base()
    mends = f"grep {TOKEN} config; git reset -q --soft {base}; git rm -q -f config; git commit -qm anew"
    over = await attempt.does(mends, told=True, context=answered(done, "try again"))
    assert over.status is OutcomeStatus.COMPLETED, over.failure or over.questions
    assert attempt.git(attempt.origin, "ls-tree", "--name-only", "makima/step").split() == ["README", "again"]
    assert not attempt.left_the_machine(TOKEN)
    cache = await attempt._repositories.at(f"file://{attempt.origin}")
    kept = (await cache.local("for-each-ref", "--format=%(refname)", "refs/makima")).text.split()
    assert [ref for ref in kept if not ref.startswith("refs/makima/left/")] == [], "what was reset away stays here"


async def test_what_a_person_gives_up_fails_without_an_agent(attempt: Attempt) -> None:
    done = await attempt.does(f"echo {TOKEN} > config; {COMMIT}")
    over = await attempt.does("touch /nonexistent/never", context=answered(done, "give up"))
    assert over.failure and over.failure.category is FailureCategory.SECRET
    assert not attempt.left_the_machine(TOKEN)


async def test_an_attempt_that_fails_otherwise_publishes_what_is_clean(attempt: Attempt) -> None:
    script = f"echo fine > fine; {COMMIT} echo {TOKEN} > config; {COMMIT} echo last > last; exit 3"
    done = await attempt.does(script)
    assert done.failure and done.failure.category is FailureCategory.AGENT
    assert done.work
    names = attempt.git(attempt.origin, "ls-tree", "--name-only", done.work.head).split()
    assert names == ["README", "fine", "last"]
    assert attempt.git(attempt.origin, "log", "--format=%s", done.work.head).splitlines()[1:] == ["more", "first"]
    assert not attempt.left_the_machine(TOKEN)


@pytest.mark.parametrize("where", ["settings", "base", "worktree"])
async def test_a_false_alarm_is_allowed_by_the_settings_or_the_base_and_never_by_the_agent(
    attempt: Attempt, commit: Committer, where: str
) -> None:
    allow = 'allow_secrets = ["fixtures/", "keys/one.pem"]'
    if where == "settings":
        attempt.daemon.more["allow_secrets"] = ("fixtures/", "keys/one.pem")
    if where == "base":
        commit({".makima.toml": allow}, branch="main")
    script = "mkdir -p fixtures keys; echo $T > fixtures/token; echo $T > keys/one.pem;".replace("$T", TOKEN)
    script += f"echo '{allow}' > .makima.toml; {COMMIT}" if where == "worktree" else COMMIT
    done = await attempt.does(script)
    assert (done.status is OutcomeStatus.COMPLETED) == (where != "worktree"), done.questions


async def test_the_hash_that_the_question_names_allows_one_value(attempt: Attempt) -> None:
    script = f"echo {TOKEN} > config; {COMMIT}"
    done = await attempt.does(script)
    named = done.questions[0].text.partition("hash ")[2].partition(")")[0]
    attempt.daemon.more["allow_secrets"] = (named,)
    assert (await attempt.does(script, context=answered(done, "try again"))).status is OutcomeStatus.COMPLETED
    attempt.task = uuid4()
    assert (await attempt.does(f"echo {TOKEN}x1 > config; {COMMIT}")).status is OutcomeStatus.WAITING
