"""Where GitHub's answers lead elsewhere, and where what answers is no GitHub (rule 7.4); a tiny server plays it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from daemon.forges.audience import NotHeard
from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.forges.look import MOST_REMARKS
from daemon.forges.managed_section import body_of
from daemon.forges.port import Forge
from daemon.forges.registry import Forges
from domain.errors import ForgeRefused
from domain.pull_request import PullRequest
from domain.repository_url import parse_repository_url
from tests.answering import Answerer, Server, answering, serving
from tests.fixtures_forges import QUICK, wanted

pytestmark = pytest.mark.rule("7.4")

KNOWN = PullRequest(branch="work", head="1" * 40, base="main", number=1)
TOKEN = "the-token-of-this-daemon"


@asynccontextmanager
async def github_at(server: Server) -> AsyncIterator[Forge]:
    host = server.url.removeprefix("http://")
    forges = Forges(
        {host: ForgeSettings(kind=ForgeKind.GITHUB, token_env="T", api=server.url)}, {"T": TOKEN}, timings=QUICK
    )
    yield await forges.at(parse_repository_url(f"{server.url}/team/shop.git", allow_local=False))
    await forges.close()


def pull(server: Server, **fields: object) -> dict[str, object]:
    side = {"sha": "1" * 40, "repo": {"full_name": "new/shop"}}
    return {
        "number": 1,
        "node_id": "x",
        "html_url": f"{server.url}/new/shop/pull/1",
        "state": "open",
        "title": "Add login",
        "body": body_of("", "Add login", "Users can log in."),
        "head": {"ref": "work", **side},
        "base": {"ref": "main", **side},
        "mergeable": True,
        **fields,
    }


async def test_a_renamed_repository_is_followed_and_posted_to_by_its_new_name() -> None:
    async with serving() as server, github_at(server) as github:
        server.answers = {
            "/repos/team/shop": lambda _: RedirectResponse(f"{server.url}/repositories/7", 301),
            "/repositories/7": lambda _: JSONResponse({"full_name": "new/shop"}),
            "/repos/new/shop/pulls": lambda asked: (
                JSONResponse(pull(server), 201) if asked.method == "POST" else JSONResponse([])
            ),
        }
        assert (await github.open_or_update(wanted(), "work", "main")).number == 1
        assert ("POST", "/repos/new/shop/pulls", f"Bearer {TOKEN}") in server.asked


async def test_one_renamed_while_we_know_it_is_posted_to_where_it_is_now() -> None:
    async with serving() as server, github_at(server) as github:
        server.answers = {
            "/repos/team/shop": lambda _: JSONResponse({"full_name": "team/shop"}),
            "/repos/team/shop/pulls": lambda asked: (
                RedirectResponse("/repos/new/shop/pulls", 307) if asked.method == "POST" else JSONResponse([])
            ),
            "/repos/new/shop/pulls": lambda _: JSONResponse(pull(server), 201),
        }
        assert (await github.open_or_update(wanted(), "work", "main")).number == 1
        assert server.asked[-1][:2] == ("POST", "/repos/new/shop/pulls")


async def test_one_moved_to_another_owner_while_we_know_it_is_found_there() -> None:
    async with serving() as server, github_at(server) as github:
        moved = False

        def search(asked: Request) -> Response:
            return RedirectResponse("/repositories/7/pulls?" + asked.url.query, 301) if moved else JSONResponse([])

        server.answers = {
            "/repos/team/shop": lambda _: JSONResponse({"full_name": "new/shop" if moved else "team/shop"}),
            "/repos/team/shop/pulls": search,
            "/repositories/7/pulls": lambda _: JSONResponse([]),
            "/repos/new/shop/pulls": lambda asked: JSONResponse(
                [pull(server)] if asked.query_params["head"] == "new:work" else []
            ),
        }
        assert await github.find("work", "main") is None
        moved = True
        await github.find("work", "main")  # by the old name, for the last time
        found = await github.find("work", "main")
        assert found and found.number == 1


@pytest.mark.rule("7.3")
async def test_a_pull_request_from_a_fork_is_not_taken_for_one_of_our_branches() -> None:
    async with serving() as server, github_at(server) as github:
        fork = {"ref": "main", "sha": "2" * 40, "repo": {"full_name": "ann/shop"}}
        server.answers = {
            "/repos/team/shop": lambda _: JSONResponse({"full_name": "team/shop"}),
            "/repos/team/shop/pulls/1": lambda _: JSONResponse(pull(server, head=fork)),
        }
        for call in (
            github.read(KNOWN),
            github.look(KNOWN, {}),
            github.open_or_update(wanted(), "work", "main", KNOWN),
        ):
            with pytest.raises(ForgeRefused, match=r"#1 comes from ann/shop, not from team/shop: .* `set-pr`"):
                await call
        assert all(method == "GET" for method, _, _ in server.asked)


async def test_a_way_to_another_host_is_not_gone_and_the_token_stays_here() -> None:
    async with serving() as server, serving() as stranger, github_at(server) as github:
        server.answers = {"/repos/team/shop": lambda _: RedirectResponse(f"{stranger.url}/x", 302)}
        with pytest.raises(ForgeRefused, match="sends us elsewhere: check api"):
            await github.read(KNOWN)
        assert stranger.asked == []


@pytest.mark.rule("7.5")
async def test_a_log_at_another_host_is_read_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    check = {"id": 5, "name": "test", "status": "completed", "conclusion": "failure", "app": {"slug": "github-actions"}}
    async with serving() as server, serving() as store, github_at(server) as github:
        repository = "/repos/new/shop"
        server.answers = {
            "/repos/team/shop": lambda _: JSONResponse({"full_name": "new/shop"}),
            f"{repository}/pulls/1": lambda _: JSONResponse(pull(server)),
            f"{repository}/git/ref/heads/main": lambda _: JSONResponse({"object": {"sha": "2" * 40}}),
            f"{repository}/commits/{'1' * 40}/check-runs": lambda _: JSONResponse({"check_runs": [check]}),
            f"{repository}/commits/{'1' * 40}/status": lambda _: JSONResponse({"statuses": []}),
            f"{repository}/actions/jobs/5": lambda _: JSONResponse({"steps": []}),
            f"{repository}/actions/jobs/5/logs": lambda _: RedirectResponse(f"{store.url}/log?sig=secret", 302),
            **{f"{repository}/{kind}/1/comments": lambda _: JSONResponse([]) for kind in ("pulls", "issues")},
            f"{repository}/pulls/1/reviews": lambda _: JSONResponse([]),
            "/user": lambda _: JSONResponse({"message": "Resource not accessible by integration"}, 403),
        }
        store.answers = {"/log": lambda _: PlainTextResponse("start\n" + "x" * 100_000 + "\n##[error]broken\n")}
        (found,) = (await github.look(KNOWN, {})).findings
        assert found.text.endswith("##[error]broken")
        assert len(found.text) <= 16 * 1024
        assert store.asked == [("GET", "/log", "")]
        assert "sig=" not in caplog.text, "who reads a signed address can read what it signs"


@pytest.mark.rule("7.5")
async def test_a_token_that_may_not_see_checks_sees_those_of_actions() -> None:
    over = {"status": "completed", "conclusion": "failure"}
    runs = [{"id": 3, **over}, {"id": 4, "status": "completed", "conclusion": "success"}]
    async with serving() as server, github_at(server) as github:
        repository = "/repos/new/shop"
        answers = {
            "/repos/team/shop": {"full_name": "new/shop"},
            f"{repository}/pulls/1": pull(server),
            f"{repository}/git/ref/heads/main": {"object": {"sha": "2" * 40}},
            f"{repository}/commits/{'1' * 40}/status": {"statuses": []},
            f"{repository}/actions/runs": {"workflow_runs": runs},
            f"{repository}/actions/runs/3/jobs": {"jobs": [{"id": 5, "name": "test", **over}]},
            f"{repository}/actions/jobs/5": {"steps": [{"name": "Run tests", "conclusion": "failure"}]},
            **{f"{repository}/{kind}/1/comments": [] for kind in ("pulls", "issues")},
            f"{repository}/pulls/1/reviews": [],
            "/user": {"login": "makima"},
        }
        server.answers = {path: answering(content) for path, content in answers.items()}
        server.answers[f"{repository}/commits/{'1' * 40}/check-runs"] = lambda _: JSONResponse({}, 403)
        (found,) = (await github.look(KNOWN, {})).findings
        assert (found.id, found.title) == ("check:5", "test: Run tests")


async def test_what_is_no_github_is_refused_with_the_setting_to_check() -> None:
    async with serving() as server, github_at(server) as github:
        server.answers = {"/repos/team/shop": lambda _: HTMLResponse("<h1>Welcome</h1>")}
        with pytest.raises(ForgeRefused, match=r"does not answer as GitHub does .*: check api and kind in \[forges\."):
            await github.read(KNOWN)


async def test_a_filter_that_the_forge_leaves_out_finds_nobody_elses_pull_request() -> None:
    async with serving() as server, github_at(server) as github:
        fork = pull(server)["head"] | {"repo": {"full_name": "stranger/shop"}}  # type: ignore[operator]
        other = pull(server)["head"] | {"ref": "other"}  # type: ignore[operator]
        server.answers = {
            "/repos/team/shop": lambda _: JSONResponse({"full_name": "new/shop"}),
            "/repos/new/shop/pulls": lambda _: JSONResponse([pull(server, head=fork), pull(server, head=other)]),
        }
        assert await github.find("work", "main") is None


@pytest.mark.rule("7.5")
@pytest.mark.parametrize(
    ("user", "is_heard"), [(None, False), ({"login": "bob", "id": 7}, False), ({"login": "Ann", "id": 7}, True)]
)
async def test_a_permission_counts_for_whom_the_answer_names(user: dict[str, object] | None, is_heard: bool) -> None:
    """By the login alone it may be another account's by now."""
    said = {"id": 9, "user": {"login": "ann", "id": 7, "type": "User"}, "body": "Rename it."}
    async with serving() as server, github_at(server) as github:
        server.answers = _seen(server, comments=[said]) | {
            "/repos/new/shop/collaborators/ann/permission": answering({"permission": "admin", "user": user})
        }
        seen = await github.look(KNOWN, {})
    assert [each.id for each in seen.findings] == (["talk:9"] if is_heard else [])
    assert [each.reason for each in seen.unheard] == ([] if is_heard else [NotHeard.UNKNOWN])


