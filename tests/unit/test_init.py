"""A first `.makima.toml` from what a repository's files say, which are data (rule 2.15)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.operator.app import add_operator_commands
from daemon.tool_chains.tool_chain import shipped
from daemon.workspace.project import ProjectFile, parsed
from domain.opening_policy import OpeningPolicy
from domain.start_defaults import StartDefaults
from runtime.command_line import CommandLine
from runtime.exit import run
from steering.first_settings import FILE, LARGEST, contents_of, settings_for
from tests.unit.test_cli_actions import Nowhere

pytestmark = pytest.mark.rule("2.15")

REPOSITORIES: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "nothing": ({"README.md": "Hello"}, [], []),
    "npm": (
        {"package.json": json.dumps({"scripts": {"test": "vitest", "build": "tsc"}}), "package-lock.json": "{}"},
        ["npm ci"],
        ["npm run build", "npm run test"],
    ),
    "npm without lock and tests": (
        {"package.json": json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})},
        ["npm install --no-package-lock"],
        [],
    ),
    "yarn": (
        {"package.json": '{"scripts": {"test": "jest"}}', "yarn.lock": ""},
        ["yarn install --frozen-lockfile"],
        ["yarn run test"],
    ),
    "yarn 4": (
        {"package.json": '{"packageManager": "yarn@4.1.0"}', "yarn.lock": "", ".yarnrc.yml": ""},
        ["yarn install --immutable"],
        [],
    ),
    "pnpm": (
        {"package.json": '{"scripts": {"test:unit": "a", "test:e2e": "b"}}', "pnpm-lock.yaml": ""},
        ["pnpm install --frozen-lockfile"],
        ["pnpm run test:e2e", "pnpm run test:unit"],
    ),
    "uv": (
        {"pyproject.toml": "[tool.pytest.ini_options]\n", "uv.lock": ""},
        ["uv sync --frozen --all-extras"],
        ["uv run --frozen pytest"],
    ),
    "poetry": (
        {"pyproject.toml": "[tool.poetry]\n", "poetry.lock": "", "conftest.py": ""},
        ["poetry install"],
        ["poetry run pytest"],
    ),
    "pip": (
        {"pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\ntest = ["pytest"]\n'},
        ["python3 -m venv .venv", ".venv/bin/pip install -e '.[test]'"],
        [".venv/bin/pytest"],
    ),
    "requirements": (
        {"requirements.txt": "flask\n", "requirements-dev.txt": "pytest\n"},
        ["python3 -m venv .venv", ".venv/bin/pip install -r requirements-dev.txt -r requirements.txt"],
        [".venv/bin/pytest"],
    ),
    "tox": (
        {"setup.py": "setup()", "tox.ini": "[tox]\n"},
        ["python3 -m venv .venv", ".venv/bin/pip install -e ."],
        ["tox"],
    ),
    "cargo": (
        {"Cargo.toml": '[workspace]\nmembers = ["a"]\n', "Cargo.lock": ""},
        ["cargo fetch --locked"],
        ["cargo test --workspace --locked"],
    ),
    "go": ({"go.mod": "module x\n"}, ["go mod download"], ["go build ./...", "go test ./..."]),
    "gradle": ({"gradlew": "#!/bin/sh\n", "build.gradle.kts": ""}, [], ["./gradlew build"]),
    "maven": ({"pom.xml": "<project/>"}, [], ["mvn -B verify"]),
    "ruby": ({"Gemfile": "", "Rakefile": ""}, ["bundle install"], ["bundle exec rake"]),
    "php": ({"composer.json": '{"scripts": {"test": "phpunit"}}'}, ["composer install"], ["composer test"]),
    ".net": ({"Shop.sln": ""}, ["dotnet restore"], ["dotnet test --no-restore"]),
    "make beside npm": (
        {"Makefile": ".PHONY: test\nX := 1\nbuild lint: x\n\ttrue\ntest: build\n\tnpm test\n", "package.json": "{}"},
        ["npm install --no-package-lock"],
        ["make test"],
    ),
    "make with check": ({"Makefile": "test:\n\ntest-all check :: test\n"}, [], ["make check"]),
    "make without tests": (
        {"Makefile": "test := x\nall:\n", "go.mod": ""},
        ["go mod download"],
        ["go build ./...", "go test ./..."],
    ),
    "just": ({"justfile": "set shell := ['sh']\ntest *args:\n  x\n"}, [], ["just test"]),
    "broken files": (
        {"package.json": "{", "pyproject.toml": "[", "Cargo.toml": "]"},
        ["python3 -m venv .venv", ".venv/bin/pip install -e .", "npm install --no-package-lock", "cargo fetch"],
        ["cargo test"],
    ),
    "files of another kind": (
        {"package.json": "[]", "pyproject.toml": "project = 3\ntool = 4\n", "composer.json": '{"scripts": 3}'},
        ["python3 -m venv .venv", ".venv/bin/pip install -e .", "npm install --no-package-lock", "composer install"],
        [],
    ),
}


def repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def init(*args: str, cwd: Path | None = None) -> Result:
    app = CommandLine()
    app.callback()(lambda: None)
    before = Path.cwd()
    try:
        os.chdir(cwd or before)
        add_operator_commands(app, Nowhere(), leave, typed="init")
        return CliRunner().invoke(app, ["init", *args])
    finally:
        os.chdir(before)


def leave(command: object) -> None:
    raise SystemExit(run(lambda: command))  # type: ignore[arg-type, return-value]


def uncommented(text: str) -> str:
    """With every example taken as it stands."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_is_found_is_what_the_daemon_reads_and_so_is_every_example(name: str, tmp_path: Path) -> None:
    files, setup, verify = REPOSITORIES[name]
    root = repository(tmp_path / "shop", files)
    text, found = settings_for(root)
    project = parsed(text.encode(), FILE)
    assert (list(project.setup), list(project.verify)) == (setup, verify)
    assert project == ProjectFile(setup=tuple(setup), verify=tuple(verify)), "what is not found is an example"
    assert all(each.because in text for each in found)
    whole = parsed(uncommented(text).encode(), FILE)
    assert whole.branch_prefix and whole.allow_secrets and whole.setup and whole.verify
    assert set(whole.start.said) == set(StartDefaults.model_fields), "each key has its example"
    assert whole.pull_request.model_fields_set == set(OpeningPolicy.model_fields)


