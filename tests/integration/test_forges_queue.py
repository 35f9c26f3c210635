"""A pull request in GitHub's merge queue (rule 7.5): put in where the repository wants it, put out, and why."""

from __future__ import annotations

from uuid import uuid4

import pytest

from daemon.forges.blocks import Block
from daemon.forges.forge_settings import ForgeKind
from daemon.forges.github.auto_merge import MOST_TRIES
from daemon.git.repositories import Repositories
from daemon.pull_requests.shepherding import PullRequestShepherd
from domain.opening_choice import MergeMethod
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState, Sighting, Watch
from tests.fixtures_forges import Site, run_git

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", [ForgeKind.GITHUB])]
WANTED = {".makima.toml": '[pull_request]\nauto_merge = "squash"\nupdate = false\n'}


class Looks:
    """Those of a daemon at a directive's finished pull request, which knows what it was told."""

    def __init__(self, site: Site, repositories: Repositories) -> None:
        self._site = site
        self._repositories = repositories
        self.seen: tuple[str, ...] = ()
        self.restart()

    def restart(self) -> None:
        """Another daemon looks: nothing is remembered but by the directive."""
        self._shepherd = PullRequestShepherd("me", self._repositories, self._site.forges)

    async def look(self, made: PullRequest) -> Sighting:
        watch = Watch(
            owner="me", directive=uuid4(), repository=self._site.repository.clone_url, pull_request=made,
            pushed=(made.head,), complete=True, seen=self.seen, picture="another",
        )  # fmt: skip
        sighting = await self._shepherd.look(watch)
        assert sighting is not None
        self.seen = (*self.seen, *(each.id for each in sighting.findings))
        return sighting


@pytest.fixture
def looks(site: Site, repositories: Repositories) -> Looks:
    return Looks(site, repositories)


async def queued(site: Site) -> PullRequest:
    """An open one that ben has put into the queue of its base branch."""
    await site.forge.change_repository(site.name, queue_of=["main"])
    made = await site.opened()
    await site.forge.queue(site.name, made.number, "enter", user="ben")
    return made


def group(site: Site) -> str:
    """The commit that its base branch would be at."""
    return run_git(site.repository.path, "for-each-ref", "--format=%(objectname)", "refs/heads/gh-readonly-queue")


async def ejected(site: Site, made: PullRequest, *names: str, reason: str = "failed_checks") -> None:
    for name in names:
        await site.forge.set_check(
            site.name, ref=group(site), name=name, conclusion="failure", log=f"{name}: \x1b[31m1 failed\n"
        )
    await site.forge.queue(site.name, made.number, "eject", reason=reason)


async def is_queued(site: Site) -> bool:
    owner, name = site.name.split("/")
    asked = f'query{{repository(owner:"{owner}",name:"{name}"){{pullRequest(number:1){{isInMergeQueue}}}}}}'
    return bool((await site.forge.graphql(asked))["repository"]["pullRequest"]["isInMergeQueue"])


def only(sighting: Sighting) -> Finding:
    (finding,) = sighting.findings
    return finding


async def test_what_the_queue_has_put_out_for_failed_checks_is_one_finding_with_their_logs(
    site: Site, looks: Looks
) -> None:
    made = await queued(site)
    assert (await looks.look(made)).queued
    await ejected(site, made, "unit", "browser")
    seen = await looks.look(made)
    finding = only(seen)
    assert (finding.kind, finding.title) == (FindingKind.CHECK, "merge queue: unit: failure, browser: failure")
    assert "unit: 1 failed" in finding.text and "browser: 1 failed" in finding.text and "/actions/" in finding.url
    assert (seen.failing, seen.blocked) == ((finding.title,), ("the merge queue has put it out: failed checks",))
    assert not seen.queued
    again = await looks.look(made)
    assert again.findings == () and again.standing == (finding.id,), "it is told once, and holds"
    looks.restart()
    assert (await looks.look(made)).standing == (finding.id,), "whichever daemon looks"


async def test_it_ends_once_it_is_in_the_queue_again_and_the_next_time_is_told_anew(site: Site, looks: Looks) -> None:
    made = await queued(site)
    await looks.look(made)
    await ejected(site, made)
    first = only(await looks.look(made))
    assert "Which ones can't be read" in first.text
    await site.forge.queue(site.name, made.number, "enter", user="ben")
    seen = await looks.look(made)
    assert (seen.standing, seen.blocked) == ((), (Block.QUEUED,))
    await ejected(site, made, "unit")
    assert only(await looks.look(made)).id != first.id


