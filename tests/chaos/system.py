"""Every part of Makima as a process of its own, on servers of its own, for a hand to disturb."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.acceptance.houses import forge_of, forge_settings
from tests.acceptance.stack import MortalSite, Running, Servers, processes_of
from tests.chaos.hand import Part

DAEMONS = ("one", "two")


class System:
    """A worker and two daemons at one site, and the servers below them."""

    def __init__(self, site: MortalSite) -> None:
        self.site = site
        self.servers: Servers = site.servers
        self.forge = forge_of(site.servers)
        self._worker = site.worker()
        self._daemons = {name: self._daemon(name) for name in DAEMONS}

    @property
    def parts(self) -> list[Part]:
        daemons = [
            Part(f"daemon {name}", self._own(lambda name=name: self._daemons[name]), weight=3)  # type: ignore[misc]
            for name in DAEMONS
        ]
        servers = [Part(name, self._server(name)) for name in ("temporal", "postgres", "fakes.forge")]
        worker = Part("worker", self._own(lambda: self._worker), weight=2)
        return [*daemons, *servers, worker, Part("agent", self._agent, may_freeze=False)]

    def home(self, name: str) -> Path:
        """The folder in which a daemon has all that it has."""
        return self.site.folder / name / "daemon" / name

    def agents(self) -> set[int]:
        """The pids of what daemons have started for tasks, keepers too."""
        return {pid for name in DAEMONS for pid in processes_of(self.home(name) / "tasks")}

    def end(self) -> list[int]:
        """SIGTERM to worker and daemons; their exit codes."""
        processes = (self._worker, *self._daemons.values())
        for process in processes:
            process.popen.terminate()
        return [process.wait() for process in processes]

    def said(self) -> str:
        """What the parts wrote on stderr."""
        parts = (self._worker, *self._daemons.values())
        return "\n".join(part.err for part in parts)

    async def manage(self) -> None:
        """Start again, for ever, what has ended, as a service manager does; `up` does it for its own children."""
        while True:
            await asyncio.sleep(1)
            if self._worker.popen.poll() is not None:
                self._worker = self.site.worker()
            for name, daemon in self._daemons.items():
                if daemon.popen.poll() is not None:
                    self._daemons[name] = self._daemon(name)

    def _daemon(self, name: str) -> Running:
        further = f"capacity = 2\n{forge_settings(self.forge)}"
        return self.site.daemon(name, further=further, planner="../chaos/builder.py")

    def _own(self, running: Callable[[], Running]) -> Callable[[random.Random], psutil.Process | None]:
        def process(_: random.Random) -> psutil.Process | None:
            popen = running().popen
            return psutil.Process(popen.pid) if popen.poll() is None else None

        return process

    def _server(self, name: str) -> Callable[[random.Random], psutil.Process | None]:
        """A child of `up`, which starts it again by itself."""

        def process(_: random.Random) -> psutil.Process | None:
            for child in psutil.Process(self.servers.up.popen.pid).children():
                with suppress(psutil.NoSuchProcess):
                    if any(name in part for part in child.cmdline()[:4]):
                        return child
            return None

        return process

    def _agent(self, chance: random.Random) -> psutil.Process | None:
        agents = [each for each in map(_process, sorted(self.agents())) if each and _is_builder(each)]
        return chance.choice(agents) if agents else None


def _process(pid: int) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def _is_builder(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return len(process.cmdline()) > 1 and process.cmdline()[1].endswith("builder.py")
    return False
