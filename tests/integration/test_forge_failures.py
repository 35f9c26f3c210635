"""Failures by order: each as GitHub answers it, and only for the requests that were named."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.forge import ForgeUnderTest, Person, forge_under_test


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForgeUnderTest]:
    folder = tmp_path_factory.mktemp("forge")
    async with forge_under_test(folder / "data") as forge:
        await forge.make_repository("acme", "shop")
        ann = Person(folder / "ann", forge.url_with("acme/shop"))
        await ann.commit("main", {"README": "one\n"})
        await ann.commit("feature", {"a": "1\n"}, onto="main")
        yield forge


@pytest_asyncio.fixture
async def client(forge: ForgeUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    await forge.forget_requests()
    async with forge.rest() as client:
        yield client
    await forge.clear_failures()


@pytest.mark.parametrize(
    ("kind", "order", "status", "message", "headers"),
    [
        ("bad_credentials", {}, 401, "Bad credentials", {}),
        ("forbidden", {"scope": "workflow"}, 403, "not accessible", {"X-Accepted-OAuth-Scopes": "workflow"}),
        ("rate_limit", {}, 403, "rate limit exceeded", {"X-RateLimit-Remaining": "0"}),
        ("secondary_rate_limit", {"seconds": 7}, 403, "secondary rate limit", {"Retry-After": "7"}),
        ("too_many_requests", {"seconds": 3}, 429, "Too many", {"Retry-After": "3"}),
        ("invalid", {"message": "Draft pull requests are not supported"}, 422, "Draft pull requests", {}),
        ("server_error", {"status": 503}, 503, "503", {"Content-Type": "text/html; charset=utf-8"}),
        ("status", {"status": 409, "message": "Git Repository is empty."}, 409, "is empty", {}),
    ],
)
async def test_each_failure_answers_as_github_does_and_changes_nothing(
    forge: ForgeUnderTest,
    client: httpx.AsyncClient,
    kind: str,
    order: dict[str, object],
    status: int,
    message: str,
    headers: dict[str, str],
) -> None:
    await forge.fail(kind, method="POST", path=r"/pulls$", times=2, **order)
    wanted = {"title": "T", "head": "feature", "base": "main"}
    for _ in range(2):
        assert (await client.get("/repos/acme/shop/pulls?state=all")).json() == []
        answer = await client.post("/repos/acme/shop/pulls", json=wanted)
        assert answer.status_code == status
        assert message in answer.text
        assert {name: answer.headers[name] for name in headers} == headers
    if kind == "rate_limit":
        assert 50 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
    failed = [each.failure for each in await forge.requests(path=r"/pulls$")]
    assert failed == ["", kind, "", kind]
    received = (await forge.requests(method="POST"))[0]
    assert (received.login, '"head":"feature"' in received.body) == ("makima", True)


@pytest.mark.parametrize(
    ("kind", "error"), [("acted_then_silent", httpx.ReadTimeout), ("acted_then_cut", httpx.RemoteProtocolError)]
)
async def test_the_forge_may_act_and_never_answer(
    forge: ForgeUnderTest, client: httpx.AsyncClient, kind: str, error: type[Exception]
) -> None:
    await forge.fail(kind, path="/issues/|/pulls$", method="POST")
    wanted = {"title": kind, "head": "feature", "base": "main"}
    with pytest.raises(error):
        await client.post("/repos/acme/shop/pulls", json=wanted, timeout=1)
    opened = (await client.get("/repos/acme/shop/pulls")).json()
    assert [each["title"] for each in opened] == [kind]
    assert (await client.post("/repos/acme/shop/pulls", json=wanted)).status_code == 422
    (first, _) = await forge.requests(method="POST")
    assert (first.status, first.failure) == (0 if kind == "acted_then_silent" else 200, kind)
    await client.patch(f"/repos/acme/shop/pulls/{opened[0]['number']}", json={"state": "closed"})


async def test_a_push_may_be_acted_upon_and_cut(forge: ForgeUnderTest, tmp_path: Path) -> None:
    ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))
    await ann.commit("pushed", {"b": "1\n"}, onto="main")
    await forge.fail("acted_then_cut", path="/git-receive-pack$")
    code, _, errors = await ann.try_git("push", "origin", "HEAD:refs/makima/outcomes/1/1")
    assert code != 0, errors
    assert "refs/makima/outcomes/1/1" in await ann.git("ls-remote", "origin")


async def test_an_order_that_makes_no_sense_is_refused(forge: ForgeUnderTest) -> None:
    with pytest.raises(AssertionError, match="not a regular expression"):
        await forge.fail("invalid", path="(")
