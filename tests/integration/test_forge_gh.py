"""GitHub's own command line, unchanged, against the fake forge over a socket."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.forge import ForgeUnderTest, Person, forge_under_test

pytestmark = pytest.mark.usefixtures("gh")


async def gh(forge: ForgeUnderTest, folder: Path, *args: str) -> str:
    """The output of `gh` that knows no host but the forge's socket."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "config.yml").write_text(f"http_unix_socket: {forge.unix_socket}\n")
    own = {"HOME": str(folder), "GH_CONFIG_DIR": str(config), "GH_HOST": "github.localhost", "GH_TOKEN": forge.token}
    env = {"PATH": os.environ["PATH"], **own, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        "gh", *args, "--repo", "acme/shop", cwd=folder, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{args}: {errors.decode()}"
    return output.decode()


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
