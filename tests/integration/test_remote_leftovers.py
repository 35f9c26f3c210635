"""What ended directives have left on a remote goes by the record, and never what is somebody's: real git (rule 9.8)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from daemon.forges.registry import NoForge
from daemon.git.repository_cache import RepositoryCache
from daemon.pull_requests.leftovers import look_or_remove
from daemon.saving.outcomes import Outcomes, outcome_ref
from domain.errors import ForgeUnreachable
from domain.pull_request import PullRequest, PullRequestState
from domain.remote_leftovers import EndedDirective, RecordedBranch, RemoteFound, RemoteWanted
from domain.repository_url import parse_repository_url
from tests.integration.forge_in_memory import ForgeInMemory

pytestmark = pytest.mark.rule("9.8")

GitCommand = Callable[..., str]
Committer = Callable[..., str]
TASK, DIRECTIVE = UUID("11111111" + "0" * 24), UUID("22222222" + "0" * 24)
STEP, SHOP = "makima/shop-a-11111111", "makima/directive-shop-22222222"


def ended(*branches: tuple[str, str], pull_requests: tuple[PullRequest, ...] = ()) -> EndedDirective:
    return EndedDirective(
        id=DIRECTIVE,
        title="Shop",
        base_branch="main",
        branches=tuple(RecordedBranch(name=name, commits=(commit,)) for name, commit in branches),
        tasks=(TASK,),
        pull_requests=pull_requests,
    )


def wanted(directive: EndedDirective, *needed: str, remove: dict[str, str] | None = None) -> RemoteWanted:
    return RemoteWanted(repository="r", owner="me", directives=(directive,), needed=needed, remove=remove)


def refs(origin: Path, git: GitCommand) -> set[str]:
    return set(git(origin, "for-each-ref", "--format=%(refname)").splitlines())


def all_of(found: RemoteFound) -> dict[str, str]:
    return {each.ref: each.commit for each in found.found}


@pytest.fixture
def forge(origin: Path, git: GitCommand) -> ForgeInMemory:
    return ForgeInMemory(origin, git)


async def test_what_the_record_names_goes_and_a_strangers_branch_of_such_a_name_stays(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer, forge: ForgeInMemory
) -> None:
    work = commit({"a": "1"}, branch=STEP)
    head = commit({"b": "2"}, parent=work, branch=SHOP)
    stranger = commit({"c": "3"}, branch="makima/shop-b-33333333")
    mine = commit({"d": "4"}, branch="feature")
    git(origin, "update-ref", "refs/heads/main", head)
    await cache.fetch()
    await Outcomes(cache).publish_outcome(str(TASK), 1, b"{}", work)
    directive = ended((STEP, work), (SHOP, head), ("feature", mine))
    looked = await look_or_remove(cache, forge, wanted(directive))
    assert {each.ref: (each.is_work, each.stays) for each in looked.found} == {
        f"refs/heads/{STEP}": (False, ""),
        f"refs/heads/{SHOP}": (False, ""),
        outcome_ref(str(TASK), 1): (False, ""),
    }
    assert looked.removed == () and f"refs/heads/{STEP}" in refs(origin, git), "it was only looked"
    asked = {**all_of(looked), "refs/heads/makima/shop-b-33333333": stranger, "refs/heads/main": head}
    removed = await look_or_remove(cache, forge, wanted(directive, remove=asked))
    assert set(removed.removed) == all_of(looked).keys()
    assert refs(origin, git) == {"refs/heads/main", "refs/heads/makima/shop-b-33333333", "refs/heads/feature"}
    assert (await look_or_remove(cache, forge, wanted(directive, remove=asked))).removed == ()


async def test_work_that_nothing_else_holds_is_said_to_be_that(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer, forge: ForgeInMemory
) -> None:
    work = commit({"a": "1"}, branch=STEP)
    await cache.fetch()
    await Outcomes(cache).publish_outcome(str(TASK), 1, b"{}", work)
    found = (await look_or_remove(cache, forge, wanted(ended((STEP, work))))).found
    assert len(found) == 2 and all(each.is_work and not each.stays for each in found)


async def test_a_branch_that_moved_or_is_needed_or_is_asked_for_stays(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer, forge: ForgeInMemory
) -> None:
    work = commit({"a": "1"}, branch=STEP)
    git(origin, "update-ref", "refs/heads/main", work)
    remove = {f"refs/heads/{STEP}": work}

    async def why(directive: EndedDirective, *needed: str) -> str:
        (left,) = (await look_or_remove(cache, forge, wanted(directive, *needed))).found
        done = await look_or_remove(cache, forge, wanted(directive, *needed, remove=remove))
        assert done.removed == () and f"refs/heads/{STEP}" in refs(origin, git)
        return left.stays

    directive = ended((STEP, work))
    assert await why(directive, STEP) == "work starts from it"
    assert "where the record has never known it" in await why(ended((STEP, "c" * 40)))
    opened = PullRequest(
        branch=STEP, head=work, base="main", number=1, url="https://forge.example/pull/1", state=PullRequestState.DRAFT
    )
    forge.opened.append(opened)
    assert await why(directive) == "its pull request is open: https://forge.example/pull/1"
    forge.opened.clear()
    assert "its pull request is open" in await why(ended((STEP, work), pull_requests=(opened,))), "as the record says"
    forge.fails = [ForgeUnreachable("503"), ForgeUnreachable("503")]
    assert "can't be asked: 503" in await why(directive)

    alone = NoForge(parse_repository_url("https://github.com/acme/shop", allow_local=False))
    (left,) = (await look_or_remove(cache, alone, wanted(directive))).found
    assert "nobody can be asked: https://github.com/acme/shop/compare" in left.stays, "without a token"

    later = commit({"more": "1"}, parent=work, branch=STEP)
    git(origin, "update-ref", "refs/heads/main", later)
    moved = ended((STEP, later))
    assert (await look_or_remove(cache, forge, wanted(moved, remove=remove))).removed == (), "listed at another commit"
    assert git(origin, "rev-parse", f"refs/heads/{STEP}") == later


async def test_a_branch_that_an_open_pull_request_is_to_be_merged_into_stays_until_that_is_over(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer, forge: ForgeInMemory
) -> None:
    work = commit({"a": "1"}, branch=STEP)
    git(origin, "update-ref", "refs/heads/main", work)
    on_top = "makima/directive-on-top-44444444"
    git(origin, "update-ref", f"refs/heads/{on_top}", work)
    stacked = PullRequest(
        branch=on_top,
        head=work,
        base=STEP,
        number=1,
        url="https://forge.example/pull/1",
        state=PullRequestState.OPEN,
    )
    forge.opened.append(stacked)
    ref = f"refs/heads/{STEP}"
    asked = wanted(ended((STEP, work)), remove={ref: work}).model_copy(update={"open_pull_requests": (stacked,)})

    async def stays() -> str:
        told = await look_or_remove(cache, forge, asked)
        assert told.removed == () and ref in refs(origin, git)
        return told.found[0].stays

    assert await stays() == "a pull request that is open is to be merged into it: https://forge.example/pull/1"
    forge.fails = [ForgeUnreachable("503")]
    assert "https://forge.example/pull/1, which is to be merged into it, is open can't be asked: 503" in await stays()
    forge.opened[0] = stacked.model_copy(update={"state": PullRequestState.CLOSED})
    assert (await look_or_remove(cache, forge, asked)).removed == (ref,), "whatever the record says"
