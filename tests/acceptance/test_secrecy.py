"""The secret of a directive (docs/decisions/0010) is shown nowhere: by no command that the command lines know, in no
log at its most talkative, no file, no process, and no object that reaches the remote.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperOption
from typer.main import get_group

from daemon.commands import build_app as daemons_app
from starter import build_app
from tests.acceptance.greeter import FIRST_STEPS, Greeter
from tests.acceptance.stack import (
    MortalSite,
    Ours,
    Ran,
    Running,
    Servers,
    daemon_settings,
    environment,
    temporal_at,
    until,
)
from tests.acceptance.test_forger import recorded_secret, terminated
from tests.forked import Program

NOT_FLAGS = {"--follow", "--wait", "--all", "--push", "--clear", "--servers-only"}
"""They wait, or need something else than the rest of the command."""
LAST = ("archive", "prune", "recover", "restart", "down")
"""They take away what others show."""
SERVERS = ("up", "answers")
"""They end when they are told to."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MortalSite]:
    """A whole stack whose parts log all that they can."""
    settings = daemon_settings(tmp_path / "operator", "local")
    servers = Servers(tmp_path, MAKIMA_DAEMON_CONFIG=str(settings), MAKIMA_LOG_LEVEL="debug")
    with MortalSite(servers, tmp_path / "operator", "default") as site, servers:  # the daemon ends before the site
        yield site


@pytest.mark.rule("6.8")
@pytest.mark.timeout(600)
def test_the_secret_is_shown_nowhere(house: MortalSite, tmp_path: Path) -> None:
    greeter = Greeter(house)
    directive = greeter.start_only()
    greeter.until_running(*FIRST_STEPS)
    asyncio.run(terminated(house, directive))
    secret = asyncio.run(recorded_secret(house, directive))
    assert house.starter("recover", directive).code == 0  # its run is told the secret by the record
    greeter.until_running(*FIRST_STEPS, times=2)
    keys = {json.loads(note.read_text())["attempt_key"] for note in tmp_path.rglob("delivery.json")}
    assert len(keys) > len(FIRST_STEPS) and all(keys)
    kept = (secret, *keys)
    no_process_was_told(kept)
    greeter.let("all")
    until(lambda: greeter.shown(directive)["status"] == "idle", "the end", 120)

    no_object_holds(kept, greeter.origin, *house.servers.data.rglob("repositories/*.git"))
    shown = dict(printed(house, directive, tmp_path))
    assert not [command for command, ran in shown.items() if any(each in ran.out + ran.err for each in kept)]
    assert not {each: ran for each, ran in shown.items() if "Traceback" in ran.err or ran.code not in (0, 1, 2)}
    worked = {command[1] for command, ran in shown.items() if ran.code == 0}
    assert {"status", "history", "plan", "logs", "memory", "why", "diff", "archive", "restart"} <= worked
    no_file_holds(secret, keys, tmp_path)


def no_process_was_told(kept: Sequence[str]) -> None:
    """Neither servers, worker, daemon and keepers nor the agents that run now."""
    for process in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        for file in ("cmdline", "environ"):
            try:
                told = (process / file).read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            assert not any(each.encode() in told for each in kept), (process, file)


def no_object_holds(kept: Sequence[str], *repositories: Path) -> None:
    """Not packed either: what reaches the remote, and what may at the next push."""
    assert len(repositories) > 1
    for repository in repositories:
        reading = ("git", f"--git-dir={repository}", "cat-file", "--batch-all-objects", "--batch", "--buffer")
        every = subprocess.run(reading, capture_output=True, check=True).stdout
        assert b"Outcome of an attempt" in every, "the objects are read"
        assert not any(each.encode() in every for each in kept), repository


