"""A place for directives whose steps a test holds, and whose operator sits at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from pathlib import Path

from tests.acceptance.coder import step
from tests.acceptance.houses import House, Street
from tests.acceptance.stack import STARTER, Site, environment


class Yard:
    """One owner's processes."""

    def __init__(self, site: Site, street: Street) -> None:
        self.site = site
        self.street = street

    def gate(self, name: str) -> Path:
        return self.site.folder / f"gate-{name}"

    def held(self, name: str, *lines: str, after: tuple[str, ...] = ()) -> dict[str, object]:
        """A step that says that it runs, and waits for its gate."""
        gate = self.gate(name)
        return step(name, f"touch {gate}-reached; while ! test -e {gate}; do sleep 0.1; done", *lines, after=after)

    async def house(self, name: str, plan: list[dict[str, object]], *options: str) -> House:
        file = self.site.folder / f"plan-{name}.json"
        await asyncio.to_thread(file.write_text, json.dumps({"steps": plan}))
        return await self.street.house(name, "--plan", str(file), *options)

    def types(self, answer: str, *args: str) -> str:
        """What a command of starter.py prints at a terminal whose user types `answer`."""
        ours, theirs = pty.openpty()
        env = environment(MAKIMA_DATA_DIR=self.site.servers.data, MAKIMA_OWNER=self.site.owner, TERM="dumb")
        argv = [*STARTER, *args]
        running = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, _ = running.communicate(timeout=90)
        os.close(ours)
        return out.decode()
