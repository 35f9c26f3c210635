"""GitHub's own command line, unchanged, against the fake forge over a socket; what it did is asked of REST."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.forge import ForgeUnderTest, Person, forge_under_test

pytestmark = pytest.mark.usefixtures("gh")


async def gh(forge: ForgeUnderTest, folder: Path, *args: str) -> str:
    """The output of `gh` on the repository, which has to succeed."""
    code, output, errors = await run_gh(forge, folder, *args, "--repo", "acme/shop")
    assert code == 0, f"{args}: {errors}"
    return output


async def run_gh(
    forge: ForgeUnderTest, folder: Path, *args: str, token: str = ""
) -> tuple[int | None, str, str]:  # fmt: skip
    """What `gh` says that knows no host but the forge's socket; `token`: another person's."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "config.yml").write_text(f"http_unix_socket: {forge.unix_socket}\n")
    who = {"GH_HOST": "github.localhost", "GH_TOKEN": token or forge.token}
    own = {"HOME": str(folder), "GH_CONFIG_DIR": str(config), **who}
    env = {"PATH": os.environ["PATH"], **own, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        "gh", *args, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[ForgeUnderTest]:
    """A forge with acme/shop, whose branches `feature` and `other` are ahead of `main` and `stable`."""
    async with forge_under_test(tmp_path / "forge", unix_socket=tmp_path / "gh.sock") as forge:
        await forge.make_repository("acme", "shop")
        await forge.add_token("anns", "ann")
        ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))
        await ann.commit("main", {"README": "one\n"})
        await ann.git("push", "--quiet", "origin", "HEAD:refs/heads/stable")
        await ann.commit("feature", {"a": "1\n"}, onto="main")
        await ann.commit("other", {"b": "1\n"}, onto="main")
        yield forge


async def told(forge: ForgeUnderTest, path: str, token: str | None = None) -> Any:
    """What REST says, which is another way to the same records."""
    async with forge.rest(token) as client:
        answer = await client.get(f"/repos/acme/shop/{path}")
        assert answer.is_success, answer.text
        return answer.json()


def names(found: list[dict[str, Any]], field: str) -> list[Any]:
    return [each[field] for each in found]


async def test_gh_knows_who_it_is(shop: ForgeUnderTest, tmp_path: Path) -> None:
    code, output, errors = await run_gh(shop, tmp_path, "auth", "status")
    assert (code, "Logged in to github.localhost as makima" in output + errors) == (0, True), output + errors
    code, output, _ = await run_gh(shop, tmp_path, "api", "user", token="anns")
    assert (code, json.loads(output)["login"]) == (0, "ann")
    code, _, errors = await run_gh(shop, tmp_path, "api", "user", token="nobodys")
    assert (code, "Bad credentials" in errors) == (1, True), errors


