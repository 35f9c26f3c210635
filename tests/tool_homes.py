"""A home folder as tool chains lay it out, and a daemon whose user lives in it: tasks run in its sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from daemon.sandbox.sandbox import Bubblewrap, Opening, find_bubblewrap
from daemon.tool_chains.machine_tools import Inventory, MachineTools
from daemon.tool_chains.tool_chain import ToolChain
from domain.daemon_messages import LogChunk
from tests.integration.conftest import Committer
from tests.integration.deliveries import RememberedCore, Steps
from tests.needs import lack, need


class ToolHome:
    """The home folder at `path`; `does` runs a script as an agent there, in the sandbox."""

    def __init__(self, path: Path, steps: Steps, commit: Committer, own: Path) -> None:
        """`own`: the daemon's folder."""
        self.path = path
        self.chains: dict[str, ToolChain] = {}
        self.environ: dict[str, str] = {"HOME": str(path), "PATH": "/usr/bin:/bin"}
        self.project: dict[str, str] = {}
        """Files of the repository, by name."""
        self._steps = steps
        self._commit = commit
        self._own = own

    def file(self, name: str, text: str = "", *, mode: int = 0o644) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def program(self, name: str, script: str = "echo here") -> Path:
        return self.file(name, f"#!/bin/sh\n{script}\n", mode=0o755)

    def link(self, name: str, target: Path | str) -> Path:
        link = self.path / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        return link

    @property
    def tools(self) -> MachineTools:
        return MachineTools(self.chains, self.environ, self._own, hidden=(self._own,))

    def inventory(self) -> Inventory:
        return self.tools.take_inventory()

    async def does(self, script: str, env: Mapping[str, str] | None = None) -> list[str]:
        """What the script printed, and the daemon's lines between it; it is the task of a step."""
        program = find_bubblewrap(os.environ) or need("bwrap", "bubblewrap")
        daemon = self._steps.daemon
        daemon.core = RememberedCore()
        if self.project:
            self._commit(self.project, branch="main")
        opening = Opening(hidden=(self._own,))
        more = {"sandbox": Bubblewrap(program, opening, self.environ), "tools": self.tools}
        daemon.more |= more
        exports = "".join(f"export {name}='{value}'\n" for name, value in (env or {}).items())
        await self._steps.does(f"{exports}{script}")
        return text_of(daemon.core.chunks).splitlines()


def text_of(chunks: list[LogChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def lay_out_rust(home: ToolHome) -> str:
    """rustup's folder with this machine's compiler, and its proxies; the name of the toolchain."""
    rustc = need("rustc", "rustc")
    need("cargo", "cargo")
    sysroot = Path(_output(rustc, "--print", "sysroot"))
    home.link(".rustup/toolchains/house", sysroot)
    home.file(".rustup/settings.toml", 'version = "12"\ndefault_toolchain = "house"\n[overrides]\n')
    rustup = shutil.which("rustup")
    if rustup:
        (home.path / ".cargo/bin").mkdir(parents=True)
        shutil.copy(Path(rustup).resolve(), home.path / ".cargo/bin/rustup")
    else:
        home.program(".cargo/bin/rustup", 'exec "$RUSTUP_HOME/toolchains/house/bin/$(basename "$0")" "$@"')
    for name in ("cargo", "rustc"):
        home.link(f".cargo/bin/{name}", "rustup")
    return "house"


def lay_out_go(home: ToolHome) -> None:
    """A Go as golang.org/dl lays it."""
    go = need("go", "golang-go")
    home.link("sdk/go1.99", _output(go, "env", "GOROOT"))


def lay_out_java(home: ToolHome) -> None:
    javac = Path(need("javac", "default-jdk-headless")).resolve()
    home.link(".sdkman/candidates/java/99-house", javac.parents[1])
    home.link(".sdkman/candidates/java/current", "99-house")


def lay_out_node(home: ToolHome) -> str:
    """nvm's folder with this machine's Node; its version."""
    node, npm = need("node", "nodejs"), need("npm", "npm")
    version = _output(node, "--version")
    home.link(f".nvm/versions/node/{version}/bin/node", Path(node).resolve())
    home.link(f".nvm/versions/node/{version}/bin/npm", Path(npm).resolve())
    home.file(".nvm/alias/default", version.removeprefix("v").partition(".")[0])
    return version


def lay_out_python(home: ToolHome) -> None:
    """pyenv's folder with the system's Python, and shims that choose as pyenv does."""
    if subprocess.run(("/usr/bin/python3", "-c", "import ensurepip, venv"), check=False).returncode:
        lack("the system's Python has no venv: apt-get install python3-venv")
    home.link(".pyenv/versions/house", "/usr")
    home.file(".pyenv/version", "house\n")
    for name in ("python3", "pip3"):
        home.program(
            f".pyenv/shims/{name}", 'exec "$PYENV_ROOT/versions/$(cat "$PYENV_ROOT/version")/bin/$(basename "$0")" "$@"'
        )


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
