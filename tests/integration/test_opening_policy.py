"""What a repository wants of its pull requests in `.makima.toml`, at the fake forge (rule 7.4)."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.forges.forge_settings import ForgeKind
from domain.opening_choice import DraftPolicy, OpeningChoice
from domain.pull_request import PullRequestState
from tests.fixtures_forges import KINDS, Site
from tests.integration.completions import BRANCH, Completions, head
from tests.integration.test_completion_github import at_forge as at_forge

pytestmark = pytest.mark.rule("7.4")
NO_AGENT = "exit 9"
POLICY = """
[pull_request]
labels = ["bot", "a b/c", "mispelled"]
reviewers = ["ann", "nobody", "acme/core", "acme/none"]
assignees = ["Ben", "stranger"]
milestone = "1.0"
"""


async def pull(site: Site, number: int = 1) -> dict[str, Any]:
    async with site.forge.rest() as client:
        told: dict[str, Any] = (await client.get(f"/repos/{site.name}/pulls/{number}")).json()
    return told


async def test_what_the_base_branch_wants_is_given_once_and_what_the_forge_lacks_is_told(
    at_forge: Completions, site: Site
) -> None:
    known = {"labels": ["bot", "a b/c"], "teams": ["core"], "milestones": ["0.9", "1.0"]}
    await site.forge.change_repository(site.name, **known)
    site.commit("main", {".makima.toml": POLICY})
    walls = site.commit("walls", {"walls": "w\n", ".makima.toml": '[pull_request]\nlabels = ["evil"]\n'}, parent="main")
    await site.forge.fail("server_error", method="POST", path="/labels$")
    await site.forge.fail("acted_then_cut", method="POST", path="/assignees$")
    done = await at_forge.does(NO_AGENT, [head("Walls", walls)])
    made = await pull(site)
    assert [each["name"] for each in made["labels"]] == ["bot", "a b/c"]
    assert [each["login"] for each in made["requested_reviewers"]] == ["ann"]
    assert [each["slug"] for each in made["requested_teams"]] == ["core"]
    assert [each["login"] for each in made["assignees"]] == ["Ben"]
    assert (made["milestone"]["title"], made["draft"]) == ("1.0", False)
    told = [each.removeprefix("the pull request was opened without ") for each in done.warnings]
    assert [each.split(":")[0] for each in told] == [
        "label 'mispelled'", "reviewer 'nobody'", "reviewer 'acme/none'", "assignee 'stranger'"
    ]  # fmt: skip

    async with site.forge.rest() as client:
        await client.delete(f"/repos/{site.name}/issues/1/labels/bot")
    further = await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent=walls))])
    assert further.shipped and further.shipped.pull_request.number == 1
    assert [each["name"] for each in (await pull(site))["labels"]] == ["a b/c"]
    assert further.warnings == ()


@pytest.mark.parametrize("forge_kind", KINDS)
async def test_what_was_said_at_the_start_is_given_in_its_place(at_forge: Completions, site: Site) -> None:
    await site.forge.change_repository(site.name, labels=["bot", "mine"], milestones=["1.0", "2.0"])
    site.commit("main", {".makima.toml": '[pull_request]\nlabels = ["bot"]\nmilestone = "1.0"\ndraft = "never"\n'})
    at_forge.opening = OpeningChoice(labels=("mine",), reviewers=("ann",), draft=DraftPolicy.ALWAYS)
    walls = site.commit("walls", {"walls": "w\n"}, parent="refs/heads/main")
    done = await at_forge.does(NO_AGENT, [head("Walls", walls)])
    assert done.warnings == ()
    made = await pull(site)
    assert [each["name"] for each in made["labels"]] == ["mine"]
    assert [each["login"] for each in made["requested_reviewers"]] == ["ann"]
    assert (made["milestone"]["title"], made["draft"]) == ("1.0", True)


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB])
async def test_at_gitlab_the_same_is_given_as_far_as_its_free_edition_takes_it(
    at_forge: Completions, site: Site
) -> None:
    await site.forge.change_repository(site.name, labels=["bot", "a b/c"], milestones=["0.9", "1.0"])
    site.commit("main", {".makima.toml": POLICY.replace('"nobody"', '"ben"')})
    walls = site.commit("walls", {"walls": "w\n", ".makima.toml": '[pull_request]\nlabels = ["evil"]\n'}, parent="main")
    await site.forge.fail("acted_then_cut", method="PUT", path="/merge_requests/1$")
    done = await at_forge.does(NO_AGENT, [head("Walls", walls)])
    made = await pull(site)
    assert [each["name"] for each in made["labels"]] == ["bot", "a b/c"]
    assert [each["login"] for each in made["requested_reviewers"]] == ["ann"]
    assert [each["login"] for each in made["assignees"]] == ["ben"]
    assert made["milestone"]["title"] == "1.0"
    assert [each.removeprefix("the pull request was opened without ") for each in done.warnings] == [
        "label 'mispelled': the project has none of that name",
        "reviewer 'acme/core': GitLab asks people, not teams, for reviews",
        "reviewer 'acme/none': GitLab asks people, not teams, for reviews",
        "reviewer 'ben': GitLab doesn't take them",
        "assignee 'stranger': GitLab doesn't take them",
    ]
    async with site.forge.rest() as client:
        known = {each["name"] for each in (await client.get(f"/repos/{site.name}/issues/1")).json()["labels"]}
    assert "mispelled" not in known

    async with site.forge.rest() as client:
        await client.delete(f"/repos/{site.name}/issues/1/labels/bot")
    further = await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent=walls))])
    assert further.shipped and further.shipped.pull_request.number == 1
    assert [each["name"] for each in (await pull(site))["labels"]] == ["a b/c"], "it is given once"


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITEA])
async def test_at_gitea_the_same_is_given_once_and_what_it_lacks_is_told(at_forge: Completions, site: Site) -> None:
    known = {"labels": ["bot", "a b/c"], "teams": ["core"], "milestones": ["1.0.1", "1.0"]}
    await site.forge.change_repository(site.name, **known)
    site.commit("main", {".makima.toml": POLICY})
    walls = site.commit("walls", {"walls": "w\n", ".makima.toml": '[pull_request]\nlabels = ["evil"]\n'}, parent="main")
    await site.forge.fail("server_error", method="PATCH", path="/pulls/1$")
    await site.forge.fail("acted_then_cut", method="POST", path="/requested_reviewers$")
    done = await at_forge.does(NO_AGENT, [head("Walls", walls)])
    made = await pull(site)
    assert [each["name"] for each in made["labels"]] == ["bot", "a b/c"]
    assert [each["login"] for each in made["requested_reviewers"]] == ["ann"]
    assert [each["slug"] for each in made["requested_teams"]] == ["core"]
    assert [each["login"] for each in made["assignees"]] == ["Ben"]
    assert (made["milestone"]["title"], made["draft"]) == ("1.0", False)
    assert [each.removeprefix("the pull request was opened without ") for each in done.warnings] == [
        "label 'mispelled': the repository has none of that name",
        "reviewer 'nobody': nobody can not be reviewer here",
        "reviewer 'acme/none': Team 'none' not exist",
        "assignee 'stranger': stranger can not be assignee here",
    ]
    async with site.forge.rest() as client:
        await client.delete(f"/repos/{site.name}/issues/1/labels/bot")
    further = await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent=walls))])
    assert further.shipped and further.shipped.pull_request.number == 1
    assert [each["name"] for each in (await pull(site))["labels"]] == ["a b/c"], "it is given once"


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITEA])
async def test_what_gitea_refuses_is_told_and_the_pull_request_is_open(at_forge: Completions, site: Site) -> None:
    site.commit("main", {".makima.toml": '[pull_request]\nmilestone = "2.0"\nlabels = ["bot"]\n'})
    await site.forge.fail("status", status=403, message="No.", path="/labels")
    done = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert done.shipped and done.shipped.pull_request.state is PullRequestState.OPEN
    labels, milestone = done.warnings
    assert labels.endswith("without its labels: No.") and "'2.0': no open one" in milestone


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB])
async def test_what_gitlab_refuses_is_told_and_the_merge_request_is_open(at_forge: Completions, site: Site) -> None:
    site.commit("main", {".makima.toml": '[pull_request]\nmilestone = "2.0"\nlabels = ["bot"]\n'})
    await site.forge.fail("forbidden", path="/labels")
    done = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert done.shipped and done.shipped.pull_request.state is PullRequestState.OPEN
    labels, milestone = done.warnings
    assert "without its labels" in labels and "'2.0': no active one" in milestone


async def test_a_milestone_that_is_not_there_and_a_refused_token_are_told_and_the_pull_request_is_open(
    at_forge: Completions, site: Site
) -> None:
    site.commit("main", {".makima.toml": '[pull_request]\nmilestone = "2.0"\nassignees = ["ann"]\n'})
    await site.forge.fail("forbidden", method="POST", path="/assignees$")
    done = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert done.shipped and done.shipped.pull_request.state is PullRequestState.OPEN
    assignees, milestone = done.warnings
    assert "Resource not accessible" in assignees and "'2.0': no open one" in milestone


async def test_nothing_is_asked_of_the_forge_for_a_repository_that_wants_nothing(
    at_forge: Completions, site: Site
) -> None:
    done = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert done.shipped and done.warnings == ()
    assert await site.asked(path="(labels|assignees|milestones|requested_reviewers)") == 0


async def test_one_that_a_person_has_opened_from_the_branch_is_theirs_to_label(
    at_forge: Completions, site: Site
) -> None:
    await site.forge.change_repository(site.name, labels=["bot"])
    site.commit("main", {".makima.toml": '[pull_request]\nlabels = ["bot"]\n'})
    site.commit(BRANCH, {"floor": "f\n"}, parent="main")
    await site.forge.add_token("anns", "ann")
    async with site.forge.rest("anns") as client:
        mine = {"title": "Mine", "head": BRANCH, "base": "main"}
        assert (await client.post(f"/repos/{site.name}/pulls", json=mine)).is_success
    done = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert done.shipped and done.shipped.pull_request.number == 1
    assert (await pull(site))["labels"] == []


@pytest.mark.parametrize(("policy", "is_draft"), [("always", True), ("never", False), ("unfinished", False)])
async def test_the_repository_says_whether_they_begin_as_drafts(
    at_forge: Completions, site: Site, policy: str, is_draft: bool
) -> None:
    site.commit("main", {".makima.toml": f'[pull_request]\ndraft = "{policy}"\n'})
    walls = site.commit("walls", {"walls": "w\n"}, parent="main")
    done = await at_forge.does(NO_AGENT, [head("Walls", walls)])
    assert done.shipped and (await pull(site))["draft"] is is_draft
    await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent=walls))])
    assert (await pull(site))["draft"] is is_draft


async def test_one_that_a_person_has_made_ready_stays_so_whatever_the_repository_begins_with(
    at_forge: Completions, site: Site
) -> None:
    site.commit("main", {".makima.toml": '[pull_request]\ndraft = "always"\n'})
    walls = site.commit("walls", {"walls": "w\n"}, parent="main")
    await at_forge.does(NO_AGENT, [head("Walls", walls)])
    made = await pull(site)
    assert made["draft"]
    which = f'input: {{pullRequestId: "{made["node_id"]}"}}'
    await site.forge.graphql(f"mutation {{ markPullRequestReadyForReview({which}) {{ clientMutationId }} }}")
    await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent=walls))])
    assert not (await pull(site))["draft"]
