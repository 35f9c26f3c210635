"""The fake forge's pull requests: their life, and GitHub's words for what can't be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.forge import ForgeRepository, ForgeUnderTest, Person, forge_under_test

Json = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForgeUnderTest]:
    async with forge_under_test(tmp_path_factory.mktemp("forge")) as forge:
        yield forge


@pytest_asyncio.fixture
async def client(forge: ForgeUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    async with forge.rest() as client:
        yield client


class Shop:
    """A repository with one file on `main`, as its people and the API see it."""

    def __init__(self, forge: ForgeUnderTest, repository: ForgeRepository, client: httpx.AsyncClient, ann: Person):
        self.forge = forge
        self.name = repository.full_name
        self.git = repository.path
        self.ann = ann
        self._client = client

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = await self._client.request(method, f"/repos/{self.name}{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def open(self, head: str, **fields: object) -> Json:
        wanted = {"title": f"Add {head}", "head": head, "base": "main", **fields}
        opened: Json = await self.ask("POST", "/pulls", 201, json=wanted)
        return opened

    async def refusal(self, method: str, path: str, status: int, body: Json | None = None) -> str:
        answer: Json = await self.ask(method, path, status, json=body)
        return str(answer["errors"][0].get("message", answer["errors"][0])) if "errors" in answer else answer["message"]

    async def log(self, *what: str) -> list[str]:
        return (await self.ann.git(f"--git-dir={self.git}", "log", "--format=%s", *what)).splitlines()


@pytest_asyncio.fixture
async def shop(forge: ForgeUnderTest, client: httpx.AsyncClient, tmp_path: Path, request: Any) -> Shop:
    repository = await forge.make_repository("acme", f"r{abs(hash(request.node.name))}")
    ann = Person(tmp_path / "ann", forge.url_with(repository.full_name))
    await ann.commit("main", {"README": "one\n"})
    return Shop(forge, repository, client, ann)


async def test_a_pull_request_is_opened_once_and_follows_its_branch(shop: Shop) -> None:
    first = await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    opened = await shop.open("feature", body="because")
    assert (opened["number"], opened["state"], opened["head"]["sha"], opened["commits"]) == (1, "open", first, 1)
    assert (opened["mergeable"], opened["mergeable_state"], opened["merged"]) == (True, "clean", False)
    owner = shop.name.partition("/")[0]
    again = {"title": "x", "head": f"{owner}:feature", "base": "main"}
    assert await shop.refusal("POST", "/pulls", 422, again) == f"A pull request already exists for {owner}:feature."
    second = await shop.ann.commit("feature", {"a": "2\n"})
    read = await shop.ask("GET", "/pulls/1")
    assert (read["head"]["sha"], read["commits"]) == (second, 2)
    assert [each["sha"] for each in await shop.ask("GET", "/pulls/1/commits")] == [first, second]
    changed = await shop.ask("PATCH", "/pulls/1", json={"title": "New", "body": None})
    assert (changed["title"], changed["body"], changed["state"]) == ("New", None, "open")


async def test_what_can_not_be_opened_is_refused_in_githubs_words(shop: Shop) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    for fields, message in (
        ({"head": "main"}, "No commits between main and main"),
        ({"head": "nowhere"}, "'field': 'head'"),
        ({"head": "other:feature"}, "'field': 'head'"),
        ({"base": "nowhere"}, "'field': 'base'"),
        ({"title": " "}, "'code': 'missing_field'"),
        ({"body": "x" * 65_537}, "body is too long (maximum is 65536 characters)"),
    ):
        wanted = {"title": "T", "head": "feature", "base": "main", **fields}
        assert message in await shop.refusal("POST", "/pulls", 422, wanted)
    assert await shop.ask("GET", "/pulls?state=all") == []


@pytest.mark.parametrize(
    ("method", "subjects", "parents"),
    [
        ("merge", ["Merge pull request #1 from acme/feature", "Change b", "Change a", "Change README"], 2),
        ("squash", ["Add feature (#1)", "Change README"], 1),
        ("rebase", ["Change b", "Change a", "Change README"], 1),
    ],
)
async def test_each_method_merges_as_github_does(shop: Shop, method: str, subjects: list[str], parents: int) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    head = await shop.ann.commit("feature", {"b": "1\n"})
    await shop.open("feature")
    done = await shop.ask("PUT", "/pulls/1/merge", json={"merge_method": method, "sha": head})
    assert sorted(await shop.log("main")) == sorted(subjects)
    assert await shop.ann.git(f"--git-dir={shop.git}", "rev-parse", "main") == done["sha"]
    shown = await shop.ann.git(f"--git-dir={shop.git}", "log", "-1", "--format=%P", "main")
    assert len(shown.split()) == parents
    contained = await shop.ann.try_git(f"--git-dir={shop.git}", "merge-base", "--is-ancestor", head, "main")
    assert (contained[0] == 0) == (method == "merge")  # squashed and rebased work leaves no ancestry
    read = await shop.ask("GET", "/pulls/1")
    assert (read["merged"], read["state"], read["merge_commit_sha"], read["head"]["sha"]) == (
        True, "closed", done["sha"], head,
    )  # fmt: skip
    assert read["commits"] == 2
    await shop.ask("GET", "/pulls/1/merge", 204)
    assert await shop.refusal("PUT", "/pulls/1/merge", 405, {}) == "Pull Request is not mergeable"
    assert "is merged" in await shop.refusal("PATCH", "/pulls/1", 422, {"state": "open"})


async def test_a_conflict_is_found_by_git_and_can_not_be_merged(shop: Shop) -> None:
    await shop.ann.commit("feature", {"README": "two\n"}, onto="main")
    opened = await shop.open("feature")
    assert opened["mergeable"] is True
    await shop.ann.commit("main", {"README": "three\n"})
    read = await shop.ask("GET", "/pulls/1")
    assert (read["mergeable"], read["mergeable_state"]) == (False, "dirty")
    for method in ("merge", "squash", "rebase"):
        message = await shop.refusal("PUT", "/pulls/1/merge", 405, {"merge_method": method})
        assert message in ("Pull Request is not mergeable", "This branch can't be rebased")
    assert len(await shop.log("main")) == 2


async def test_a_head_that_has_moved_is_not_merged(shop: Shop) -> None:
    old = await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    await shop.open("feature")
    await shop.ann.commit("feature", {"a": "2\n"})
    message = await shop.refusal("PUT", "/pulls/1/merge", 409, {"sha": old})
    assert message == "Head branch was modified. Review and try the merge again."


async def test_a_merge_by_hand_counts_and_a_deleted_branch_closes(shop: Shop) -> None:
    for name in ("one", "two"):
        await shop.ann.commit(name, {name: "1\n"}, onto="main")
        await shop.open(name)
    await shop.ann.git("push", "--quiet", "origin", "origin/one:main")
    await shop.ask("DELETE", "/git/refs/heads/two", 204)
    one, two = await shop.ask("GET", "/pulls/1"), await shop.ask("GET", "/pulls/2")
    assert (one["merged"], one["state"]) == (True, "closed")
    assert (two["merged"], two["state"]) == (False, "closed")
    assert await shop.ask("GET", "/pulls/2/commits") != []  # its commits stay readable
    assert await shop.refusal("DELETE", "/git/refs/heads/two", 422) == "Reference does not exist"
    await shop.ann.git("push", "--quiet", "origin", "origin/two:refs/heads/two")
    assert (await shop.ask("PATCH", "/pulls/2", json={"state": "open"}))["state"] == "open"


async def test_lists_are_filtered_sorted_and_paged(shop: Shop, client: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await shop.ann.commit(name, {name: "1\n"}, onto="main")
        await shop.open(name)
    await shop.ask("PATCH", "/pulls/2", json={"state": "closed"})

    async def numbers(query: str) -> list[int]:
        return [each["number"] for each in await shop.ask("GET", f"/pulls?{query}")]

    assert await numbers("") == [3, 1]
    assert await numbers("state=all&sort=created&direction=asc") == [1, 2, 3]
    assert await numbers("state=closed&head=acme:two&base=main") == [2]
    assert await numbers("head=acme:two") == []
    assert await numbers("state=all&sort=updated&direction=desc") == [2, 3, 1]
    first = await client.get(f"/repos/{shop.name}/pulls?state=all&per_page=2")
    assert set(first.links) == {"next", "last"}
    second = await client.get(first.links["next"]["url"])
    assert [each["number"] for each in second.json()] == [1]
    assert set(second.links) == {"prev", "first"}


async def test_an_answer_that_has_not_changed_is_not_sent_again(shop: Shop, client: httpx.AsyncClient) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    await shop.open("feature")
    path = f"/repos/{shop.name}/pulls/1"
    first = await client.get(path)
    known = {"If-None-Match": first.headers["ETag"]}
    second = await client.get(path, headers=known)
    assert (second.status_code, second.content) == (304, b"")
    remaining = [int(each.headers["X-RateLimit-Remaining"]) for each in (first, second)]
    assert remaining[0] == remaining[1]  # GitHub counts it not
    assert (await client.get("/rate_limit")).json()["rate"]["remaining"] == remaining[1]
    assert first.headers["X-OAuth-Scopes"] == "repo"
    await shop.ann.commit("feature", {"a": "2\n"})
    assert (await client.get(path, headers=known)).status_code == 200


async def test_checks_statuses_and_logs_belong_to_a_commit(shop: Shop, client: httpx.AsyncClient) -> None:
    sha = await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    await shop.open("feature")
    await shop.forge.set_check(shop.name, ref="feature", name="test", conclusion="success")
    failed = await shop.forge.set_check(
        shop.name, ref=sha, name="test", conclusion="failure", summary="1 failed", text="see the log",
        log="first\nlast\n", steps=[{"name": "Set up"}, {"name": "Run", "conclusion": "failure"}],
        annotations=[{"path": "a", "start_line": 1, "end_line": 1, "message": "wrong"}],
    )  # fmt: skip
    runs = await shop.ask("GET", f"/commits/{sha}/check-runs")
    assert (runs["total_count"], runs["check_runs"][0]["id"]) == (1, failed["id"])  # the latest of a name
    assert runs["check_runs"][0]["output"]["summary"] == "1 failed"
    assert (await shop.ask("GET", f"/check-runs/{failed['id']}/annotations"))[0]["message"] == "wrong"
    job = await shop.ask("GET", f"/actions/jobs/{failed['id']}")
    assert [each["conclusion"] for each in job["steps"]] == ["success", "failure"]
    log = await client.get(f"/repos/{shop.name}/actions/jobs/{failed['id']}/logs", follow_redirects=True)
    assert log.text == "first\nlast\n"
    assert (await shop.ask("GET", "/pulls/1"))["mergeable_state"] == "unstable"
    assert (await shop.ask("GET", "/commits/feature/status"))["state"] == "pending"
    await shop.forge.set_status(shop.name, ref=sha, context="ci", state="error")
    assert (await shop.ask("GET", "/commits/feature/status"))["state"] == "failure"


async def test_people_review_and_are_answered(shop: Shop) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    await shop.open("feature")
    remark = {"path": "a", "line": 1, "body": "why?"}
    review = await shop.forge.review(shop.name, 1, user="ann", state="CHANGES_REQUESTED", body="no", comments=[remark])
    single = await shop.forge.remark(shop.name, 1, user="bob", path="a", body="on the file")
    await shop.forge.comment(shop.name, 1, user="cid", body="hello")
    assert await shop.ask("GET", f"/pulls/1/reviews/{review['id']}") == review
    asked = (await shop.ask("GET", "/pulls/1/comments"))[0]
    assert (asked["pull_request_review_id"], asked["user"]["login"], asked["line"]) == (review["id"], "ann", 1)
    reply = await shop.ask("POST", f"/pulls/1/comments/{asked['id']}/replies", 201, json={"body": "so"})
    await shop.ask("POST", f"/pulls/1/comments/{reply['id']}/replies", 404, json={"body": "and so"})
    into = {"body": "and so", "commit_id": asked["commit_id"], "path": "a", "in_reply_to": reply["id"]}
    nested = await shop.ask("POST", "/pulls/1/comments", 201, json=into)
    assert (reply["in_reply_to_id"], nested["in_reply_to_id"]) == (asked["id"], asked["id"])
    assert reply["user"]["login"] == "makima"
    assert await shop.ask("GET", f"/pulls/comments/{single['id']}") == single
    await shop.ask("POST", "/issues/1/comments", 201, json={"body": "done"})
    assert [each["user"]["login"] for each in await shop.ask("GET", "/issues/1/comments")] == ["cid", "makima"]
    assert (await shop.ask("GET", "/pulls/1"))["review_comments"] == 4


async def test_draft_and_ready_go_through_graphql(shop: Shop, client: httpx.AsyncClient) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    opened = await shop.open("feature", draft=True)
    assert opened["mergeable_state"] == "draft"
    assert await shop.refusal("PUT", "/pulls/1/merge", 405, {}) == "Pull Request is still a draft"
    for name, draft in (("markPullRequestReadyForReview", False), ("convertPullRequestToDraft", True)):
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ pullRequest {{ isDraft }} }} }}"
        variables = {"input": {"pullRequestId": opened["node_id"]}}
        body = {"query": query, "variables": variables}
        answer = (await client.post(f"{shop.forge.url}/api/graphql", json=body)).json()
        assert answer == {"data": {name: {"pullRequest": {"isDraft": draft}}}}
        assert (await shop.ask("GET", "/pulls/1"))["draft"] is draft
    await shop.forge.add_token("ghp_reader", "reader", write=False)
    async with shop.forge.rest("ghp_reader") as reader:
        refused = (await reader.post(f"{shop.forge.url}/graphql", json=body)).json()
    assert refused["errors"][0]["type"] == "FORBIDDEN"


async def test_mergeability_may_take_a_second_look(shop: Shop) -> None:
    await shop.forge.change_repository(shop.name, slow_mergeability=True)
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    opened = await shop.open("feature")
    assert (opened["mergeable"], opened["mergeable_state"]) == (None, "unknown")
    assert (await shop.ask("GET", "/pulls/1"))["mergeable"] is True


async def test_a_caller_without_rights_is_told_which(shop: Shop) -> None:
    await shop.ann.commit("feature", {"a": "1\n"}, onto="main")
    wanted = {"title": "T", "head": "feature", "base": "main"}
    await shop.forge.add_token("ghp_looker", "looker", scopes=["read:org"], write=False)
    for token, status, message in (
        ("", 401, "Requires authentication"),
        ("wrong", 401, "Bad credentials"),
        ("ghp_looker", 403, "Resource not accessible by personal access token"),
    ):
        async with shop.forge.rest(token) as caller:
            answer = await caller.post(f"/repos/{shop.name}/pulls", json=wanted)
            assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert (answer.headers["X-OAuth-Scopes"], answer.headers["X-Accepted-OAuth-Scopes"]) == ("read:org", "repo")
    async with shop.forge.rest("ghp_looker") as caller:
        assert (await caller.get(f"/repos/{shop.name}")).json()["permissions"]["push"] is False
        assert (await caller.get(f"{shop.forge.url}/_control/requests")).status_code == 401


async def test_a_killed_forge_comes_back_with_everything(tmp_path: Path) -> None:
    async with forge_under_test(tmp_path / "forge") as forge:
        await forge.make_repository("acme", "shop")
        ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))
        await ann.commit("main", {"README": "one\n"})
        await ann.commit("feature", {"a": "1\n"}, onto="main")
        async with forge.rest() as client:
            await client.post("/repos/acme/shop/pulls", json={"title": "T", "head": "feature", "base": "main"})
            await forge.set_check("acme/shop", ref="feature", name="test", conclusion="failure", log="x")
            await forge.review("acme/shop", 1, user="ann", state="APPROVED")
            paths = ("pulls/1", "commits/feature/check-runs", "pulls/1/reviews")
            before = [(await client.get(f"/repos/acme/shop/{path}")).json() for path in paths]
            await forge.restart()
            assert [(await client.get(f"/repos/acme/shop/{path}")).json() for path in paths] == before
        second = await ann.commit("feature", {"a": "2\n"})
        async with forge.rest() as client:
            assert (await client.get("/repos/acme/shop/pulls/1")).json()["head"]["sha"] == second
