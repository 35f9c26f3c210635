"""A door in a process of its own, whose parent a test may kill."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

OPENER = """
import asyncio, os, psutil, sys
from pathlib import Path
from daemon.sandbox.doorway import Doorway
from daemon.sandbox.door_process import opened
from daemon.network.door_policy import Policy

async def main():
    async with opened(Doorway.beside(Path(sys.argv[1]), Policy()), print, os.environ):
        while not (found := psutil.Process().children()):
            await asyncio.sleep(0.01)
        print(found[0].pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def door_of_a_daemon(folder: Path) -> tuple[asyncio.subprocess.Process, psutil.Process]:
    """Who opened it, and the door."""
    argv = (sys.executable, "-c", OPENER, str(folder))
    daemon = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert daemon.stdout is not None
    return daemon, psutil.Process(int(await daemon.stdout.readline()))
