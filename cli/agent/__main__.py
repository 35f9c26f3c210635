"""`makima …`: what an agent calls in its shell (rules 3.1, 3.2). It needs its task folder and nothing else."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli.agent import memory_commands as memory
from cli.agent import plan_commands as plan
from cli.agent import question_commands as questions
from cli.agent.folder import AgentFolder
from cli.agent.tool_server import serve
from cli.agent.tools import CommandTools
from domain.daemon_messages import MAX_ARTIFACT
from domain.errors import MakimaError, Refused
from domain.handover import (
    MAX_ARTIFACT_MESSAGE,
    Handover,
    file_name,
    finish,
    give_up,
    put_artifact,
    set_pull_request,
)
from runtime.command_line import run_typed, run_words
from runtime.terminal import guard

REFUSED = 2
BROKEN = 1

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
directive = typer.Typer(no_args_is_help=True, help="Plan a directive, or finish a step of it.")
app.add_typer(directive, name="directive")
for group in (plan.app, memory.app, questions.app):
    directive.add_typer(group)


@app.callback()
def _makima() -> None:
    """Commands for coding agents that work on a Makima task."""


@directive.command()
def done(nothing_to_do: Annotated[str, typer.Option(help="Why nothing had to be changed.")] = "") -> None:
    """Say that the task is done."""
    AgentFolder.find().change(lambda handover, _: finish(handover, nothing_to_do))


@directive.command()
def fail(reason: str) -> None:
    """Give up, with the reason."""
    AgentFolder.find().change(lambda handover, _: give_up(handover, reason))


@directive.command()
def artifact_put(name: Annotated[str, typer.Argument(help="A file name, such as chain-plan.json.")]) -> None:
    """Hand over the file that is on stdin: UTF-8 text of at most 1 MiB; a later one of the same name replaces it."""
    content = sys.stdin.buffer.read(MAX_ARTIFACT + 1)
    _check_artifact(name, content)
    AgentFolder.find().keep_file(name, content, lambda handover, _: put_artifact(handover, name))


def _check_artifact(name: str, content: bytes) -> None:
    try:
        file_name(name)
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"artifact {name!r} is not UTF-8 text") from error
    except ValueError as error:
        raise Refused(f"artifact {name[:100]!r}: {error}") from error
    if len(content) > MAX_ARTIFACT or len(json.dumps(text, ensure_ascii=False).encode()) > MAX_ARTIFACT_MESSAGE:
        raise Refused(f"artifact {name!r}: an artifact has at most {MAX_ARTIFACT // 1024} KiB of text")


@app.command()
def mcp() -> None:
    """Offer the commands of `directive` as tools of the Model Context Protocol, over stdin and stdout."""
    serve(CommandTools(directive, run_words), sys.stdin.buffer, sys.stdout)


# Spellings of the system before this one, for prompts that were written for it (rule 3.2).
_files = typer.Typer(hidden=True)
app.add_typer(_files, name="contract")
_files.command("create-file")(artifact_put)

_ending = typer.Typer(hidden=True)
app.add_typer(_ending, name="supervisor")


@_files.callback()
@_ending.callback()
def _as_before() -> None:
    """Spellings of the system before this one."""


@_ending.command("complete")
def _complete() -> None:
    """The same as `directive done`."""
    done(nothing_to_do="")


@directive.command(hidden=True)
def update(pr_url: Annotated[str, typer.Option(help="Where the pull request is.")]) -> None:
    """Tell of a pull request that the agent has opened itself."""

    def told(handover: Handover, _: object) -> Handover:
        return set_pull_request(handover, pr_url)

    AgentFolder.find().change(told)


def main() -> None:
    """The console script `makima`: a refused call says why in one line, exits 2, and has changed nothing."""
    guard()
    try:
        _refuse_bytes(sys.argv)
        sys.exit(run_typed(app))
    except MakimaError as error:
        _leave(REFUSED, error)
    except OSError as error:
        _leave(BROKEN, error)


def _refuse_bytes(arguments: list[str]) -> None:
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError as error:
        raise Refused("an argument is not UTF-8 text") from error


def _leave(code: int, error: Exception) -> None:
    sys.stderr.write(f"makima: {' '.join(str(error).split())}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
