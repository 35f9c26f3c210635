"""A directive's pull requests on the fake forge, over its http and by the real adapters (rule 7)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.forges.forge_settings import ForgeKind
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.pull_request import PullRequestState
from domain.questions import AGAIN
from domain.spawn_task import CommandContext, OutcomeStatus
from tests.fixtures_forges import Site
from tests.integration.completions import BRANCH, NEXT, THIRD, Completions, head
from tests.integration.deliveries import OneDaemon
from tests.integration.test_completion_shipping import answer, only_question

GitCommand = Callable[..., str]
NO_AGENT = "exit 9"


@pytest_asyncio.fixture
async def at_forge(tmp_path: Path, site: Site, git: GitCommand) -> Completions:
    """A daemon whose machine may push there."""
    url = site.forge.url_with(site.name).removesuffix(f"{site.name}.git")
    (tmp_path / ".gitconfig").write_text(f'[url "{url}"]\n\tinsteadOf = {site.forge.url}/\n')
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    own = Git(tmp_path / "daemon", environ, allow_local=False)
    await own.prepare()
    daemon = OneDaemon(tmp_path, Repositories(own, tmp_path / "daemon" / "caches"), site.repository.path)
    daemon.more["forges"] = site.forges
    return Completions(daemon, site.repository.path, git, repository=site.repository.clone_url)


WORDS = {ForgeKind.GITHUB: ("pulls", "pull"), ForgeKind.GITLAB: ("merge_requests", "-/merge_requests")}
"""What a pull request is called in the API, and on the pages."""


GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA
SIGNED = "Commits must have verified signatures."
REFUSED = [
    (GITHUB, "github_protection", "(protected branch hook declined): GH006: Protected branch update failed for "
     f"refs/heads/{BRANCH}. {SIGNED}"),
    (GITHUB, "github_ruleset", "(push declined due to repository rule violations): GH013: Repository rule violations "
     f"found for refs/heads/{BRANCH}. Review all repository rules at "),
    (GITLAB, "gitlab", "(pre-receive hook declined): GitLab: You are not allowed to push code to protected branches"),
    (GITEA, "gitea", f"(pre-receive hook declined): Gitea: Not allowed to push to protected branch {BRANCH}"),
    (GITEA, "forgejo", f"(pre-receive hook declined): Forgejo: Not allowed to push to protected branch {BRANCH}"),
]  # fmt: skip


@pytest.mark.parametrize(("forge_kind", "rule", "words"), REFUSED, ids=[f"{kind}-{rule}" for kind, rule, _ in REFUSED])
@pytest.mark.rule("7.3")
async def test_a_rule_of_the_branch_is_a_question_in_its_own_words_and_tried_again_once_it_is_gone(
    at_forge: Completions, site: Site, rule: str, words: str
) -> None:
    rules = [{"branches": "makima/directive-*", "kind": rule, "text": SIGNED}]
    parent, number = "main", 0
    for name in ("walls", "roof"):  # the first push makes the branch and its pull request, the next one finds both
        parent, number = site.commit(name, {name: "1\n"}, parent=parent), number + 1
        await site.forge.change_repository(site.name, push_rules=rules)
        first = only_question(await at_forge.does(NO_AGENT, [head(name, parent)]))
        assert words in first.text and (SIGNED in first.text) is (site.kind is GITHUB), first.text
        assert first.choices == (AGAIN,)
        assert (BRANCH in at_forge.branches()) is (number > 1)
        told = [answer(first, AGAIN)]
        again = only_question(await at_forge.delivered(NO_AGENT, context=CommandContext(answers=tuple(told))))
        assert again.id != first.id
        await site.forge.change_repository(site.name, push_rules=[])
        told.append(answer(again, AGAIN))
        done = await at_forge.delivered(NO_AGENT, context=CommandContext(answers=tuple(told)))
        assert done.shipped and done.work, done.failure
        assert (done.shipped.pull_request.number, done.shipped.pull_request.head) == (1, done.work.head)
    assert at_forge.news() == {"walls", "roof"}


@pytest.mark.parametrize("forge_kind", WORDS)
@pytest.mark.rule("7.2")
@pytest.mark.rule("7.3")
async def test_three_pull_requests_merged_in_three_ways_each_hold_only_what_is_new(
    at_forge: Completions, site: Site, git: GitCommand
) -> None:
    walls = site.commit("walls", {"walls": "one\ntwo\n"}, parent="main")
    door = site.commit("door", {"walls": "one\ndoor\n"}, parent=walls)
    called, page = WORDS[site.kind]
    await site.forge.fail("acted_then_cut", method="POST", path=rf"{site.name}/{called}$")
    first = await at_forge.does(NO_AGENT, [head("Walls", walls), head("Door", door)])
    assert first.shipped and first.work
    made = first.shipped.pull_request
    assert (made.number, made.branch, made.head, made.state) == (1, BRANCH, first.work.head, PullRequestState.OPEN)
    assert made.url == f"{site.forge.url}/{site.name}/{page}/1"
    await site.merge(1, "rebase")

    site.commit("main", {"walls": "ONE\ndoor\n"})
    roof = site.commit("roof", {"walls": "one\ndoor\nroof\n", "roof": "r\n"}, parent=door)
    second = await at_forge.does(NO_AGENT, [head("Roof", roof)])
    assert second.shipped and second.shipped.over, second.failure
    assert (second.shipped.over[0].number, second.shipped.over[0].head) == (1, first.work.head)
    assert (second.shipped.pull_request.number, second.shipped.pull_request.branch) == (2, NEXT)
    assert await shown(site, 2) == {"roof", "walls"}
    assert git(site.repository.path, "diff", "--numstat", f"main...{NEXT}").split("\n") == ["1\t0\troof", "1\t0\twalls"]
    await site.merge(2, "squash")

    at_forge.bridges = (first.work.head,)
    third = await at_forge.does(NO_AGENT, [head("Garden", site.commit("garden", {"garden": "g\n"}, parent=roof))])
    assert third.shipped and third.shipped.pull_request.branch == THIRD
    assert await shown(site, 3) == {"garden"}
    await site.merge(3, "merge")
    assert at_forge.files("main") == {"README", "garden", "roof", "walls"}


@pytest.mark.rule("7.4")
async def test_a_token_without_the_scope_becomes_a_question_that_names_it(at_forge: Completions, site: Site) -> None:
    await site.forge.fail("forbidden", method="POST", path=rf"{site.name}/pulls$", scope="public_repo")
    waiting = await at_forge.does(NO_AGENT, [head("Walls", site.commit("walls", {"walls": "w\n"}, parent="main"))])
    assert waiting.status is OutcomeStatus.WAITING
    assert "public_repo" in waiting.questions[0].text
    done = await at_forge.delivered(NO_AGENT)
    assert done.shipped and done.shipped.pull_request.number == 1


async def shown(site: Site, number: int) -> set[str]:
    """The files of a pull request, as the forge shows them to people."""
    async with site.forge.rest() as client:
        files = (await client.get(f"/repos/{site.name}/pulls/{number}/files")).json()
    return {file["filename"] for file in files}
