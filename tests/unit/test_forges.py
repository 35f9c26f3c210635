"""What GitHub's answers mean, and what the settings of a forge say (rules 7.4, 7.5); pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from daemon.forges.findings import TEXT_LIMIT, log_text, tail
from daemon.forges.forge_settings import ForgeSettings, api_of, credential_helpers, graphql_of
from daemon.forges.github.payloads import GraphAnswer
from daemon.forges.github.refusals import graph_trouble, refusal
from daemon.forges.links import compare_url
from daemon.forges.refusals import LONGEST_WAIT, Later, complaint_of, later, named_time
from daemon.logs.masking import Masker
from daemon.settings import DaemonSettings

pytestmark = pytest.mark.rule("7.4")

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def answer(status: int, message: str = "no", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"message": message}, headers=named)


@pytest.mark.parametrize(
    ("given", "until"),
    [
        (answer(403, x_ratelimit_remaining="0", x_ratelimit_reset=str(int(NOW.timestamp()) + 90)), 90),
        (answer(403, x_ratelimit_remaining="0", x_ratelimit_reset="1"), 0),
        (answer(403, x_ratelimit_remaining="0"), 60),
        (answer(403, x_ratelimit_remaining="0", x_ratelimit_reset="9" * 30), LONGEST_WAIT.total_seconds()),
        (answer(403, retry_after="30"), 30),
        (answer(403, "You have exceeded a secondary rate limit."), 60),
        (answer(429), 60),
        (answer(429, retry_after="9" * 40), LONGEST_WAIT.total_seconds()),
        (answer(503, retry_after="7"), 7),
    ],
)
def test_an_answer_that_asks_us_to_wait_says_until_when(given: httpx.Response, until: float) -> None:
    asked = later(given, NOW)
    assert asked is not None
    assert asked.until == NOW + timedelta(seconds=until)


@pytest.mark.parametrize("status", [200, 304, 401, 404, 422])
def test_other_answers_ask_for_no_waiting(status: int) -> None:
    assert later(answer(status, x_ratelimit_remaining="7"), NOW) is None
    assert later(answer(403, x_ratelimit_remaining="7"), NOW) is None


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (answer(403, x_accepted_github_permissions="pull_requests=write; contents=read"), "pull_requests=write or"),
        (
            answer(403, "no: not accessible by integration", x_accepted_github_permissions="issues=write"),
            "give the app of the token from $T the permission issues=write",
        ),
        (answer(403, x_accepted_oauth_scopes="repo", x_oauth_scopes="read:org"), "the scope repo (it has: read:org)"),
        (answer(403, x_github_sso="required; url=https://github.com/x?secret=1"), "single sign-on"),
        (answer(403, x_accepted_oauth_scopes="repo", x_oauth_scopes="repo, gist"), "access to this repository"),
        (answer(404), "it isn't there, or the token from $T needs access"),
        (answer(401), "put a valid token into $T"),
    ],
)
def test_a_refusal_says_in_one_line_what_to_do(given: httpx.Response, remedy: str) -> None:
    refused = refusal(given, "github.com", "POST /repos/a/b/pulls", "$T")
    assert refused is not None
    assert remedy in str(refused)
    assert str(refused).startswith(f"github.com refuses POST /repos/a/b/pulls ({given.status_code}: no")
    assert "secret" not in str(refused)


def test_what_a_forge_says_becomes_one_line_without_what_steers_a_terminal() -> None:
    errors = [{"message": "A pull request already exists"}, {"field": "head", "code": "invalid"}, "as text"]
    given = httpx.Response(422, json={"message": "Validation\n\x1b[31mFailed", "errors": errors})
    assert complaint_of(given) == "Validation [31mFailed; A pull request already exists; head invalid; as text"
    assert complaint_of(httpx.Response(502, text="<html>")) == "Bad Gateway"


@pytest.mark.parametrize(
    ("kind", "status"), [("FORBIDDEN", 403), ("INSUFFICIENT_SCOPES", 403), ("UNPROCESSABLE", 422), ("", 422)]
)
def test_a_refused_change_says_why(kind: str, status: int) -> None:
    trouble = graph_trouble(GraphAnswer.model_validate({"errors": [{"type": kind, "message": "no"}]}), "h", "$T")
    assert getattr(trouble, "status", None) == status
    assert ("$T" in str(trouble)) is (status == 403)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "RATE_LIMITED", "message": "no"},
        {"type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": "no"},
        {"message": "You have exceeded a secondary rate limit. Please wait."},
    ],
)
def test_a_limit_that_graphql_tells_with_status_200_is_waited_for(error: dict[str, str]) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 600)}
    until = named_time(httpx.Response(200, headers=headers), NOW)
    trouble = graph_trouble(GraphAnswer.model_validate({"data": None, "errors": [error]}), "h", "$T", until)
    assert isinstance(trouble, Later)
    assert trouble.until == NOW + timedelta(minutes=10)


def test_an_archived_repository_is_told_as_that() -> None:
    given = httpx.Response(403, json={"message": "Repository was archived so is read-only."})
    refused = refusal(given, "github.com", "PATCH /repos/a/b/pulls/1", "$T")
    assert "unarchive it" in str(refused) and "token" not in str(refused)


def test_the_text_of_a_job_ends_with_its_last_error_and_has_no_times() -> None:
    log = "\ufeff2026-01-05T10:00:00.1Z one\n2026-01-05T10:00:01.1Z ##[error]two\n2026-01-05T10:00:02.1Z clean-up\n"
    assert log_text(log.encode()) == "one\n##[error]two"
    assert log_text(b"no mark\nat all\n") == "no mark\nat all"
    assert log_text(b"\xff\xfe") == "\ufffd\ufffd"
    assert log_text(b"") == ""


def test_of_a_long_text_the_end_is_kept_in_whole_lines() -> None:
    kept = tail("".join(f"line {number} ü\n" for number in range(5000)))
    assert len(kept.encode()) <= TEXT_LIMIT
    assert kept.startswith("line ")
    assert kept.endswith("line 4999 ü")
    assert len(tail("ü" * TEXT_LIMIT).encode()) <= TEXT_LIMIT


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("github.com", "https://github.com/team/shop/compare/main...makima/a?expand=1"),
        ("codeberg.org", "https://codeberg.org/team/shop/compare/main...makima/a"),
        ("git.example.com", ""),
        ("gitea.example.com", "https://gitea.example.com/team/shop/compare/main...makima/a"),
        (
            "gitlab.com",
            "https://gitlab.com/team/shop/-/merge_requests/new?"
            "merge_request%5Bsource_branch%5D=makima%2Fa&merge_request%5Btarget_branch%5D=main",
        ),
        ("", ""),
    ],
)
def test_the_link_to_open_one_by_hand_is_known_for_well_known_hosts(host: str, link: str) -> None:
    assert compare_url(host, "team/shop", "makima/a", "main") == link


@pytest.mark.parametrize(
    ("host", "api", "rest", "graphql"),
    [
        ("github.com", "", "https://api.github.com", "https://api.github.com/graphql"),
        ("acme.ghe.com", "", "https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("ghe.example.com", "", "https://ghe.example.com/api/v3", "https://ghe.example.com/api/graphql"),
        ("127.0.0.1:8080", "", "http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080/api/graphql"),
        ("work", "https://api.github.com/", "https://api.github.com", "https://api.github.com/graphql"),
    ],
)
def test_the_api_is_where_the_host_or_the_settings_say(host: str, api: str, rest: str, graphql: str) -> None:
    found = api_of(host, ForgeSettings(api=api))
    assert (found, graphql_of(found)) == (rest, graphql)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"token_env": "T", "token_file": "/t"}, "comes from one place"),
        ({"api": "http://ghe.example.com/api/v3"}, "https://"),
        ({"api": "https://me:secret@ghe.example.com/api/v3"}, "an address like"),
        ({"api": "ghe.example.com"}, "an address like"),
        ({"token_env": "no name"}, "pattern"),
        ({"token_file": "relative"}, "must begin with"),
        ({"token": "ghp_1"}, "Extra inputs"),
        ({"kind": "svn"}, "github"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ForgeSettings.model_validate(wrong)


@pytest.mark.rule("6.6")
def test_no_agent_can_be_handed_the_token_of_a_forge() -> None:
    agent = {"kind": "command", "argv": ["x"], "pass_env": ["GITHUB_TOKEN"]}
    given = {"name": "a", "agents": {"x": agent}, "forges": {"github.com": {"token_env": "GITHUB_TOKEN"}}}
    with pytest.raises(ValidationError, match=r"agents\.x would get GITHUB_TOKEN"):
        DaemonSettings.model_validate(given)


def test_git_is_told_the_place_of_a_token_and_never_the_token() -> None:
    forges = {
        "ghe.example.com": ForgeSettings(token_file=Path("/a token's")),
        "work": ForgeSettings(token_env="T"),
        "off": ForgeSettings.model_validate({"kind": "none"}),
    }
    helpers = credential_helpers(forges, has_gh=True)
    assert set(helpers) == {"https://github.com", "https://ghe.example.com", "https://work"}
    assert helpers["https://github.com"] == "!gh auth git-credential"
    assert '"$T"' in helpers["https://work"]
    assert "https://github.com" not in credential_helpers(forges, has_gh=False)


@pytest.mark.rule("6.11")
def test_a_token_that_is_learned_later_is_masked_from_then_on() -> None:
    masker = Masker(["first-secret"])
    masker.learn("second-secret")
    assert masker.mask("first-secret second-secret third") == "*** *** third"