async def test_gh_opens_and_edits_a_pull_request(shop: ForgeUnderTest, tmp_path: Path) -> None:
    issue = await shop.open_issue("acme/shop", user="ben", title="Broken")
    await shop.change_issue("acme/shop", issue["number"], user="ben", label="bug")
    wanted = ("--head", "feature", "--base", "main", "--title", "Add login", "--body", "For users.")
    opened = await gh(shop, tmp_path, "pr", "create", *wanted, "--draft")
    assert opened == f"{shop.url}/acme/shop/pull/2\n"
    made = await told(shop, "pulls/2")
    assert (made["title"], made["body"], made["draft"], made["user"]["login"]) == (
        "Add login", "For users.", True, "makima",
    )  # fmt: skip
    assert (made["head"]["ref"], made["base"]["ref"]) == ("feature", "main")
    people = ("--label", "bug", "--reviewer", "ann", "--assignee", "ben")
    code, _, errors = await run_gh(shop, tmp_path, "pr", "create", *wanted, *people, "--repo", "acme/shop")
    assert (code, "already exists" in errors) == (1, True), errors
    second = ("--head", "other", "--base", "main", "--title", "Other", "--body", "")
    await gh(shop, tmp_path, "pr", "create", *second, *people)
    furnished = await told(shop, "pulls/3")
    assert [names(furnished[each], "login") for each in ("requested_reviewers", "assignees")] == [["ann"], ["ben"]]
    assert names(furnished["labels"], "name") == ["bug"]
    code, _, errors = await run_gh(
        shop, tmp_path, "pr", "edit", "3", "--add-label", "no-such", "--repo", "acme/shop"
    )  # fmt: skip
    assert (code, "'no-such' not found" in errors) == (1, True), errors

    await gh(shop, tmp_path, "pr", "edit", "2", "--title", "Add the login", "--body", "For all.", "--base", "stable")
    await gh(shop, tmp_path, "pr", "edit", "2", "--add-label", "bug", "--add-reviewer", "ben", "--add-assignee", "ann")
    await gh(shop, tmp_path, "pr", "edit", "3", "--remove-label", "bug", "--remove-reviewer", "ann")
    changed, emptied = await told(shop, "pulls/2"), await told(shop, "pulls/3")
    assert (changed["title"], changed["body"], changed["base"]["ref"]) == ("Add the login", "For all.", "stable")
    assert names(changed["labels"], "name") == ["bug"]
    assert [names(changed[each], "login") for each in ("requested_reviewers", "assignees")] == [["ben"], ["ann"]]
    assert (emptied["labels"], emptied["requested_reviewers"]) == ([], [])
    seen = json.loads(await gh(shop, tmp_path, "pr", "view", "2", "--json", "labels,assignees,reviewRequests,isDraft"))
    assert names(seen["labels"], "name") == ["bug"] and names(seen["assignees"], "login") == ["ann"]
    assert (names(seen["reviewRequests"], "login"), seen["isDraft"]) == (["ben"], True)


async def test_gh_comments_and_reviews_and_nobody_approves_their_own(shop: ForgeUnderTest, tmp_path: Path) -> None:
    await gh(shop, tmp_path, "pr", "create", "--head", "feature", "--base", "main", "--title", "Mine", "--body", "")
    where = await gh(shop, tmp_path, "pr", "comment", "1", "--body", "Have a look.")
    (comment,) = await told(shop, "issues/1/comments")
    assert (where.strip(), comment["body"], comment["user"]["login"]) == (
        comment["html_url"], "Have a look.", "makima",
    )  # fmt: skip

    for event, act in (("--approve", "approve"), ("--request-changes", "request changes on")):
        code, _, errors = await run_gh(
            shop, tmp_path, "pr", "review", "1", event, "--body", "Fine.", "--repo", "acme/shop"
        )  # fmt: skip
        assert (code, f"Can not {act} your own pull request" in errors) == (1, True), errors
    async with shop.rest() as client:
        answer = await client.post("/repos/acme/shop/pulls/1/reviews", json={"event": "APPROVE", "body": "Fine."})
    assert (answer.status_code, answer.json()["errors"]) == (422, ["Can not approve your own pull request"])
    assert await told(shop, "pulls/1/reviews") == []

    await gh(shop, tmp_path, "pr", "review", "1", "--comment", "--body", "Not sure.")
    for event in ("--request-changes", "--approve"):
        code, _, errors = await run_gh(
            shop, tmp_path, "pr", "review", "1", event, "--body", event, "--repo", "acme/shop", token="anns"
        )  # fmt: skip
        assert code == 0, errors
    reviews = [(each["user"]["login"], each["state"], each["body"]) for each in await told(shop, "pulls/1/reviews")]
    assert reviews == [
        ("makima", "COMMENTED", "Not sure."),
        ("ann", "CHANGES_REQUESTED", "--request-changes"),
        ("ann", "APPROVED", "--approve"),
    ]


