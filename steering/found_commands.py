"""By which commands a repository is set up and tested, as far as its own files say: they are read, nothing is run.

What a file says is data. It chooses among commands that stand here; names of scripts alone come from it, quoted for a
shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from domain.documents import read_relaxed_json, read_toml
from domain.errors import DocumentBroken

MOST_SCRIPTS = 3
"""Of a package without a script `test`."""
LONGEST_NAME = 100
NO_TESTS = "no test specified"
"""What npm writes into a new package."""


@dataclass(frozen=True)
class ProjectCommands:
    """What one kind of project needs."""

    tool: str
    because: str
    """The file that says so."""
    setup: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopFolder:
    """The uppermost folder of a repository: the names in it, and the text of one, empty where it can't be read."""

    names: frozenset[str]
    text: Callable[[str], str]

    def first(self, *patterns: str) -> str:
        """The first name like one of these, in their order; empty: there is none."""
        found = (name for pattern in patterns for name in sorted(self.names) if fnmatchcase(name, pattern))
        return next(found, "")

    def table(self, name: str, read: Callable[[str], Any]) -> Mapping[str, Any]:
        """What a file holds; nothing, where it isn't what its name says."""
        try:
            found = read(self.text(name)) if name in self.names else {}
        except DocumentBroken:
            return {}
        return found if isinstance(found, dict) else {}


PLAIN: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("Go", ("go.mod",), ("go mod download",), ("go build ./...", "go test ./...")),
    ("Maven", ("mvnw",), (), ("./mvnw -B verify",)),
    ("Maven", ("pom.xml",), (), ("mvn -B verify",)),
    ("Gradle", ("gradlew",), (), ("./gradlew build",)),
    ("Gradle", ("build.gradle", "build.gradle.kts"), (), ("gradle build",)),
    ("sbt", ("build.sbt",), (), ("sbt test",)),
    (".NET", ("*.sln", "*.slnx", "*.csproj", "*.fsproj"), ("dotnet restore",), ("dotnet test --no-restore",)),
    ("Elixir", ("mix.exs",), ("mix deps.get",), ("mix test",)),
    ("Swift", ("Package.swift",), (), ("swift build", "swift test")),
    ("Deno", ("deno.json", "deno.jsonc"), (), ("deno test",)),
    ("CMake", ("CMakeLists.txt",), ("cmake -B build",), ("cmake --build build", "ctest --test-dir build")),
)
"""Kinds whose one file says all: the kind, names of that file, setup, verify. Of a kind the first counts."""
LOCKS: Mapping[str, tuple[str, str]] = {
    "pnpm-lock.yaml": ("pnpm", "pnpm install --frozen-lockfile"),
    "yarn.lock": ("yarn", "yarn install --frozen-lockfile"),
    "bun.lock": ("bun", "bun install --frozen-lockfile"),
    "bun.lockb": ("bun", "bun install --frozen-lockfile"),
    "package-lock.json": ("npm", "npm ci"),
    "npm-shrinkwrap.json": ("npm", "npm ci"),
}
"""A file of a package's → who has written it, and what installs just what it says."""
UNLOCKED = {
    "npm": "npm install --no-package-lock",
    "pnpm": "pnpm install --no-lockfile",
    "yarn": "yarn install --no-lockfile",
    "bun": "bun install --no-save",
}
RUNNERS: tuple[tuple[str, str, str, str], ...] = (
    ("uv.lock", "uv", "uv sync --frozen --all-extras", "uv run --frozen "),
    ("poetry.lock", "poetry", "poetry install", "poetry run "),
    ("pdm.lock", "pdm", "pdm sync", "pdm run "),
    ("Pipfile.lock", "pipenv", "pipenv sync --dev", "pipenv run "),
    ("Pipfile", "pipenv", "pipenv install --dev --skip-lock", "pipenv run "),
)
"""A file of Python's → the tool, what installs, and what stands before a command."""
PROJECTS = ("pyproject.toml", "setup.py", "setup.cfg")
TEST_EXTRAS = ("test", "tests", "testing", "dev")
_TARGET = re.compile(r"^([A-Za-z0-9_-]+(?:[ \t]+[A-Za-z0-9_-]+)*)[ \t]*::?(?!=)", re.MULTILINE)
_RECIPE = re.compile(r"^@?([a-z][a-z0-9_-]*)[^:=\n]*:(?!=)", re.MULTILINE)


def found_commands(contents: TopFolder) -> list[ProjectCommands]:
    """A line for each kind of project; what the repository's own `make` or `just` tests counts in place of theirs."""
    kinds = [*_python(contents), *_node(contents), *_rust(contents), *_ruby(contents), *_php(contents)]
    kinds += _plain(contents, {each.tool for each in kinds})
    whole = [*_make(contents), *_just(contents)][:1]
    if not whole:
        return kinds
    return [*(ProjectCommands(each.tool, each.because, each.setup) for each in kinds), *whole]


def _plain(contents: TopFolder, known: set[str]) -> Iterator[ProjectCommands]:
    for tool, files, setup, verify in PLAIN:
        if tool not in known and (file := contents.first(*files)):
            known.add(tool)
            yield ProjectCommands(tool, file, setup, verify)


def _make(contents: TopFolder) -> Iterator[ProjectCommands]:
    file = contents.first("GNUmakefile", "makefile", "Makefile")
    targets = {name for found in _TARGET.finditer(contents.text(file)) for name in found[1].split()} if file else set()
    if target := next((name for name in ("check", "test") if name in targets), ""):
        yield ProjectCommands("make", file, (), (f"make {target}",))