def no_file_holds(secret: str, keys: set[str], folder: Path) -> None:
    """But those of the servers, which have the record and Temporal's histories, and the note of each attempt's key."""
    servers = (f"{folder}/data/postgres/", f"{folder}/data/temporal.db")
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    ours = [file for file in files if not str(file).startswith(servers)]
    logs = {file.name: file.read_text() for file in ours if file.suffix == ".log"}
    assert all(" DEBUG " in logs[f"{part}.log"] for part in ("worker", "daemon")), logs.keys()
    for file in ours:
        held = file.read_bytes()
        assert secret.encode() not in held, file
        assert file.name == "delivery.json" or not any(key.encode() in held for key in keys), file


def printed(site: MortalSite, directive: str, folder: Path) -> Iterator[tuple[tuple[str, ...], Ran]]:
    """All that starter.py and the daemon's command line print: each command, in all that it prints."""
    assert site.starter("memory-set", directive, "rule", "a value").code == 0
    given = values(directive, folder)
    settings = folder / "operator" / "local" / "daemon.toml"
    there = temporal_at(site.servers)
    own = environment(MAKIMA_DATA_DIR=site.servers.data, MAKIMA_DAEMON_CONFIG=settings, **there)

    def run(line: tuple[str, ...]) -> tuple[tuple[str, ...], Ran]:
        if line[0] == "starter":
            return line, site.starter(*line[1:], XDG_CACHE_HOME=folder / "caches" / "-".join(line[1:])[:200])
        return line, Running("-".join(line), Ours(Program.DAEMON, line[1:]), own, folder / "daemons").ran()

    operators = get_group(build_app()).commands
    daemons = get_group(daemons_app(*[None] * 4)).commands  # type: ignore[arg-type]
    first = [("starter", name, operators[name].params) for name in operators if name not in (*LAST, *SERVERS)]
    first += [("daemon", name, daemons[name].params) for name in daemons]
    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(run, (line for each in first for line in typed(*each, given)))
    yield from map(run, (line for name in LAST for line in typed("starter", name, operators[name].params, given)))
    yield ("starter", "up"), site.servers.up.ran()  # the last command has ended it


def values(directive: str, folder: Path) -> Mapping[str, str]:
    """What is typed for an argument, or an option that has to be there, by its name."""
    (note, *_) = folder.rglob("delivery.json")
    return {
        "directive": directive,
        "task": str(json.loads(note.read_text())["command"]["task"]),
        "repo": str(folder / "operator" / "origin.git"),
        "folder": str(folder / "operator" / "clone"),  # else `init` would write into the checkout
        "amount": "20usd",
        **dict.fromkeys(("step", "on"), FIRST_STEPS[1]),
        **dict.fromkeys(("title", "goal", "name", "text", "value", "comment", "reason"), "Something"),
        "key": "rule",
        "action": "list",
        "repository": "https://example.invalid/acme/shop",
        "question": "abcd",
        "url": "https://example.invalid/acme/shop/pull/1",
        "task_plan": "true",
        "part": "daemon",
        "agent": "planner",
        "secret_file": str(folder / "nowhere"),
    }


def typed(program: str, name: str, params: Sequence[Any], given: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The command's lines: as short as it may be, as JSON, and, where it only shows something, with each other flag."""
    is_start = name in ("start", "create")
    also = ("directive", "part", "folder", *(("title", "repo", "goal", "agent") if is_start else ()))
    needed = [each for each in params if each.required or each.name in also]
    line = [program, name, *(given[str(each.name)] for each in needed if each.param_type_name == "argument")]
    line += [word for each in needed if isinstance(each, TyperOption) for word in (each.opts[0], given[str(each.name)])]
    flags = {each.opts[0] for each in params if isinstance(each, TyperOption) and each.is_flag} - NOT_FLAGS
    if "--yes" in flags:
        line.append("--yes")
    yield tuple(line)
    changes = any(each.name in ("request_id", "once") for each in params)
    for flag in flags - {"--yes"} if not changes else flags & {"--json"}:
        yield (*line, flag)
    for each in params:
        if each.param_type_name == "argument" and each not in needed:
            yield (*line, given[str(each.name)])
