"""A check that looks flaky is run once more before work is made of it (rule 7.5), at every forge."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.pull_requests.shepherding import PullRequestShepherd
from domain.pull_request import PullRequest
from tests.fixtures_forges import KINDS, Site
from tests.integration.test_shepherding import shepherd as shepherd
from tests.integration.test_shepherding import watch

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", KINDS)]
POLICY = '[pull_request]\nflaky = ["e2e*"]\n'
AGAIN = r"(/rerun-failed-jobs|/pipelines/\d+/retry)$"


async def told(shepherd: PullRequestShepherd, site: Site, made: PullRequest) -> list[str]:
    """The names of the failed checks that work is made of."""
    news = await shepherd.look(watch(site, made))
    return sorted(each.partition(":")[0] for each in news.failing) if news else []


async def failed(site: Site, name: str, ref: str = "work", **fields: object) -> dict[str, Any]:
    return await site.forge.set_check(site.name, ref=ref, name=name, **{"conclusion": "failure", **fields})


async def ended(site: Site, name: str, conclusion: str, ref: str = "work") -> None:
    """What was run again has ended."""
    again = await newest(site, name, ref)
    await site.forge.set_check(site.name, ref=ref, name=name, again=again["id"], conclusion=conclusion)


async def runs_again(site: Site) -> int:
    return len(await site.forge.requests(method="POST", path=f"{site.name}.*{AGAIN}"))


async def newest(site: Site, name: str, ref: str = "work") -> dict[str, Any]:
    async with site.forge.rest() as client:
        runs = (await client.get(f"/repos/{site.name}/commits/{ref}/check-runs")).json()["check_runs"]
    return next(each for each in runs if each["name"] == name)


@pytest.mark.shows("what looks flaky is run once more before work is made of it")
async def test_a_check_that_is_named_flaky_is_run_again_once_and_becomes_work_if_it_fails_then(
    shepherd: PullRequestShepherd, site: Site
) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    check = await failed(site, "e2e (chrome)")
    assert await told(shepherd, site, made) == []
    again = await newest(site, "e2e (chrome)")
    assert (again["status"], again["id"] != check["id"]) == ("queued", True)
    assert await told(shepherd, site, made) == [], "it runs"
    await ended(site, "e2e (chrome)", "failure")
    assert await told(shepherd, site, made) == ["e2e (chrome)"]
    assert await runs_again(site) == 1
    site.commit("work", {"more.py": "2\n"})
    await failed(site, "e2e (chrome)")
    assert await told(shepherd, site, made) == []
    assert await runs_again(site) == 2, "once for each head"


async def test_one_that_passes_then_was_no_work(shepherd: PullRequestShepherd, site: Site) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "e2e")
    assert await told(shepherd, site, made) == []
    await ended(site, "e2e", "success")
    assert await told(shepherd, site, made) == []


async def test_a_check_that_nothing_calls_flaky_is_work_at_once(shepherd: PullRequestShepherd, site: Site) -> None:
    made = await site.opened()
    await failed(site, "unit")
    assert await told(shepherd, site, made) == ["unit"]
    assert await runs_again(site) == 0


@pytest.mark.parametrize("branch", ["main", "work"])
async def test_one_that_has_failed_and_passed_on_the_same_commit_before_is_run_again(
    shepherd: PullRequestShepherd, site: Site, branch: str
) -> None:
    made = await site.opened()
    before = await failed(site, "unit", ref=branch)
    async with site.forge.rest() as client:
        await client.post(f"/repos/{site.name}/actions/runs/{before['id']}/rerun-failed-jobs")
    await ended(site, "unit", "success", branch)
    if branch == "work":
        site.commit("work", {"more.py": "2\n"})
    await site.forge.forget_requests()
    await failed(site, "unit")
    assert await told(shepherd, site, made) == []
    assert await runs_again(site) == 1
    await failed(site, "lint")
    assert await told(shepherd, site, made) == ["lint"]


async def test_what_passes_on_another_commit_is_not_flaky_for_that(shepherd: PullRequestShepherd, site: Site) -> None:
    """That is what a broken change looks like."""
    made = await site.opened()
    await site.forge.set_check(site.name, ref="main", name="unit")
    await failed(site, "unit")
    assert await told(shepherd, site, made) == ["unit"]
    assert await runs_again(site) == 0


@pytest.mark.parametrize("between", [0, 100])
async def test_what_is_really_broken_in_the_same_run_is_not_held_up(
    shepherd: PullRequestShepherd, site: Site, between: int
) -> None:
    """Also behind a full page of other jobs."""
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    flaky = await failed(site, "e2e")
    for number in range(between):
        await site.forge.set_check(site.name, ref="work", name=f"passes {number}", run=flaky["id"])
    await failed(site, "unit", run=flaky["id"])
    assert await told(shepherd, site, made) == ["e2e", "unit"]
    assert await runs_again(site) == 0


async def test_while_its_run_goes_on_it_is_waited_for(shepherd: PullRequestShepherd, site: Site) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    flaky = await failed(site, "e2e")
    slow = await site.forge.set_check(site.name, ref="work", name="slow", status="in_progress", run=flaky["id"])
    assert await told(shepherd, site, made) == []
    assert await runs_again(site) == 0, "it is taken only once all of it has ended"
    await site.forge.set_check(site.name, ref="work", name="slow", again=slow["id"], conclusion="success")
    assert await told(shepherd, site, made) == []
    assert await runs_again(site) == 1


@pytest.mark.parametrize("kind", ["forbidden", "acted_then_cut"])
async def test_where_the_forge_does_not_run_it_again_it_is_work_and_a_lost_answer_is_none(
    shepherd: PullRequestShepherd, site: Site, kind: str
) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    check = await failed(site, "e2e")
    await site.forge.fail(kind, method="POST", path=AGAIN)
    assert await told(shepherd, site, made) == ([] if kind == "acted_then_cut" else ["e2e"])
    async with site.forge.rest() as client:
        asked = f"/repos/{site.name}/actions/runs/{check['id']}/jobs?filter=all"
        jobs = (await client.get(asked)).json()["jobs"]
    assert len(jobs) == (2 if kind == "acted_then_cut" else 1), "once"


async def test_the_repository_may_want_none_run_again_and_an_agent_cannot_name_any(
    shepherd: PullRequestShepherd, site: Site
) -> None:
    site.commit("work", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "e2e")
    assert await told(shepherd, site, made) == ["e2e"], "the base branch names none"
    site.commit("main", {".makima.toml": f"{POLICY}rerun = false\n"})
    assert await told(shepherd, site, made) == ["e2e"]
    assert await runs_again(site) == 0


async def test_a_forks_run_is_left_alone(shepherd: PullRequestShepherd, site: Site) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "e2e", head_repository="mallory/shop")
    assert await told(shepherd, site, made) == []
    assert await runs_again(site) == 0