def _just(contents: TopFolder) -> Iterator[ProjectCommands]:
    file = contents.first("justfile", "Justfile", ".justfile")
    recipes = {found[1] for found in _RECIPE.finditer(contents.text(file))} if file else set()
    if recipe := next((name for name in ("check", "test") if name in recipes), ""):
        yield ProjectCommands("just", file, (), (f"just {recipe}",))


def _rust(contents: TopFolder) -> Iterator[ProjectCommands]:
    if "Cargo.toml" in contents.names:
        locked = " --locked" if "Cargo.lock" in contents.names else ""
        workspace = " --workspace" if "workspace" in contents.table("Cargo.toml", read_toml) else ""
        yield ProjectCommands("Cargo", "Cargo.toml", (f"cargo fetch{locked}",), (f"cargo test{workspace}{locked}",))


def _ruby(contents: TopFolder) -> Iterator[ProjectCommands]:
    if "Gemfile" in contents.names:
        test = "bundle exec rspec" if contents.first("spec", ".rspec") else "bundle exec rake"
        has_tests = contents.first("spec", ".rspec", "Rakefile")
        yield ProjectCommands("Bundler", "Gemfile", ("bundle install",), (test,) if has_tests else ())


def _php(contents: TopFolder) -> Iterator[ProjectCommands]:
    if "composer.json" in contents.names:
        scripts = contents.table("composer.json", read_relaxed_json).get("scripts")
        unit = contents.first("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml")
        test = (
            "composer test" if isinstance(scripts, dict) and "test" in scripts else "vendor/bin/phpunit" if unit else ""
        )
        yield ProjectCommands("Composer", "composer.json", ("composer install",), (test,) if test else ())


def _node(contents: TopFolder) -> Iterator[ProjectCommands]:
    if "package.json" not in contents.names:
        return
    package = contents.table("package.json", read_relaxed_json)
    lock = next((name for name in LOCKS if name in contents.names), "")
    said = str(package.get("packageManager", "")).partition("@")[0]
    tool = said if said in UNLOCKED else LOCKS[lock][0] if lock else "npm"
    install = next((command for name, (by, command) in LOCKS.items() if by == tool and name in contents.names), "")
    if tool == "yarn" and install and ".yarnrc.yml" in contents.names:
        install = "yarn install --immutable"
    scripts = package.get("scripts")
    tests = _scripts({**scripts} if isinstance(scripts, dict) else {})
    yield ProjectCommands(
        tool, "package.json", (install or UNLOCKED[tool],), tuple(f"{tool} run {each}" for each in tests)
    )


def _scripts(scripts: dict[str, Any]) -> list[str]:
    """Those that build and test, as words for a shell; a name may be any text whatever."""
    real = {name for name, line in scripts.items() if isinstance(line, str) and line and NO_TESTS not in line}
    written = {each for each in real if each.isprintable() and len(each) <= LONGEST_NAME}
    tests = ["test"] if "test" in written else sorted(each for each in written if each.startswith("test:"))
    return [shlex.quote(each) for each in ("build", *tests[:MOST_SCRIPTS]) if each in written]


def _python(contents: TopFolder) -> Iterator[ProjectCommands]:
    project = contents.table("pyproject.toml", read_toml)
    tools = project.get("tool") if isinstance(project.get("tool"), dict) else {}
    for file, tool, install, before in RUNNERS:
        if file in contents.names:
            yield ProjectCommands(tool, file, (install,), _python_tests(contents, tools or {}, before))
            return
    because = next(iter([*filter(None, [contents.first(*PROJECTS)]), *_requirements(contents)]), "")
    if because:
        venv = ("python3 -m venv .venv", f".venv/bin/pip install {_installed(contents, project)}")
        yield ProjectCommands("pip", because, venv, _python_tests(contents, tools or {}, ".venv/bin/"))


def _requirements(contents: TopFolder) -> list[str]:
    return [name for name in sorted(contents.names) if re.fullmatch(r"requirements[a-z0-9._-]{0,40}\.txt", name)]


def _installed(contents: TopFolder, project: Mapping[str, Any]) -> str:
    files = _requirements(contents)
    parts = [f"-r {name}" for name in files]
    if contents.first(*PROJECTS) and ("project" in project or not files):
        about = project.get("project")
        extras = about.get("optional-dependencies") if isinstance(about, dict) else None
        extra = next((name for name in TEST_EXTRAS if isinstance(extras, dict) and name in extras), "")
        parts.append(f"-e '.[{extra}]'" if extra else "-e .")
    return " ".join(parts)


def _python_tests(contents: TopFolder, tools: Mapping[str, Any], before: str) -> tuple[str, ...]:
    telling = [name for name in (*PROJECTS, "tox.ini", "Pipfile") if name in contents.names]
    named = any("pytest" in contents.text(each) for each in (*telling, *_requirements(contents)))
    if named or "pytest" in tools or contents.first("pytest.ini", "conftest.py"):
        return (f"{before}pytest",)
    if contents.first("tox.ini") or "tox" in tools:
        return ("tox",)
    if contents.first("noxfile.py"):
        return ("nox",)
    return (f"{before}python -m unittest",) if contents.first("tests", "test", "test_*.py") else ()
