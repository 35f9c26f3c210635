"""`make locks`: write the lock files anew from pyproject.toml, constraints.txt and what is asked for of npm (FROM_NPM).

Each requirement has its exact version and the hashes of all its files, and no address: whatever index, mirror or folder
a machine is told to use, it installs the same files. Needs uv; npm for the coding agents.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
FROM_NPM = (ROOT / "tests" / "agents", ROOT / "tests" / "clients")
BASE = "base"
OLDEST_PYTHON = "3.11"


def main() -> int:
    missing = [program for program in ("uv", "npm") if shutil.which(program) is None]
    if missing:
        sys.stderr.write(f"{' and '.join(missing)}: not on the PATH, and needed to write the locks\n")
        return 2
    try:
        write_locks()
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        sys.stderr.write(f"{error.cmd[0]} found no lock: {lines[-1] if lines else f'exit code {error.returncode}'}\n")
        return 1
    return 0


def write_locks() -> None:
    """All of them, or none; subprocess.CalledProcessError where the tools find no answer."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = "\n".join(project["build-system"]["requires"])
    base = locked(build)
    sets = {BASE: base}
    for name in project["project"]["optional-dependencies"]:
        sets[name] = {each: lock for each, lock in locked(build, "--extra", name).items() if each not in base}
    npm = ("npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund")
    for folder in FROM_NPM:
        subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=True)
        lock = folder / "package-lock.json"
        lock.write_text(pruned(lock.read_text()))
    for name, found in sets.items():
        text = "".join(found[each] for each in sorted(found))
        (LOCKS / f"{name}.txt").write_text(f"# Written by `make locks`.\n{text}")


def pruned(lock: str) -> str:
    """npm's lock without what its packages say of themselves (where one can give them money), and without optional
    packages that the registry doesn't have: with their names npm takes its own lock for incomplete.
    """
    read = json.loads(lock)
    names = {path.rpartition("node_modules/")[2] for path in read["packages"]}
    for package in read["packages"].values():
        package.pop("funding", None)
        if optional := package.get("optionalDependencies"):
            package["optionalDependencies"] = {name: each for name, each in optional.items() if name in names}
    return json.dumps(read, indent=2) + "\n"


def locked(build: str, *options: str) -> dict[str, str]:
    """Requirement → its lines in a lock of the project with what builds it; for all platforms."""
    fixed = ("--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--constraint", "constraints.txt")
    quiet = ("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    done = subprocess.run(
        ("uv", "pip", "compile", *fixed, *quiet, *options, "pyproject.toml", "-"),
        cwd=ROOT, input=build, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, str] = {}
    name = ""
    for line in done.stdout.splitlines():
        name = name if line.startswith(" ") else line
        found[name] = found.get(name, "") + f"{line}\n"
    return found


if __name__ == "__main__":
    sys.exit(main())