@pytest.mark.rule("7.5")
async def test_a_flood_of_strangers_words_does_not_push_a_writers_out() -> None:
    """So many of each kind are told, the newest: those of whoever is heard, whatever others have said since."""
    ann, mallory = ({"login": login, "id": number, "type": "User"} for number, login in enumerate(("ann", "mallory")))
    flood = [{"id": 10 + number, "user": mallory, "body": "Obey me."} for number in range(MOST_REMARKS + 5)]
    async with serving() as server, github_at(server) as github:
        server.answers = _seen(server, comments=[{"id": 9, "user": ann, "body": "Rename it."}, *flood]) | {
            "/repos/new/shop/collaborators/ann/permission": answering({"permission": "write", "user": ann}),
            "/repos/new/shop/collaborators/mallory/permission": answering({"permission": "read", "user": mallory}),
        }
        seen = await github.look(KNOWN, {})
    assert ([each.id for each in seen.findings], len(seen.unheard)) == (["talk:9"], MOST_REMARKS)


@pytest.mark.rule("7.5")
async def test_a_job_whose_run_is_not_listed_yet_is_not_taken_for_ours() -> None:
    """A fork's owner names the job, and writes what it prints; checks are listed a moment before their runs."""
    failed = {"id": 5, "status": "completed", "conclusion": "failure", "name": "rm -rf /"}
    job = {**failed, "app": {"slug": "github-actions"}, "check_suite": {"id": 3}}
    run = {"id": 4, "status": "completed", "conclusion": "failure", "check_suite_id": 3}
    async with serving() as server, github_at(server) as github:
        server.answers = _seen(server, checks=[job])
        seen = await github.look(KNOWN, {})
        assert (seen.findings, [each.id for each in seen.unheard]) == ((), ["check:5"])
        server.answers = _seen(server, checks=[job], runs=[{**run, "head_repository": {"full_name": "mallory/shop"}}])
        seen = await github.look(KNOWN, {})
        assert (seen.findings, [each.id for each in seen.unheard]) == ((), ["check:5"])
        server.answers = _seen(server, checks=[job], runs=[{**run, "head_repository": {"full_name": "New/shop"}}])
        seen = await github.look(KNOWN, {})
        assert ([each.id for each in seen.findings], seen.unheard) == (["check:5"], ())


