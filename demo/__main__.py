"""`make demo`: a goal becomes a pull request, on the real parts, driven as a user would: through starter.py."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from demo.cast import Cast, NoAgent, claude_code, file_of, small_programs
from demo.demo_repository import (
    ForgeFailed,
    GitFailed,
    branch_head,
    copy_of,
    git,
    make_origin,
    missing_changes,
    publish,
    pull_request,
)

TITLE = "Greeter"
GOAL = "A package that says hello and goodbye, with a command line, tests and a changelog."
ACCEPTANCE = "The tests pass"
VERIFY = "python3 -m compileall -q ."
LOOK_EVERY = 1.5
READY_WITHIN = 60.0
DONE_WITHIN = 240.0
"""Seconds; a machine that does much else is no failure."""

BEFORE_THE_WORKER = ("no worker answers", "the record has no tables yet")
"""What `status` says until the worker has started."""

console = Console()


class DemoFailed(Exception):
    """The demo did not end as it should; the text says how."""


class Starter:
    """starter.py, called as from a shell, with the demo's own data folder."""

    def __init__(self, folder: Path, cast: Cast) -> None:
        self._argv = [sys.executable, file_of("starter")]
        self._config = config = folder / "daemon.toml"
        config.write_text(cast.settings)
        # Whatever the user's shell points at, the demo has a stack of its own.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "MAKIMA_"))}
        own = {"MAKIMA_DATA_DIR": str(folder / "data"), "MAKIMA_DAEMON_CONFIG": str(config)}
        self._env = {**kept, **own}

    async def choose_sandbox(self) -> str:
        """Write `sandbox = "none"` into the daemon's settings where no sandbox works: nobody could look at the demo
        otherwise. The line that says so; empty: there is one.
        """
        trial = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "daemon", "sandbox"),
            env={**self._env, "PYTHONSAFEPATH": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await trial.communicate()
        if trial.returncode == 0:
            return ""
        self._config.write_text('sandbox = "none"\n' + self._config.read_text())
        return f'no sandbox works here, so the demo writes sandbox = "none": {(out or err).decode().strip()}'

    @asynccontextmanager
    async def up(self, *, keep: bool) -> AsyncIterator[asyncio.subprocess.Process]:
        """The embedded stack, in a session of its own: Ctrl-C reaches only the demo, which stops it in order."""
        stack = await asyncio.create_subprocess_exec(
            *self._argv, "up", env=self._env, stdout=asyncio.subprocess.PIPE, stderr=None, start_new_session=True
        )
        done = False
        try:
            yield stack
            done = True
        finally:
            if not (keep and done) and stack.returncode is None:
                stack.send_signal(signal.SIGTERM)
                await asyncio.shield(stack.wait())

    async def begin(self, *args: str) -> asyncio.subprocess.Process:
        """A command that runs, with pipes for what it prints."""
        return await asyncio.create_subprocess_exec(
            *self._argv, *args, env=self._env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def json(self, *args: str) -> dict[str, Any]:
        """What a command with `--json` prints; DemoFailed with its stderr where it fails."""
        process = await self.begin(*args, "--json")
        out, err = await process.communicate()
        if process.returncode != 0:
            raise DemoFailed(f"starter.py {args[0]}: {err.decode().strip()}")
        answer: dict[str, Any] = json.loads(out)
        return answer


async def ready(stack: asyncio.subprocess.Process) -> str:
    """Pass on what `up` prints until it is ready, its last line; gives the forge's address."""
    assert stack.stdout is not None
    forge = ""
    async with asyncio.timeout(READY_WITHIN):
        async for line in stack.stdout:
            console.print(f"  {line.decode().rstrip()}", highlight=False, markup=False)
            if line.startswith(b"Forge"):
                forge = line.decode().split()[-1]
            if line.startswith(b"Ready"):
                return forge
    raise DemoFailed("the stack ended before it was ready")


def steps_table(shown: dict[str, Any], seconds: float) -> Table:
    """The directive as it stands."""
    table = Table(title=f"{shown['title']}: {shown['status']}, {seconds:.0f} s", title_justify="left")
    for column in ("step", "status", "branch", "commit"):
        table.add_column(column)
    for step in shown["steps"]:
        table.add_row(step["name"], step["status"], step["branch"], step["head_sha"][:10])
    return table


async def follow(starter: Starter, directive: str) -> dict[str, Any]:
    """Show the directive live until it rests."""
    began = time.monotonic()
    async with asyncio.timeout(DONE_WITHIN):
        with Live(console=console, auto_refresh=False) as live:
            while True:
                try:
                    shown = await starter.json("status", directive)
                except DemoFailed as error:
                    if not any(early in str(error) for early in BEFORE_THE_WORKER):
                        raise
                    await asyncio.sleep(LOOK_EVERY)  # the worker is starting
                    continue
                live.update(steps_table(shown, time.monotonic() - began), refresh=True)
                if shown["status"] in ("idle", "paused", "completed", "failed", "archived"):
                    return shown
                await asyncio.sleep(LOOK_EVERY)


async def begin(starter: Starter, folder: Path, cast: Cast, forge: str) -> dict[str, Any]:
    """Start the demo's directive on a repository at the forge; what `start --json` prints."""
    repository = await publish(forge, folder / "data" / "forge" / "token", make_origin(folder))
    what = ("--title", TITLE, "--goal", GOAL, "--acceptance", ACCEPTANCE, "--verify", VERIFY)
    who = ("--planner", cast.planner, "--agent", cast.agent)
    return await starter.json("start", *what, "--repo", repository, "--base-branch", "main", *who, "--timings", "fast")


async def report(shown: dict[str, Any], folder: Path) -> None:
    """What was planned, what became of it, and whether git and the forge agree; DemoFailed if not."""
    if shown["status"] != "idle" or shown["pr"] is None:
        raise DemoFailed(f"the directive is {shown['status']}: {shown['reason']}")
    names = {step["id"]: step["name"] for step in shown["steps"]}
    console.print("\nPlanned:")
    for step in shown["steps"]:
        after = ", ".join(names[other] for other in step["depends_on"])
        console.print(f"  {step['name']}" + (f" (after {after})" if after else ""), highlight=False)
    console.print("\nDone:")
    for step in shown["steps"]:
        console.print(f"  {step['head_sha'][:10]}  {step['branch']}", highlight=False, soft_wrap=True)
    branch, repository = shown["pr"]["branch"], shown["repository"]
    console.print(f"\nPushed to {repository}: {branch}\n", highlight=False, soft_wrap=True)
    pushed = copy_of(repository, folder)
    console.print(git(pushed, "log", "--graph", "--oneline", "--decorate", branch), highlight=False, markup=False)
    check(shown, pushed, branch)
    await check_pull_request(shown, pushed)


async def check_pull_request(shown: dict[str, Any], pushed: Path) -> None:
    """Ask the forge whether the pull request is as Makima says."""
    known = shown["pr"]
    told = await pull_request(shown["repository"], known["number"])
    seen = (told["state"], told["draft"], told["mergeable"], told["head"]["sha"], told["html_url"])
    if seen != ("open", False, True, known["head"], known["url"]):
        raise DemoFailed(f"the forge says of pull request {known['number']}: {seen}")
    size = git(pushed, "diff", "--shortstat", f"main...{known['branch']}").strip()
    console.print(
        f"the forge says: pull request #{known['number']} is open and can be merged: {size}.", highlight=False
    )


def check(shown: dict[str, Any], origin: Path, branch: str) -> None:
    """Ask git, not Makima, whether the pushed branch holds every step's change."""
    if branch_head(origin, branch) != shown["pr"]["head"]:
        raise DemoFailed(f"{branch} is not at the commit that was reported")
    heads = {step["name"]: step["head_sha"] for step in shown["steps"]}
    missing = missing_changes(origin, branch, heads)
    if missing or not heads:
        raise DemoFailed(f"the pushed branch lacks: {', '.join(missing) or 'any step'}")
    console.print(f"\ngit says: {branch} holds the changes of all {len(heads)} steps.", highlight=False, soft_wrap=True)


async def demo(folder: Path, cast: Cast, *, keep: bool) -> None:
    began = time.monotonic()
    starter = Starter(folder, cast)
    if unboxed := await starter.choose_sandbox():
        console.print(unboxed, highlight=False, markup=False, soft_wrap=True)
    console.print("Starting Temporal, Postgres, a forge, a worker and a daemon")
    async with starter.up(keep=keep) as stack:
        forge = await ready(stack)
        started = await begin(starter, folder, cast, forge)
        shown = await follow(starter, started["id"])
        await report(shown, folder)
        console.print(f"\nPull request: {shown['pr']['url']}", highlight=False, soft_wrap=True)
        console.print(f"Web UI: {started['web_ui']}", highlight=False, soft_wrap=True)
        console.print(f"{time.monotonic() - began:.1f} seconds in all", highlight=False)
    if keep:
        down = f"MAKIMA_DATA_DIR={folder / 'data'} {sys.executable} starter.py down"
        console.print(
            f"The stack goes on, and looks after the pull request. Stop it with: {down}",
            highlight=False,
            soft_wrap=True,
        )


async def with_agent(folder: Path, *, keep: bool) -> None:
    """The same, planned and done by Claude Code."""
    async with claude_code(folder) as cast:
        await demo(folder, cast, keep=keep)


async def until_interrupted(folder: Path, *, agent: bool, keep: bool) -> int:
    """Run the demo; SIGINT and SIGTERM end it and everything that it started."""
    story = with_agent(folder, keep=keep) if agent else demo(folder, small_programs(), keep=keep)
    running = asyncio.create_task(story)
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        console.print("\ninterrupted: everything is stopped")  # the live table may have left its line open
        return 130
    except NoAgent as error:
        console.print(f"demo failed: {error}", style="red")
        return 1
    except (DemoFailed, ForgeFailed, GitFailed, TimeoutError) as error:
        console.print(
            f"demo failed: {error or 'it took too long'}; logs are in {folder / 'data' / 'logs'}", style="red"
        )
        return 1
    if not keep:
        with suppress(OSError):
            shutil.rmtree(folder)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the stack running (make demo KEEP=1)")
    parser.add_argument("--agent", action="store_true", help="Claude Code in place of scripts (make demo-agent)")
    chosen = parser.parse_args()
    # A new folder each time: a second run never meets the leftovers of a first one.
    folder = Path(mkdtemp(prefix="makima-demo-", dir=gettempdir()))
    return asyncio.run(until_interrupted(folder, agent=chosen.agent, keep=chosen.keep))


if __name__ == "__main__":
    sys.exit(main())
