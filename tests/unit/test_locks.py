"""The lock files: everything has its exact version and its hashes, and nothing an address."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from daemon.agents.acp.profile import shipped
from daemon.doctor.checks import KNOWN
from tests.agents.conftest import ACP, WITHOUT_LOGIN, pinned_versions

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETS = ("base", *PROJECT["project"]["optional-dependencies"])
REQUIREMENT = re.compile(
    r"^([\w.-]+)==([\w.]+)((?: ;[^\\]+)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE
)
NPM = json.loads((ROOT / "tests" / "agents" / "package-lock.json").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def locked(name: str) -> dict[str, tuple[str, str]]:
    """Requirement → its version and marker; AssertionError for a line that is none."""
    head, _, text = (ROOT / "locks" / f"{name}.txt").read_text().partition("\n")
    assert head.startswith("# ")
    assert REQUIREMENT.sub("", text) == ""
    return {normal(each[1]): (each[2], each[3]) for each in REQUIREMENT.finditer(text)}


def test_every_set_has_a_lock_and_every_version_is_that_of_the_constraints() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    constrained = {normal(name): version for name, version in pins.items()}
    everything = {name: found for each in SETS for name, found in locked(each).items()}
    for name, (version, marker) in everything.items():
        # What other systems alone need is pinned here and nowhere else.
        assert constrained.get(name, "win32" in marker and version) == version, f"{name}: run `make locks`"
    assert constrained.keys() <= everything.keys(), "run `make locks`"


def test_without_the_tests_tools_few_packages_are_installed() -> None:
    """299 MB (docs/decisions/0061-installing-and-removing.md); their number is the same on each machine."""
    without_tests = {name for each in SETS if each not in ("dev", "notices") for name in locked(each)}
    assert len(without_tests) <= 74, "name in the decision what a new package is needed for, and what it weighs"


@pytest.mark.parametrize("name", SETS)
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    optional = PROJECT["project"]["optional-dependencies"]
    asked = (
        optional[name] if name in optional else PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
    )
    wanted = {normal(re.split(r"[<>=;\[ ]", each)[0]) for each in asked}
    assert wanted <= locked("base").keys() | locked(name).keys(), "run `make locks`"


def test_agents_are_locked_all_the_way_down_without_an_address() -> None:
    asked = json.loads((ROOT / "tests" / "agents" / "package.json").read_text())["dependencies"]
    own, *packages = NPM["packages"].values()
    assert own["dependencies"] == asked, "run `make locks`"
    assert {asked["@anthropic-ai/claude-code"], asked["@openai/codex"]} == {known.tested for known in KNOWN.values()}
    assert {name: (each.tested, each.until_login) for name, each in shipped().items()} == {
        name: (pinned_versions()[package], name in WITHOUT_LOGIN) for name, package in (ACP | WITHOUT_LOGIN).items()
    }
    for package in packages:
        assert "resolved" not in package
        assert re.fullmatch(r"sha512-[\w+/]+={0,2}", package["integrity"])
        assert re.fullmatch(r"[\d.]+(-[\w.-]+)?", package["version"])
        for versions in (package.get("dependencies", {}), package.get("optionalDependencies", {})):
            # A range, which only one of the versions above fits: no address, folder or branch.
            assert all(re.fullmatch(r"(npm:[@\w/-]+@)?[\w.^~<>=|* -]+", version) for version in versions.values())


def test_no_lock_names_a_host() -> None:
    for file in (*(ROOT / "locks").glob("*.txt"), *(ROOT / "tests").glob("*/package-lock.json")):
        assert "://" not in file.read_text(), file
