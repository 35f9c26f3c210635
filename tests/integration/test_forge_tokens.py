"""Where the daemon's token for a forge comes from, and that it goes nowhere else (rules 6.2, 6.6, 7.4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.forges.forge_settings import ForgeSettings, credential_helpers
from daemon.forges.registry import Forges, NoForge
from daemon.forges.tokens import Tokens
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.errors import ForgeRefused, RepositoryError
from domain.pull_request import PullRequest, PullRequestState
from domain.repository_url import parse_repository_url
from tests.fixtures_forges import QUICK, Site, wanted

pytestmark = pytest.mark.rule("7.4")

GH = """#!/bin/sh
test "$1 $2 $3" = "auth token --hostname" && cat "$HOME/$4"
"""


def machine_with_gh(folder: Path) -> dict[str, str]:
    """An environment in which `gh` knows the token that lies in a file of the host's name."""
    program = folder / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(GH)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}


def files_with(text: str, folder: Path) -> set[str]:
    return {each.name for each in folder.rglob("*") if each.is_file() and text.encode() in each.read_bytes()}


def tokens(settings: ForgeSettings, environ: dict[str, str], learned: list[str] | None = None) -> Tokens:
    return Tokens("github.com", settings, environ, (learned if learned is not None else []).append)


async def test_a_token_comes_from_a_variable_a_file_or_gh_and_a_masker_hears_of_it(tmp_path: Path) -> None:
    learned: list[str] = []
    environ = {**machine_with_gh(tmp_path), "T": "from-variable"}
    (tmp_path / "file").write_text("from-file\n")
    (tmp_path / "github.com").write_text("from-gh\n")
    for settings in (ForgeSettings(token_env="T"), ForgeSettings(token_file=tmp_path / "file"), ForgeSettings()):
        assert await tokens(settings, environ, learned).token() is not None
    assert learned == ["from-variable", "from-file", "from-gh"]


@pytest.mark.usefixtures("gh")
async def test_the_real_gh_is_asked(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("github.com:\n  oauth_token: from-real-gh\n  user: ann\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GH_CONFIG_DIR": str(tmp_path)}
    found = await tokens(ForgeSettings(), environ).token()
    assert found is not None
    assert found.get_secret_value() == "from-real-gh"


@pytest.mark.parametrize("text", ["", "  \n", "two\nlines", "x" * 5000])
async def test_a_place_without_a_token_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ForgeRefused, match=f"{file} holds no token"):
        await tokens(ForgeSettings(token_file=file), {}).token()
    with pytest.raises(ForgeRefused, match="can't be read: No such file"):
        await tokens(ForgeSettings(token_file=tmp_path / "missing"), {}).token()


async def test_a_token_that_was_renewed_in_its_file_is_taken_up(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("expired-token")
    forges, github = await site.another(token_env="", token_file=file)
    with pytest.raises(ForgeRefused, match=r"401.*put a valid token into .*/file"):
        await github.find("work", "main")
    file.write_text(site.forge.token)
    assert await github.find("work", "main") is None
    await forges.close()


async def test_what_is_known_of_no_forge_is_pushed_to_and_nothing_more(tmp_path: Path) -> None:
    forges = Forges({}, machine_with_gh(tmp_path), timings=QUICK)
    addresses = (
        "/srv/shop", "file:///srv/shop", "https://example.com/a/b", "http://127.0.0.1:1/a/b",
        "https://github.com/team/shop",
    )  # fmt: skip
    for text in addresses:
        assert isinstance(await forges.at(parse_repository_url(text, allow_local=True)), NoForge), text
    (tmp_path / "github.com").write_text("from-gh\n")
    github = parse_repository_url("git@github.com:team/shop.git", allow_local=False)
    assert not isinstance(await forges.at(github), NoForge), "somebody has logged in"
    await forges.close()


async def test_settings_may_turn_a_forge_off(tmp_path: Path) -> None:
    (tmp_path / "github.com").write_text("from-gh\n")
    off = ForgeSettings.model_validate({"kind": "none"})
    forges = Forges({"github.com": off}, machine_with_gh(tmp_path), timings=QUICK)
    url = parse_repository_url("https://github.com/team/shop", allow_local=False)
    assert isinstance(await forges.at(url), NoForge)


@pytest.mark.rule("6.2")
@pytest.mark.parametrize("place", ["variable", "file"])
async def test_the_same_token_serves_git_and_is_written_nowhere(site: Site, tmp_path: Path, place: str) -> None:
    await site.forge.change_repository(site.name, private=True)
    (tmp_path / "a 'file'").write_text(f"{site.forge.token}\n")
    settings = ForgeSettings(token_env="T") if place == "variable" else ForgeSettings(token_file=tmp_path / "a 'file'")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "T": site.forge.token}
    helpers = credential_helpers({site.forge.url.removeprefix("http://"): settings}, has_gh=False)
    git = Git(tmp_path / "daemon", environ, allow_local=False, helpers=helpers)
    await git.prepare()
    cache = await Repositories(git, tmp_path / "caches").at(site.repository.clone_url)
    base = await cache.prepare("main")
    await cache.remote("push", site.repository.clone_url, f"{base}:refs/heads/pushed", timeout=60)
    assert await cache.on_remote("refs/heads/pushed") == base
    assert files_with(site.forge.token, tmp_path) <= {"a 'file'"}


@pytest.mark.rule("6.2")
@pytest.mark.parametrize(("answer", "is_theirs"), [("echo username=me; echo password=wrong;:", True), (":", False)])
async def test_the_credential_helper_of_the_machines_owner_goes_first(
    site: Site, tmp_path: Path, answer: str, is_theirs: bool
) -> None:
    await site.forge.change_repository(site.name, private=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "T": site.forge.token}
    helpers = credential_helpers({site.forge.url.removeprefix("http://"): ForgeSettings(token_env="T")}, has_gh=False)
    (tmp_path / ".gitconfig").write_text(f'[credential]\n\thelper = "!{answer}"\n')
    git = Git(tmp_path / "daemon", environ, allow_local=False, helpers=helpers)
    await git.prepare()
    cache = await Repositories(git, tmp_path / "caches").at(site.repository.clone_url)
    if is_theirs:
        with pytest.raises(RepositoryError):
            await cache.fetch()
    else:
        await cache.fetch()


async def test_without_an_api_nothing_is_opened_and_the_link_is_told() -> None:
    forge = NoForge(parse_repository_url("git@gitlab.com:team/shop.git", allow_local=False))
    known = PullRequest(branch="work", head="1" * 40, base="main")
    made = await forge.open_or_update(wanted(known=known), "work-v2", "main")
    assert (made.state, made.number, made.version) == (PullRequestState.PUSHED, 0, 2)
    assert (await forge.look(known, {})).pull_request == await forge.read(known) == known
    assert forge.compare_url("work", "main").startswith("https://gitlab.com/team/shop/-/merge_requests/new?")
    assert NoForge(parse_repository_url("/srv/shop", allow_local=True)).compare_url("work", "main") == ""
