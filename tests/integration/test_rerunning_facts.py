"""What is otherwise about running a check again at GitLab and at Gitea (rule 7.5)."""

from __future__ import annotations

import pytest

from daemon.forges.forge_settings import ForgeKind
from daemon.pull_requests.shepherding import PullRequestShepherd
from tests.fixtures_forges import Site
from tests.integration.test_forges_rerunning import AGAIN, POLICY, failed, newest, runs_again, told
from tests.integration.test_shepherding import shepherd as shepherd

pytestmark = pytest.mark.rule("7.5")
of_gitlab = pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB])
of_gitea = pytest.mark.parametrize("forge_kind", [ForgeKind.GITEA])


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_what_somebody_has_cancelled_is_not_run_again_with_it(shepherd: PullRequestShepherd, site: Site) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    flaky = await failed(site, "e2e")
    await failed(site, "deploy", run=flaky["id"], conclusion="cancelled")
    assert await told(shepherd, site, made) == ["e2e"]
    assert await runs_again(site) == 0


@of_gitea
@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_without_such_an_address_is_asked_once(
    shepherd: PullRequestShepherd, site: Site, status: int
) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "e2e")
    await site.forge.fail("status", method="POST", path=AGAIN, status=status, message="not found", times=9)
    for _ in range(3):
        assert await told(shepherd, site, made) == ["e2e"]
    assert await runs_again(site) == 1


@of_gitlab
async def test_a_pipeline_that_another_one_has_started_is_run_again_alone(
    shepherd: PullRequestShepherd, site: Site
) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="build")
    await failed(site, "e2e", below="child")
    assert await told(shepherd, site, made) == []
    assert await told(shepherd, site, made) == [], "its bridge waits for it"
    assert await runs_again(site) == 1
    await ended_below(site, "e2e", "child")
    assert await told(shepherd, site, made) == ["e2e"]
    assert await runs_again(site) == 1


@of_gitlab
async def test_beside_a_pipeline_that_it_would_start_anew_none_is_run_again(
    shepherd: PullRequestShepherd, site: Site
) -> None:
    """Of the new one nobody would know that it is the second."""
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "e2e")
    await failed(site, "unit", below="child")
    assert await told(shepherd, site, made) == ["e2e", "unit"]
    assert await runs_again(site) == 0


@of_gitlab
async def test_one_that_waits_for_a_person_is_not_waited_for(shepherd: PullRequestShepherd, site: Site) -> None:
    site.commit("main", {".makima.toml": POLICY})
    made = await site.opened()
    await failed(site, "unit")
    await failed(site, "deploy", conclusion="action_required")
    assert await told(shepherd, site, made) == ["unit"]


async def ended_below(site: Site, name: str, below: str) -> None:
    again = await newest(site, name)
    fields = {"ref": "work", "name": name, "again": again["id"], "below": below}
    await site.forge.set_check(site.name, **fields, conclusion="failure")
