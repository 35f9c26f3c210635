"""From what an operator types to a typed request; no server answers here."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import typer
from temporalio.client import Client
from typer.testing import CliRunner

import starter
from cli.operator import actions
from cli.operator import step_actions as steps
from cli.operator.actions import ACTIONS
from cli.operator.app import ACTIONS as ACTIONS_GROUP
from cli.operator.app import GROUPS, add_operator_commands, find, names_in
from cli.operator.signatures import with_parameters_of
from domain.errors import NotReachable, Refused, SettingsError
from domain.health_report import Check, Health, all_of
from domain.plan import PlannedStep
from domain.remote_leftovers import RemoteFound, RemoteWanted
from domain.requests import (
    AnswerQuestion,
    CompleteStep,
    EditStep,
    Pause,
    Request,
    SetDependencies,
    SetMemory,
    StepRequest,
)
from domain.version import VERSION
from runtime.exit import run
from starter import STACK_COMMANDS, build_app
from steering.client import UPDATES
from steering.connections import Cleaning, Record, Retention


class Nowhere:
    """Connections to servers that are all away."""

    owner = "me"
    web_ui = None
    cache = Path("nowhere")
    config = Path("nowhere")

    async def temporal(self) -> Client:
        raise NotReachable("Temporal is away")

    def record(self) -> AbstractAsyncContextManager[Record]:
        raise NotReachable("Postgres is away")

    def retention(self) -> AbstractAsyncContextManager[Retention]:
        raise NotReachable("Postgres is away")

    def cleaning(self, *, with_settings: bool) -> AbstractAsyncContextManager[Cleaning]:
        raise NotReachable("Postgres is away")

    async def on_remote(self, wanted: RemoteWanted) -> RemoteFound:
        raise SettingsError("this machine has no daemon")

    async def local_daemon(self, options: Sequence[str]) -> None:
        return None

    answer_url = ""

    async def notice_checks(self) -> Sequence[Check]:
        return ()

    def answer_key(self) -> bytes:
        return b"k" * 32

    async def try_channels(self) -> Health:
        return all_of([])


def typed(*args: str) -> Any:
    """What the command line does with `args` where no server answers: exit code and output."""

    def leave(command: Any) -> None:
        raise typer.Exit(run(lambda: command))

    app = typer.Typer()
    app.callback()(lambda: None)  # with it one command alone has its name, too
    add_operator_commands(app, Nowhere(), leave, typed=args[0])
    return CliRunner().invoke(app, args)


# Requests


@pytest.mark.rule("8.2")
def test_every_action_of_the_workflow_has_a_command_and_its_typed_request() -> None:
    made = {inspect.signature(build, eval_str=True).return_annotation for build in ACTIONS}
    every = {*Request.__subclasses__(), *StepRequest.__subclasses__()} - {StepRequest}
    assert made == every
    for request, update in UPDATES.items():
        assert inspect.signature(update, eval_str=True).parameters["request"].annotation is request
    assert set(UPDATES) == every


def test_a_new_step_carries_an_id_and_reads_its_dependencies_at_commas() -> None:
    request = steps.add_step("roof", task_plan="build it", depends_on="left wall, right wall,", order_index=2)
    assert request.id.version == 4
    assert request.step == PlannedStep(
        name="roof", task_plan="build it", depends_on=("left wall", "right wall"), order_index=2
    )


@pytest.mark.parametrize(
    ("made", "request_"),
    [
        (actions.pause(), Pause(now=False)),
        (actions.pause(now=True), Pause(now=True)),
        (actions.answer("91c0", "yes"), AnswerQuestion(question="91c0", answer="yes")),
        (actions.memory_set("k", "v", "c"), SetMemory(key="k", value="v", category="c")),
        (steps.set_deps("roof", ""), SetDependencies(step="roof", depends_on=())),
        (steps.edit_step("roof", task_plan="t"), EditStep(step="roof", task_plan="t")),
        (steps.complete_step("roof", "A" * 40), CompleteStep(step="roof", commit="a" * 40)),
    ],
)
def test_what_is_typed_becomes_the_request(made: Request, request_: Request) -> None:
    assert made == request_


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["edit-step", "3f2a", "roof"], "nothing to edit"),
        (["complete-step", "3f2a", "roof", "--commit", "abc"], "a whole commit id"),
        (["archive", "3f2a"], "add --yes"),
        (["answer", "3f2a", "91", "yes"], "question: at least 4 characters are needed"),
        (["set-pr", "3f2a", "not a url"], "url: "),
        (["goal", "3f2a", ""], "goal: "),
        (["recover"], "recover takes a directive's id, or --all"),
        (["recover", "3f2a", "--all"], "recover takes a directive's id, or --all"),
        (
            ["start", "--title", "t", "--goal", "g", "--repo", "https://example.com/r", "--wait-for-daemon"],
            "--planner NAME",
        ),
    ],
)
@pytest.mark.rule("9.3")
def test_what_makes_no_sense_is_refused_before_anything_is_asked(args: list[str], said: str) -> None:
    result = typed(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    "args",
    [["reject", "3f2a"], ["add-step", "3f2a", "roof"], ["fail-step", "3f2a", "roof"], ["pause", "3f2a", "--what"]],
)
@pytest.mark.rule("9.3")
def test_a_missing_or_unknown_option_is_a_usage_error(args: list[str]) -> None:
    assert typed(*args).exit_code == 2


@pytest.mark.parametrize("args", [["pause", "3f2a"], ["status", "3f2a"], ["list"], ["daemons"], ["recover", "--all"]])
@pytest.mark.rule("9.3")
def test_servers_that_are_away_are_exit_code_3_and_one_line(args: list[str]) -> None:
    result = typed(*args)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1


# Help


@pytest.mark.parametrize("group", [group for group in GROUPS if group != ACTIONS_GROUP])
def test_a_group_that_is_imported_alone_has_the_commands_that_are_said_of_it(group: str) -> None:
    app = typer.Typer()
    find(group)(Nowhere(), lambda command: command.close()).add_to(app)
    assert names_in(app) == set(GROUPS[group])


def test_an_action_that_is_typed_needs_no_other_group() -> None:
    every, alone, mistyped = typer.Typer(), typer.Typer(), typer.Typer()
    for app, typed_name in ((every, ""), (alone, "poke"), (mistyped, "pokes")):
        add_operator_commands(app, Nowhere(), lambda command: command.close(), typed=typed_name)
    assert names_in(alone) == names_in(every) - {name for names in GROUPS.values() for name in names}
    assert names_in(mistyped) == names_in(every)


EACH_ALONE = """
import os, sys, starter
for typed in sys.argv[1:]:
    if not os.fork():
        starter.build_app(typed)
        print(typed, 'temporalio' in sys.modules, flush=True)
        os._exit(0)
    os.wait()
