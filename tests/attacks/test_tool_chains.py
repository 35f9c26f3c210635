"""An agent tries to read credentials by way of tool chains, and to change what others run (issue 16, number 3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_asyncio

from tests.attacks.conftest import commit
from tests.integration.conftest import Committer, steps
from tests.integration.deliveries import Steps
from tests.needs import need_sandbox
from tests.tool_homes import ToolHome

__all__ = ["commit", "steps"]  # fixtures
MARK = "swordfish"
SECRET = f"{MARK}-of-the-user"


@pytest_asyncio.fixture
async def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, steps: Steps, commit: Committer) -> ToolHome:
    await need_sandbox(tmp_path)
    made = ToolHome(tmp_path_factory.mktemp("home"), steps, commit, tmp_path)
    made.program(".rustup/toolchains/stable/bin/rustc")
    made.program(".nvm/versions/node/v20/bin/node")
    made.program(".cargo/bin/cargo")
    made.file(".npm/_cacache/index-v5/b", "index")
    made.file(".npm/_cacache/content-v2/large", "x" * 100_000)
    made.project = {"package.json": "{}"}
    return made


async def test_no_door_of_a_tool_chain_leads_to_credentials(home: ToolHome) -> None:
    plain = (".cargo/credentials.toml", ".npmrc", ".config/pip/pip.conf", ".m2/settings.xml", ".netrc", ".ssh/deploy")
    within = (".rustup/toolchains/stable/lib/credentials.toml", ".nvm/versions/node/v20/lib/node_modules/npm/npmrc")
    for name in (*plain, *within, ".rustup/toolchains/stable/lib/.ssh/key", ".cargo/bin/pip.conf"):
        home.file(name, SECRET)
    os.link(home.path / ".cargo/credentials.toml", home.path / ".rustup/toolchains/stable/lib/readme")
    os.link(home.path / ".netrc", home.path / ".npm/_cacache/content-v2/tarball")
    home.link(".rustup/toolchains/stable/lib/link", home.path / ".npmrc")
    home.link(".rustup/toolchains/root", "/")
    home.link(".rustup/toolchains/user", home.path)
    home.link(".nvm/versions/node/v21", home.path / ".ssh")
    home.program("bin/rustc")
    home.link(".volta", "/")
    home.environ |= {"PYENV_ROOT": str(home.path), "PIP_CERT": str(home.path / ".netrc")}
    said = await home.does(
        f"""set +e; echo begun; env | grep -a {MARK}
        find {home.path} "$MAKIMA_TASK_DIR"/../downloads -exec cat {{}} + 2>/dev/null | grep -a {MARK}
        for f in $(find {home.path}); do cat "$f/../.netrc" "/proc/self/root$f" "$f"; done 2>/dev/null | grep -a {MARK}
        grep -a {MARK} /proc/self/environ; ls -RA {home.path}; echo ended"""
    )
    assert {"begun", "ended"} <= {*said}, said
    assert f"{home.path}/.rustup/toolchains/stable/bin:" in said, said
    assert not [line for line in said if MARK in line]


async def test_a_task_changes_neither_programs_nor_downloads_that_others_use(home: ToolHome) -> None:
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    said = await home.does(
        f"""set +e; cd "$npm_config_cache"/_cacache; cat index-v5/b; echo; test -L content-v2/large && echo linked
        echo mine > content-v2/mine; echo poison >> index-v5/b; echo poison >> content-v2/large
        rm -f content-v2/large; echo poison > content-v2/large; ls content-v2
        for f in $(find {home.path} -type f); do echo poison > "$f"; rm -f "$f"; chmod 777 "$f"; done
        for d in $(find {home.path} -depth -type d); do echo > "$d/node"; mv "$d" "$d.old"; ln -s /tmp "$d/x"; done
        mkdir -p {home.path}/.cargo/bin/deep; ln -sf /tmp {home.path}/.pyenv; echo ended"""
    )
    assert {"index", "linked", "mine", "ended"} <= {*said}, said
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before
    again = await home.does(
        'cd "$npm_config_cache"/_cacache; cat index-v5/b; echo; ls content-v2; head -c 4 content-v2/large'
    )
    assert "index" in again and "mine" not in again and "poison" not in "".join(again), again