def test_what_files_say_reaches_the_file_as_data_alone(tmp_path: Path) -> None:
    evil = ['test:"]\nx = 1', "test:$(id)", "test:'a b'", 'test:"q"', "test:\x1b[2J", "test:" + "y" * 500]
    files = {"package.json": json.dumps({"scripts": dict.fromkeys(evil, "x"), "packageManager": "rm -rf /@1"})}
    root = repository(tmp_path / "shop", files)
    for name in ("a\n[start]\nplanner = 'x'\n.csproj", "requirements\n.txt", "requirements$(id).txt", "\x1b.sln"):
        (root / name).write_text("pytest")
    text, _ = settings_for(root)
    project = parsed(text.encode(), FILE)
    assert project.setup[-1] == "npm install --no-package-lock"
    assert set(project.verify) <= {
        "npm run 'test:$(id)'",
        "npm run 'test:'\"'\"'a b'\"'\"''",
        "npm run 'test:\"q\"'",
        ".venv/bin/pytest",
    }
    assert len(project.verify) >= 3
    assert not project.start.said and "\x1b" not in text
    assert all("$(id)" not in line.replace("'test:$(id)'", "") for line in (*project.setup, *project.verify))


def test_nothing_is_run_no_link_is_followed_and_no_file_is_read_without_end(tmp_path: Path) -> None:
    outside = tmp_path / "package.json"
    outside.write_text('{"scripts": {"test": "x"}}')
    root = repository(tmp_path / "shop", {})
    (root / "package.json").symlink_to(outside)
    os.mkfifo(root / "Makefile")
    (root / "pyproject.toml").mkdir()
    (root / "Cargo.toml").write_bytes(b"[workspace]\n#" + b"x" * LARGEST)
    (root / "go.mod").write_bytes(b"\xff\xfe")
    # What git would run, had it been asked.
    (root / ".git" / "config").write_text(f"[core]\n\tfsmonitor = touch {tmp_path}/run; false\n")
    text, found = settings_for(root)
    assert {each.tool for each in found} == {"pip", "Cargo", "Go"}
    assert parsed(text.encode(), FILE).verify == ("cargo test", "go build ./...", "go test ./...")
    assert "package.json" not in contents_of(root).names
    assert init(str(root)).exit_code == 0
    assert not (tmp_path / "run").exists()


def test_it_is_written_once_at_the_root_and_says_what_is_next(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", {"go.mod": "module x\n"})
    inner = root / "a" / "b"
    inner.mkdir(parents=True)
    done = init(cwd=inner)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"wrote {root / FILE}; found: go.mod (Go)\nnext: ")
    assert "commit it" in done.stdout and "start --title" in done.stdout
    written = (root / FILE).read_text()
    assert (root / FILE).stat().st_mode & 0o777 == 0o666 & ~umask()

    (root / FILE).write_text("mine")
    again = init(str(root))
    assert (again.exit_code, again.stdout) == (2, "")
    assert "is there already" in again.stderr and again.stderr.count("\n") == 1
    assert (root / FILE).read_text() == "mine"
    printed = init("--print", cwd=root)
    assert (printed.exit_code, printed.stdout) == (0, written)
    assert (root / FILE).read_text() == "mine"
    assert init("--force", cwd=root).exit_code == 0
    assert (root / FILE).read_text() == written
    assert sorted(each.name for each in root.iterdir()) == [".git", FILE, "a", "go.mod"], "nothing else is left"

    (root / FILE).unlink()
    (root / FILE).symlink_to(tmp_path / "elsewhere")
    assert init(str(root)).exit_code == 2, "a link counts as a file"
    assert init(str(root), "--force").exit_code == 0
    assert not (root / FILE).is_symlink() and not (tmp_path / "elsewhere").exists()
    shown = json.loads(init("--json", "--print", cwd=root).stdout)
    assert (shown["file"], shown["text"], shown["found"][0]["tool"]) == (None, written, "Go")


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_linked_worktree_is_one_and_what_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", {})
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], cwd=root, check=True)
    subprocess.run(["git", "worktree", "add", "-q", "../linked"], cwd=root, check=True)
    assert init(str(tmp_path / "linked")).exit_code == 0
    assert (tmp_path / "linked" / FILE).exists() and not (root / FILE).exists()
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    for wrong in (bare, tmp_path / "nowhere", root / FILE / "x", tmp_path):
        refused = init(str(wrong))
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), (wrong, refused.output)


def test_whatever_a_daemon_knows_projects_by_is_found(tmp_path: Path) -> None:
    """Where a tool chain's downloads are shared with tasks, a repository of it is one that `init` knows."""
    for name, chain in shipped().items():
        for pattern in chain.cache.projects if chain.cache else ():
            folder = repository(tmp_path / f"{name}-{pattern.replace('*', 'x')}", {pattern.replace("*", "x"): ""})
            assert settings_for(folder)[1], (name, pattern)