"""
"""What one process has imported, the next one has not."""


def test_commands_of_the_stack_and_the_record_import_nothing_of_temporals() -> None:
    typed = (*STACK_COMMANDS, "list", "status", "logs", "plan", "why", "graph", "daemons", "history", "costs")
    ran = subprocess.run([sys.executable, "-c", EACH_ALONE, *typed], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [f"{each} False" for each in typed], ran.stderr


NOT_FOR_READING = ("temporalio", "rich", "psutil", "httpx", "cryptography", "domain.requests", "domain.handover")
"""Some of what takes long to import, and no read of the record needs."""
MOST_MODULES = {
    **{"list": 214, "costs": 214, "history x": 214},
    **{"status x": 232, "logs x": 232, "plan x": 270, "why x": 270},
}
"""Of ours and of libraries, until it is found that there is no record: the time of a read is that of its imports
(docs/benchmarks.md).
"""


def test_a_read_imports_what_it_needs(tmp_path: Path) -> None:
    for typed, most in MOST_MODULES.items():
        command = [sys.executable, "-X", "importtime", starter.__file__, *typed.split()]
        environment = {**os.environ, "MAKIMA_DATA_DIR": str(tmp_path)}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
        found = {line.rpartition("|")[2].strip() for line in lines}
        assert "asyncpg" in found, ran.stderr
        assert not found & set(NOT_FOR_READING), typed
        ours = [name for name in found if name.partition(".")[0].lstrip("_") not in sys.stdlib_module_names]
        assert len(ours) <= most, (typed, len(ours))


def commands() -> list[tuple[str, Callable[..., Any], str]]:
    found = []
    for command in build_app().registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        found.append((name, command.callback, command.help or inspect.getdoc(command.callback) or ""))
    return found


@pytest.mark.rule("9.3")
def test_every_command_has_help_with_an_example_of_itself() -> None:
    for name, _, text in commands():
        example = text.partition("\n\nExample: ")[2]
        assert example.startswith(f"starter.py {name}"), name


def test_every_example_is_a_line_that_the_command_takes() -> None:
    """Parsed by the shell's rules and run where no server answers: refused by nothing but their absence."""
    for name, _, text in commands():
        if name in (*STACK_COMMANDS, "answers"):  # starter.py's own need the stack; a server goes on
            continue
        args = shlex.split(text.partition("Example: starter.py ")[2].replace("$(git rev-parse HEAD)", "a" * 40))
        if "--plan" in args:
            continue  # names a file
        # Doctor tells of a server that is away as of everything else that is missing.
        # mcp asks for nothing until a client does; there is no channel of notices, clone for init, file for webhooks.
        expected = {"doctor": 1, "mcp": 0, "test-notices": 2, "init": 2, "webhooks": 2}.get(name, 3)
        assert typed(*args).exit_code == expected, name


@pytest.mark.rule("9.3")
def test_every_command_on_directives_speaks_json() -> None:
    for name, callback, _ in commands():
        if name not in ("up", "down", "restart", "mcp", "answers", "webhooks"):
            assert "as_json" in inspect.signature(callback).parameters, name


# Splicing


def test_a_command_built_of_another_takes_the_parameters_of_both_in_the_order_of_reading() -> None:
    called = []

    def body(first: str, made: Callable[[], Any], last: int = 1) -> None:
        called.append((first, made(), last))

    def build(middle: str, other: str = "o") -> str:
        return middle + other

    command = with_parameters_of(body, "made", build)
    assert list(inspect.signature(command).parameters) == ["first", "middle", "other", "last"]
    command(first="f", middle="m", other="x", last=2)
    assert called == [("f", "mx", 2)]


def test_what_is_wrong_with_the_parameters_is_said_where_the_command_handles_it() -> None:
    def body(made: Callable[[], Any]) -> None:
        with pytest.raises(Refused):
            made()

    def build(text: str) -> str:
        raise Refused(text)

    with_parameters_of(body, "made", build)(text="no")


def test_the_version_is_printed_without_a_stack() -> None:
    ran = subprocess.run([sys.executable, "starter.py", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"makima {VERSION}\n"