async def test_gh_closes_and_reopens_and_shows_what_concerns_one(shop: ForgeUnderTest, tmp_path: Path) -> None:
    for head, title in (("feature", "Mine"), ("other", "Other")):
        await gh(shop, tmp_path, "pr", "create", "--head", head, "--base", "main", "--title", title, "--body", "")
    await gh(shop, tmp_path, "pr", "edit", "2", "--add-reviewer", "ann")
    await gh(shop, tmp_path, "pr", "close", "1", "--comment", "Not now.")
    assert (await told(shop, "pulls/1"))["state"] == "closed"
    assert names(await told(shop, "issues/1/comments"), "body") == ["Not now."]
    created = json.loads(await gh(shop, tmp_path, "pr", "status", "--json", "number"))["createdBy"]
    assert names(created, "number") == [2], "a closed one concerns nobody"
    await gh(shop, tmp_path, "pr", "reopen", "1")
    assert (await told(shop, "pulls/1"))["state"] == "open"

    status = json.loads(await gh(shop, tmp_path, "pr", "status", "--json", "number,title"))
    assert [names(status[each], "number") for each in ("createdBy", "needsReview")] == [[2, 1], []]
    code, output, errors = await run_gh(
        shop, tmp_path, "pr", "status", "--json", "number", "--repo", "acme/shop", token="anns"
    )  # fmt: skip
    assert code == 0, errors
    assert [names(json.loads(output)[each], "number") for each in ("createdBy", "needsReview")] == [[], [2]]
    assert "#2  Other [other]" in await gh(shop, tmp_path, "pr", "status")


async def test_gh_lists_and_shows_runs_and_lets_the_failed_run_again(shop: ForgeUnderTest, tmp_path: Path) -> None:
    await gh(shop, tmp_path, "pr", "create", "--head", "feature", "--base", "main", "--title", "Mine", "--body", "")
    annotation = {"path": "a", "start_line": 1, "end_line": 1, "message": "a is wrong"}
    failed = await shop.set_check(
        "acme/shop", ref="feature", name="test", conclusion="failure", annotations=[annotation]
    )  # fmt: skip
    await shop.set_check("acme/shop", ref="feature", name="lint", conclusion="success", run=failed["id"])
    listed = json.loads(await gh(shop, tmp_path, "run", "list", "--json", "databaseId,conclusion,headBranch,headSha"))
    head = (await told(shop, "pulls/1"))["head"]["sha"]
    assert [tuple(each.values()) for each in listed] == [("failure", failed["id"], "feature", head)]
    run = str(failed["id"])
    shown = await gh(shop, tmp_path, "run", "view", run)
    assert "X test" in shown and "a is wrong" in shown and "lint" in shown, shown
    seen = json.loads(await gh(shop, tmp_path, "run", "view", run, "--json", "jobs"))
    assert {each["name"]: each["conclusion"] for each in seen["jobs"]} == {"test": "failure", "lint": "success"}

    await gh(shop, tmp_path, "run", "rerun", run, "--failed")
    jobs = (await told(shop, f"actions/runs/{run}/jobs"))["jobs"]
    assert {each["name"]: (each["status"], each["run_attempt"]) for each in jobs} == {
        "test": ("queued", 2),
        "lint": ("completed", 1),
    }
    listed = json.loads(await gh(shop, tmp_path, "run", "list", "--json", "status"))
    assert names(listed, "status") == ["queued"]


async def test_gh_works_on_issues(shop: ForgeUnderTest, tmp_path: Path) -> None:
    first = await shop.open_issue("acme/shop", user="ben", title="Broken", body="It breaks.")
    await shop.change_issue("acme/shop", first["number"], user="ben", label="bug")
    made = await gh(shop, tmp_path, "issue", "create", "--title", "Slow", "--body", "Too slow.", "--label", "bug")
    assert made == f"{shop.url}/acme/shop/issues/2\n"
    listed = json.loads(await gh(shop, tmp_path, "issue", "list", "--json", "number,title,author,labels"))
    assert [(each["number"], each["author"]["login"], names(each["labels"], "name")) for each in listed] == [
        (2, "makima", ["bug"]),
        (1, "ben", ["bug"]),
    ]
    assert "It breaks." in await gh(shop, tmp_path, "issue", "view", "1")
    await gh(shop, tmp_path, "issue", "comment", "1", "--body", "I saw it.")
    assert names(await told(shop, "issues/1/comments"), "body") == ["I saw it."]
    await gh(shop, tmp_path, "issue", "close", "1", "--reason", "not planned")
    assert (await told(shop, "issues/1"))["state"] == "closed"
    seen = json.loads(await gh(shop, tmp_path, "issue", "view", "1", "--json", "state,comments"))
    assert (seen["state"], names(seen["comments"], "body")) == ("CLOSED", ["I saw it."])
    why = await shop.graphql('{repository(owner:"acme",name:"shop"){issue(number:1){stateReason}}}')
    assert why["repository"]["issue"]["stateReason"] == "NOT_PLANNED"
    assert names(json.loads(await gh(shop, tmp_path, "issue", "list", "--json", "number")), "number") == [2]
    await gh(shop, tmp_path, "issue", "reopen", "1")
    assert (await told(shop, "issues/1"))["state"] == "open"


