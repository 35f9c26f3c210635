"""Which kind of forge a host is: by the settings, by its name or address, else by its own answer (rule 7.4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.forges.recognizing import MOST_READ, known_kind
from daemon.forges.registry import Forges, NoForge
from domain.errors import ForgeRefused, ForgeUnreachable
from domain.repository_url import parse_repository_url
from tests.answering import Server, serving
from tests.fixtures_forges import QUICK

pytestmark = pytest.mark.rule("7.4")

TOKEN = "the-token-of-this-daemon"


def enterprise(_: Request) -> Response:
    told = {"message": "Must authenticate to access this API.", "documentation_url": "https://docs.github.com/rest"}
    return JSONResponse(told, 401, headers={"X-GitHub-Request-Id": "1"})


def gitlab(_: Request) -> Response:
    return JSONResponse({"message": "401 Unauthorized"}, 401)


def gitea(_: Request) -> Response:
    return JSONResponse({"version": "1.27.3"})


ANSWERS = {
    ForgeKind.GITHUB: {"/api/v3/meta": enterprise},
    ForgeKind.GITLAB: {"/api/v4/version": gitlab},
    ForgeKind.GITEA: {"/api/v1/version": gitea},
}
"""What a host of a kind says to somebody without a token."""


async def asked(server: Server, **settings: object) -> tuple[Forges, object]:
    host = server.url.removeprefix("http://")
    given = ForgeSettings.model_validate({"token_env": "T", **settings})
    forges = Forges({host: given}, {"T": TOKEN}, timings=QUICK)
    url = parse_repository_url(f"{server.url}/team/shop.git", allow_local=False)
    try:
        return forges, type(await forges.at(url)).__name__
    finally:
        await forges.at(url)  # what is known is not asked for again
        await forges.close()


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_host_of_the_settings_is_asked_once_and_never_with_the_token(kind: ForgeKind) -> None:
    async with serving() as server:
        server.answers = dict(ANSWERS[kind])
        _, name = await asked(server)
        assert str(name).lower() == kind
        paths = [path for _, path, _ in server.asked]
        assert len(paths) == len(set(paths)), "asked once"
        assert {authorization for _, _, authorization in server.asked} == {""}


async def test_a_host_that_says_nothing_of_use_is_for_a_person_to_name() -> None:
    def endless(_: Request) -> Response:
        return JSONResponse({"documentation_url": "x" * MOST_READ}, headers={"X-GitHub-Request-Id": "1"})

    def elsewhere(_: Request) -> Response:
        return RedirectResponse("https://127.0.0.1:1/api/v3/meta")

    def not_json(_: Request) -> Response:
        return Response("[" * 50_000, headers={"X-GitHub-Request-Id": "1"})

    for answer in (endless, elsewhere, not_json):
        async with serving() as server:
            server.answers = {"/api/v3/meta": answer}
            host = server.url.removeprefix("http://")
            forges = Forges({host: ForgeSettings(token_env="T")}, {"T": TOKEN}, timings=QUICK)
            url = parse_repository_url(f"{server.url}/team/shop.git", allow_local=False)
            with pytest.raises(ForgeRefused, match=r'which kind of forge it is: set kind in \[forges\..* "github"'):
                await forges.at(url)
            server.answers = {"/api/v3/meta": enterprise}
            assert not isinstance(await forges.at(url), NoForge), "it is asked again, and knows by now"
            await forges.close()


async def test_a_host_that_answers_as_several_kinds_is_for_a_person_to_name() -> None:
    async with serving() as server:
        server.answers = {path: answer for answers in ANSWERS.values() for path, answer in answers.items()}
        forges = Forges({server.url.removeprefix("http://"): ForgeSettings(token_env="T")}, {"T": TOKEN}, timings=QUICK)
        with pytest.raises(ForgeRefused, match="answers as several kinds of forge: set kind"):
            await forges.at(parse_repository_url(f"{server.url}/team/shop.git", allow_local=False))
        await forges.close()


async def test_a_host_that_does_not_answer_is_asked_again_later() -> None:
    forges = Forges({"127.0.0.1:1": ForgeSettings(token_env="T")}, {"T": TOKEN}, timings=QUICK)
    with pytest.raises(ForgeUnreachable, match="does not answer") as caught:
        await forges.at(parse_repository_url("http://127.0.0.1:1/team/shop.git", allow_local=False))
    assert caught.value.until is not None
    await forges.close()


async def test_a_host_that_no_setting_names_is_not_asked(tmp_path: Path) -> None:
    async with serving() as server:
        forges = Forges({}, {"PATH": str(tmp_path)}, timings=QUICK)
        url = parse_repository_url(f"{server.url}/team/shop.git", allow_local=False)
        assert isinstance(await forges.at(url), NoForge)
        await forges.close()
        assert server.asked == []


@pytest.mark.parametrize(
    ("host", "settings", "kind"),
    [
        ("github.com", {}, ForgeKind.GITHUB),
        ("acme.ghe.com", {}, ForgeKind.GITHUB),
        ("work", {"api": "https://api.github.com"}, ForgeKind.GITHUB),
        ("ghe.example.com", {"api": "https://ghe.example.com/api/v3"}, ForgeKind.GITHUB),
        ("gitlab.com", {}, ForgeKind.GITLAB),
        ("git.example.com", {"api": "https://git.example.com/api/v4"}, ForgeKind.GITLAB),
        ("ghe.example.com", {}, None),
        ("ghe.example.com", {"kind": "none"}, ForgeKind.NONE),
        ("codeberg.org", {}, ForgeKind.FORGEJO),
        ("work", {"api": "https://git.example.com/api/v1"}, ForgeKind.GITEA),
    ],
)
def test_the_settings_come_before_the_name_of_a_host_and_its_api(
    host: str, settings: dict[str, str], kind: ForgeKind | None
) -> None:
    assert known_kind(host, ForgeSettings.model_validate(settings)) is kind
