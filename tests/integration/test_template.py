"""The repository's own template of a description is filled, not ignored (rule 7.4), at each kind of forge."""

from __future__ import annotations

import subprocess

import pytest
from pydantic import ValidationError

from daemon.forges.forge_settings import ForgeKind
from domain.opening_policy import OpeningPolicy
from tests.fixtures_forges import KINDS, Site
from tests.integration.completions import Completions, head
from tests.integration.test_completion_github import at_forge as at_forge

pytestmark = pytest.mark.rule("7.4")
NO_AGENT = "exit 9"
TEXT = "Hello!\n\n## Description\n\n<!-- What is it? -->\n\n## Checks\n\n- [ ] I have run it\n<!-- now -->/approve\n"
PLACES = {
    ForgeKind.GITHUB: ("docs/pull_request_template.md", "PULL_REQUEST_TEMPLATE.md", ".github/Pull_Request_Template.md"),
    ForgeKind.GITLAB: (".gitlab/merge_request_templates/Default.md",),
    ForgeKind.GITEA: (
        "docs/PULL_REQUEST_TEMPLATE.md",
        ".github/pull_request_template.md",
        ".gitea/pull_request_template.md",
    ),
}
"""The later goes before the earlier."""


def put(site: Site, path: str, content: bytes, *, branch: str = "main", mode: str = "100644") -> None:
    """A file in a folder, committed."""
    begin = f"commit refs/heads/{branch}\ncommitter Ann <ann@example.com> 1700000000 +0000\ndata 6\nchange\n"
    change = f"from refs/heads/{branch}^0\nM {mode} inline {path}\ndata {len(content)}\n"
    git = ["git", "fast-import", "--quiet"]
    subprocess.run(git, cwd=site.repository.path, input=f"{begin}{change}".encode() + content + b"\n", check=True)


async def description(site: Site, number: int = 1) -> str:
    async with site.forge.rest() as client:
        told: str = (await client.get(f"/repos/{site.name}/pulls/{number}")).json()["body"]
    return told


async def shipped(at_forge: Completions, site: Site, name: str = "walls") -> tuple[str, ...]:
    """The warnings of a completion that opens a pull request."""
    work = site.commit(name, {name: f"{name}\n"}, parent="refs/heads/main")
    done = await at_forge.does(NO_AGENT, [head(name.title(), work)])
    assert done.shipped, done.failure
    return done.warnings


@pytest.mark.parametrize("forge_kind", KINDS)
async def test_the_base_branchs_template_is_what_the_description_is_written_into(
    at_forge: Completions, site: Site
) -> None:
    for place in PLACES[site.kind]:
        put(site, place, TEXT.replace("Hello!", f"This is {place}.").encode())
    assert await shipped(at_forge, site) == ()
    told = await description(site)
    assert told.startswith(f"This is {PLACES[site.kind][-1]}.\n\n## Description\n\n<!-- makima:begin")
    command = r"\/approve" if site.kind is ForgeKind.GITLAB else "/approve"
    assert told.endswith(f"<!-- makima:end -->\n\n## Checks\n\n- [ ] I have run it\n{command}")
    assert "What is it?" not in told

    edited = told.replace("- [ ]", "- [x]")
    async with site.forge.rest() as client:
        await client.patch(f"/repos/{site.name}/pulls/1", json={"body": edited})
    further = await at_forge.does(NO_AGENT, [head("Roof", site.commit("roof", {"roof": "r\n"}, parent="walls"))])
    assert further.shipped and further.shipped.pull_request.number == 1
    again = await description(site)
    assert again.startswith(f"This is {PLACES[site.kind][-1]}.\n\n## Description\n\n<!-- makima:begin")
    assert "- [x] I have run it" in again and again.count("## Checks") == 1


FOLDERS = {
    ForgeKind.GITHUB: ("docs/pull_request_template", "PULL_REQUEST_TEMPLATE", ".github/PULL_REQUEST_TEMPLATE"),
    ForgeKind.GITLAB: (".gitlab/merge_request_templates",),
    ForgeKind.GITEA: ("PULL_REQUEST_TEMPLATE", ".github/PULL_REQUEST_TEMPLATE", ".gitea/pull_request_template"),
}


@pytest.mark.parametrize("forge_kind", KINDS)
async def test_of_several_the_repository_names_one_and_none_is_taken_by_itself(
    at_forge: Completions, site: Site
) -> None:
    for folder in FOLDERS[site.kind]:
        for name in ("Bug.md", "feature.md"):
            put(site, f"{folder}/{name}", TEXT.replace("Hello!", f"This is {folder}/{name}.").encode())
    assert await shipped(at_forge, site) == ()
    assert (await description(site)).startswith("<!-- makima:begin")
    put(site, ".makima.toml", b'[pull_request]\ntemplate = "bug.md"\n')
    await site.merge(1)
    assert await shipped(at_forge, site, "roof") == ()
    assert (await description(site, 2)).startswith(f"This is {FOLDERS[site.kind][-1]}/Bug.md.\n\n## Description")


@pytest.mark.parametrize("forge_kind", KINDS)
@pytest.mark.parametrize("name", ["other.md", "deeper.md"])
async def test_one_that_is_not_there_is_told_and_the_pull_request_is_opened_without(
    at_forge: Completions, site: Site, name: str
) -> None:
    put(site, f"{FOLDERS[site.kind][-1]}/more/deeper.md", TEXT.encode())
    put(site, name, TEXT.encode())
    put(site, PLACES[site.kind][-1], TEXT.encode())
    put(site, ".makima.toml", f'[pull_request]\ntemplate = "{name}"\n'.encode())
    (warning,) = await shipped(at_forge, site)
    assert f"without the repository's template: there is no '{name}' in" in warning
    assert (await description(site)).startswith("<!-- makima:begin")


@pytest.mark.parametrize("name", ["../../x.md", "/etc/x.md", "a/b.md", ".md", "x", "x.yml", "..\\x.md", "true"])
async def test_no_path_is_a_template_s_name(name: str) -> None:
    with pytest.raises(ValidationError, match="the name of one file in the folder of templates"):
        OpeningPolicy(template=name)


async def test_it_is_left_out_where_the_repository_wants_that(at_forge: Completions, site: Site) -> None:
    put(site, ".makima.toml", b"[pull_request]\ntemplate = false\n")
    put(site, ".github/pull_request_template.md", TEXT.encode())
    assert await shipped(at_forge, site) == ()
    assert (await description(site)).startswith("<!-- makima:begin")


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (b"x" * (16 * 1024 + 1), "100644", "is not a plain file"),
        (b"../../etc/passwd", "120000", "is not a plain file"),
        (b"\x80", "100644", "is not UTF-8"),
    ],
)
async def test_what_is_no_text_that_one_can_begin_with_is_told_and_the_pull_request_is_opened_without(
    at_forge: Completions, site: Site, content: bytes, mode: str, told: str
) -> None:
    put(site, ".github/pull_request_template.md", content, mode=mode)
    (warning,) = await shipped(at_forge, site)
    assert warning.startswith(
        "the pull request was opened without the repository's template: .github/pull_request_template.md"
    )
    assert told in warning
    assert (await description(site)).startswith("<!-- makima:begin")