async def test_a_token_that_only_reads_changes_nothing(shop: ForgeUnderTest, tmp_path: Path) -> None:
    await gh(shop, tmp_path, "pr", "create", "--head", "feature", "--base", "main", "--title", "Mine", "--body", "")
    await shop.add_token("reads", "ann", write=False)
    before = await told(shop, "pulls/1")
    for act in (("comment", "--body", "x"), ("review", "--approve"), ("edit", "--title", "x"), ("close",)):
        code, _, errors = await run_gh(
            shop, tmp_path, "pr", act[0], "1", *act[1:], "--repo", "acme/shop", token="reads"
        )  # fmt: skip
        assert (code, "not accessible" in errors) == (1, True), (act, errors)
    assert await told(shop, "pulls/1") == before


async def test_gh_lists_shows_readies_and_merges_a_pull_request(tmp_path: Path) -> None:
    async with forge_under_test(tmp_path / "forge", unix_socket=tmp_path / "gh.sock") as forge:
        await forge.make_repository("acme", "shop")
        ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))
        await ann.commit("main", {"README": "one\n"})
        head = await ann.commit("feature", {"a": "1\n"}, onto="main")
        async with forge.rest() as client:
            wanted = {"title": "Add login", "head": "feature", "base": "main", "body": "For **users**.", "draft": True}
            assert (await client.post("/repos/acme/shop/pulls", json=wanted)).status_code == 201
        await forge.set_check("acme/shop", ref=head, name="test")
        await forge.review("acme/shop", 1, user="ann", state="APPROVED")

        listed = (await gh(forge, tmp_path, "pr", "list")).split("\t")
        assert listed[:4] == ["1", "Add login", "feature", "DRAFT"]
        shown = await gh(forge, tmp_path, "pr", "view", "1")
        assert "title:\tAdd login\n" in shown
        assert "reviewers:\tann (Approved)\n" in shown
        assert f"url:\t{forge.url}/acme/shop/pull/1\n" in shown
        assert shown.endswith("For **users**.\n")
        fields = "state,mergeable,headRefOid,reviewDecision,statusCheckRollup,files,commits"
        seen = json.loads(await gh(forge, tmp_path, "pr", "view", "1", "--json", fields))
        assert (seen["mergeable"], seen["headRefOid"], seen["reviewDecision"]) == ("MERGEABLE", head, "APPROVED")
        assert [each["name"] for each in seen["statusCheckRollup"]] == ["test"]
        assert (await gh(forge, tmp_path, "pr", "checks", "1")).split("\t")[:2] == ["test", "pass"]
        assert "+1" in await gh(forge, tmp_path, "pr", "diff", "1")
        await gh(forge, tmp_path, "pr", "ready", "1")
        await gh(forge, tmp_path, "pr", "merge", "1", "--squash")
        assert await gh(forge, tmp_path, "pr", "list") == ""
        assert json.loads(await gh(forge, tmp_path, "pr", "view", "1", "--json", "state")) == {"state": "MERGED"}


async def test_gh_puts_a_pull_request_into_the_merge_queue(tmp_path: Path) -> None:
    async with forge_under_test(tmp_path / "forge", unix_socket=tmp_path / "gh.sock") as forge:
        await forge.make_repository("acme", "shop")
        await forge.change_repository("acme/shop", queue_of=["main"])
        ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))
        await ann.commit("main", {"README": "one\n"})
        await ann.commit("feature", {"a": "1\n"}, onto="main")
        async with forge.rest() as client:
            wanted = {"title": "Add login", "head": "feature", "base": "main"}
            assert (await client.post("/repos/acme/shop/pulls", json=wanted)).status_code == 201
        await gh(forge, tmp_path, "pr", "merge", "1")
        await forge.queue("acme/shop", 1, "merge")
        assert json.loads(await gh(forge, tmp_path, "pr", "view", "1", "--json", "state")) == {"state": "MERGED"}
