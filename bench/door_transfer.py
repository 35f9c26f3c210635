"""What the door adds to the start of a boxed command, by turns without and with it: `python -m bench.door_transfer`.

docs/decisions/0011-door.md says what was seen.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from daemon.network.door_policy import Policy
from daemon.process.run import run
from daemon.sandbox.door_process import opened
from daemon.sandbox.doorway import Doorway
from daemon.sandbox.sandbox import Opening, SandboxMode, SandboxPlaces, open_sandbox
from daemon.sandbox.task_folder import make_task_folder
from runtime.exit import leave
from runtime.exit import run as run_main

ROUNDS = 30


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def main() -> int:
    taken: dict[str, list[float]] = {"without a door": [], "with a door that is open": [], "opening it first": []}
    with TemporaryDirectory(prefix="makima-bench-") as folder:
        sandbox = await open_sandbox(SandboxMode.REQUIRED, Opening(), scratch=Path(folder), environ=os.environ)
        doorway = Doorway.beside(Path(folder), Policy())
        folders = make_task_folder(Path(folder, "task"))
        places = SandboxPlaces(folders.path, folders, folders.home)
        plain = sandbox.wrap(("true",), cwd=folders.path, places=places)
        behind = sandbox.wrap(("true",), cwd=folders.path, places=replace(places, door=doorway))
        without, with_open, opening = taken.values()
        for number in range(ROUNDS + 1):
            without.append(await seconds(plain))
            async with opened(doorway, print_line, os.environ):
                # Until it listens to what it is handed.
                await seconds(behind)
                await asyncio.sleep(0.2)
                with_open.append(await seconds(behind))
            began = time.perf_counter()
            async with opened(doorway, print_line, os.environ):
                await seconds(behind)
                opening.append(time.perf_counter() - began)
            if not number:  # the first round only warms up
                for each in taken.values():
                    each.clear()
    base = median(without)
    for name, found in taken.items():
        middle = median(found)
        print_line(f"{name}: {middle * 1000:.0f} ms, ratio {middle / base:.2f}, at best {min(found) * 1000:.0f} ms")
    print_line(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


async def seconds(argv: tuple[str, ...]) -> float:
    began = time.perf_counter()
    await run(argv, cwd=Path("/"), env={"PATH": os.environ["PATH"]}, timeout=60)
    return time.perf_counter() - began


if __name__ == "__main__":
    leave(run_main(main))