@pytest.mark.parametrize("restarted", [False, True], ids=["the same daemon", "another daemon"])
async def test_it_ends_with_a_new_head(site: Site, looks: Looks, restarted: bool) -> None:
    made = await queued(site)
    await looks.look(made)
    await ejected(site, made, "unit")
    assert (await looks.look(made)).findings
    new = site.commit("work", {"more.py": "1\n"})
    if restarted:
        looks.restart()
    seen = await looks.look(made.model_copy(update={"head": new}))
    assert (seen.findings, seen.standing) == ((), ())


async def test_a_push_before_the_next_look_ends_it_too(site: Site, looks: Looks) -> None:
    made = await queued(site)
    await looks.look(made)
    await ejected(site, made, "unit")
    site.commit("work", {"more.py": "1\n"})
    assert (await looks.look(made)).standing == ()


async def test_a_conflict_with_what_is_before_it_is_one(site: Site, looks: Looks) -> None:
    made = await queued(site)
    await ejected(site, made, reason="merge_conflict")
    finding = only(await looks.look(made))
    assert finding.kind is FindingKind.CONFLICT and made.head in finding.text


async def test_what_a_person_takes_out_is_none_and_stays_out(site: Site, looks: Looks) -> None:
    site.commit("main", WANTED)
    made = await queued(site)
    assert (await looks.look(made)).blocked == (Block.QUEUED,)
    await site.forge.queue(site.name, made.number, "leave", user="ann")
    seen = await looks.look(made)
    assert (seen.findings, seen.blocked) == ((), ("auto-merge is not set: ann has turned it off",))
    assert not await is_queued(site)


async def test_a_push_and_a_merge_are_none(site: Site, looks: Looks) -> None:
    made = await queued(site)
    await looks.look(made)
    new = site.commit("work", {"more.py": "1\n"})
    now = made.model_copy(update={"head": new})
    assert (await looks.look(now)).standing == ()
    await site.forge.queue(site.name, made.number, "enter")
    await site.forge.queue(site.name, made.number, "merge")
    assert (await looks.look(now)).pull_request.state is PullRequestState.MERGED


async def test_what_lacks_nothing_is_put_into_the_queue_and_again_once_it_is_mended(site: Site, looks: Looks) -> None:
    site.commit("main", WANTED)
    await site.forge.change_repository(site.name, queue_of=["main"])
    made = await site.opened()
    await looks.look(made)
    assert await is_queued(site)
    await site.forge.forget_requests()
    assert (await looks.look(made)).blocked == (Block.QUEUED,)
    assert await site.asked("GET", "/events") == 0, "it waits: there is nothing to ask for"
    await ejected(site, made, "unit")
    assert (await looks.look(made)).findings
    assert not await is_queued(site), "what has failed has to be mended first"
    new = site.commit("work", {"more.py": "1\n"})
    assert (await looks.look(made.model_copy(update={"head": new}))).blocked == ()
    assert await is_queued(site)


async def test_it_is_put_in_so_often_and_no_more(site: Site, looks: Looks) -> None:
    await site.forge.change_repository(site.name, queue_of=["main"])
    made = await site.opened()
    for _ in range(MOST_TRIES):
        assert await site.adapter.merge_when_ready(made, MergeMethod.SQUASH) == ""
        assert await site.adapter.merge_when_ready(made, MergeMethod.SQUASH) == "", "it waits there"
        await ejected(site, made)
    said = await site.adapter.merge_when_ready(made, MergeMethod.SQUASH)
    assert said == f"the merge queue has put it out {MOST_TRIES} times"
    assert not await is_queued(site)


async def test_a_token_that_may_not_see_the_runs_of_actions_is_told_of_other_checks(site: Site, looks: Looks) -> None:
    made = await queued(site)
    await site.forge.set_check(site.name, ref=group(site), name="lint", conclusion="failure", app="another-ci")
    await ejected(site, made, "unit")
    await site.forge.fail("forbidden", method="GET", path="actions/runs", times=20)
    assert only(await looks.look(made)).title == "merge queue: lint: failure", "the event names the commit"
    await site.forge.clear_failures()
