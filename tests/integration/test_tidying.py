"""What merged work leaves on the remote is deleted, and nothing whose commits are nowhere else: real git (rule 7.5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.git.repository_cache import RepositoryCache
from daemon.pull_requests.tidying import tidy
from daemon.saving.outcomes import Outcomes, outcome_ref
from domain.pull_request import PullRequest, PullRequestState
from domain.tidied import Tidying

pytestmark = pytest.mark.rule("7.5")

GitCommand = Callable[..., str]
Committer = Callable[..., str]
PULL_REQUEST = "makima/directive-shop-12345678"


def tidying(head: str, branches: tuple[str, ...], *tasks: UUID, branch: str = PULL_REQUEST) -> Tidying:
    merged = PullRequest(branch=branch, head=head, base="main", state=PullRequestState.MERGED, number=3)
    return Tidying(
        owner="me",
        directive=uuid4(),
        repository="r",
        base_branch="main",
        pull_requests=(merged,),
        branches=branches,
        tasks=tasks,
    )


def refs(origin: Path, git: GitCommand) -> set[str]:
    return set(git(origin, "for-each-ref", "--format=%(refname)").splitlines())


async def test_squash_merged_branches_and_their_outcomes_and_checkpoints_go(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    step, completion, planner = uuid4(), uuid4(), uuid4()
    work = commit({"a": "1"}, branch="makima/shop-a-11111111")
    head = commit({"b": "2"}, parent=work, branch=PULL_REQUEST)
    commit({"a": "1", "b": "2"}, branch="main")  # squashed: the base branch holds none of these commits
    unfinished = commit({"half": "x"}, parent=work)
    git(origin, "update-ref", f"refs/makima/checkpoints/{step}/1/abcdabcd", unfinished)
    git(origin, "update-ref", f"refs/heads/makima-state/checkpoints/{step}/1/dcbadcba", unfinished)
    await cache.fetch()
    outcomes = Outcomes(cache)
    for task, done in ((step, work), (completion, head), (planner, None)):
        await outcomes.publish_outcome(str(task), 1, b"{}", done)
    tidied = await tidy(cache, tidying(head, ("makima/shop-a-11111111",), step, completion, planner))
    assert refs(origin, git) == {"refs/heads/main"}
    assert tidied.kept == ()
    assert len(tidied.deleted) == 7
    again = await tidy(cache, tidying(head, ("makima/shop-a-11111111",), step, completion, planner))
    assert (again.deleted, again.kept) == ((), ())


async def test_what_is_not_contained_stays_and_so_does_what_is_not_named(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    failed, other = uuid4(), uuid4()
    head = commit({"a": "1"}, branch=PULL_REQUEST)
    git(origin, "update-ref", "refs/heads/main", head)
    lost = commit({"only here": "1"}, branch="makima/shop-failed-22222222")
    commit({"a": "1"}, branch="makima/somebody-elses-33333333")
    outcomes = Outcomes(cache)
    await cache.fetch()
    await outcomes.publish_outcome(str(failed), 1, b"{}", lost)
    await outcomes.publish_outcome(str(other), 1, b"{}", head)
    tidied = await tidy(cache, tidying(head, ("makima/shop-failed-22222222", "main"), failed))
    assert tidied.deleted == (f"refs/heads/{PULL_REQUEST}",)
    assert set(tidied.kept) == {"refs/heads/makima/shop-failed-22222222", outcome_ref(str(failed), 1)}
    assert {"refs/heads/main", "refs/heads/makima/somebody-elses-33333333", outcome_ref(str(other), 1)} <= refs(
        origin, git
    )


async def test_what_only_a_closed_pull_request_held_stays(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    head = commit({"a": "1"}, branch=PULL_REQUEST)
    closed = PullRequest(branch=PULL_REQUEST, head=head, base="main", number=7, state=PullRequestState.CLOSED)
    given = tidying(head, ()).model_copy(update={"pull_requests": (closed,)})
    tidied = await tidy(cache, given)
    assert (tidied.deleted, tidied.kept) == ((), (f"refs/heads/{PULL_REQUEST}",))
    assert f"refs/heads/{PULL_REQUEST}" in refs(origin, git)


async def test_garbage_that_somebody_has_put_among_our_refs_hinders_nothing_and_stays(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    step = uuid4()
    work = commit({"a": "1"}, branch="makima/shop-a-11111111")
    git(origin, "update-ref", "refs/heads/main", work)
    await cache.fetch()
    await Outcomes(cache).publish_outcome(str(step), 1, b"{}", work)
    blob = git(origin, "hash-object", "-w", "--stdin", stdin="garbage")
    tree = git(origin, "rev-parse", "main^{tree}")
    garbage = {f"refs/makima/outcomes/{step}/2": blob, f"refs/makima/checkpoints/{step}/1/x": tree}
    for ref, name in garbage.items():
        git(origin, "update-ref", ref, name)
    tidied = await tidy(cache, tidying("c" * 40, ("makima/shop-a-11111111",), step))
    assert set(tidied.deleted) == {"refs/heads/makima/shop-a-11111111", outcome_ref(str(step), 1)}
    assert set(tidied.kept) == set(garbage)


async def test_a_branch_that_people_went_on_with_stays(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    head = commit({"a": "1"}, branch="main")
    later = commit({"more": "1"}, parent=head, branch=PULL_REQUEST)
    tidied = await tidy(cache, tidying(head, ()))
    assert tidied.kept == (f"refs/heads/{PULL_REQUEST}",)
    assert git(origin, "rev-parse", f"refs/heads/{PULL_REQUEST}") == later


async def test_a_branch_of_a_persons_own_is_never_deleted(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    head = commit({"a": "1"}, branch="feature")
    git(origin, "update-ref", "refs/heads/main", head)
    tidied = await tidy(cache, tidying(head, (), branch="feature"))
    assert (tidied.deleted, tidied.kept) == ((), ())
    assert "refs/heads/feature" in refs(origin, git)


async def test_a_forge_that_has_deleted_the_pull_requests_branch_hinders_nothing(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    work = commit({"a": "1"}, branch="makima/shop-a-11111111")
    git(origin, "update-ref", "refs/heads/main", work)
    tidied = await tidy(cache, tidying("c" * 40, ("makima/shop-a-11111111",)))
    assert tidied.deleted == ("refs/heads/makima/shop-a-11111111",)


async def test_a_remote_that_deletes_nothing_is_told_as_kept(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    git(origin, "config", "receive.denyDeletes", "true")
    head = commit({"a": "1"}, branch=PULL_REQUEST)
    tidied = await tidy(cache, tidying(head, ()))
    assert (tidied.deleted, tidied.kept) == ((), (f"refs/heads/{PULL_REQUEST}",))