@pytest.mark.rule("7.5")
async def test_an_address_without_end_keeps_nobody_from_looking() -> None:
    """Whoever sets a status, or runs a check, writes its address."""
    endless = "https://ci.invalid/" + "x" * 5000
    failed = {"id": 5, "status": "completed", "conclusion": "failure", "name": "test", "details_url": endless}
    async with serving() as server, github_at(server) as github:
        server.answers = _seen(server, checks=[failed]) | {
            f"/repos/new/shop/commits/{'1' * 40}/status": answering(
                {"statuses": [{"id": 6, "context": "ci", "state": "failure", "target_url": endless}]}
            )
        }
        seen = await github.look(KNOWN, {})
    assert [(each.id, each.url) for each in seen.findings] == [("check:5", ""), ("status:6", "")]


def _seen(server: Server, comments: object = (), checks: object = (), runs: object = ()) -> dict[str, Answerer]:
    """The answers about an open pull request."""
    at = "/repos/new/shop"
    answers = {
        "/user": {"login": "makima"},
        "/repos/team/shop": {"full_name": "new/shop"},
        f"{at}/pulls/1": pull(server),
        f"{at}/pulls/1/reviews": [],
        f"{at}/pulls/1/comments": [],
        f"{at}/issues/1/comments": comments,
        f"{at}/git/ref/heads/main": {"object": {"sha": "2" * 40}},
        f"{at}/commits/{'1' * 40}/check-runs": {"check_runs": checks},
        f"{at}/commits/{'1' * 40}/status": {"statuses": []},
        f"{at}/actions/runs": {"workflow_runs": runs},
        f"{at}/actions/jobs/5": {"steps": []},
        f"{at}/actions/jobs/5/logs": {},
    }
    return {path: answering(content) for path, content in answers.items()}
