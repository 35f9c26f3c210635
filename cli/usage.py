"""A command line that was typed wrongly is an error like every other: one line that says what to do (SPEC 9.3)."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from domain.errors import Refused


def run_typed(app: typer.Typer) -> int:
    """Run the command that was typed, the help where none was; its exit code.

    Raises Refused for what is not one of `app`'s commands and options, and where the operator said no.
    """
    if unreadable := [word for word in sys.argv[1:] if not _is_text(word)]:
        raise Refused(f"{unreadable[0]!r} is not text in UTF-8")
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except TyperException as error:
        wrong = error.format_message()
        if not wrong:  # a group of commands that was called by itself has shown its help
            return error.exit_code
        context = getattr(error, "ctx", None)
        raise Refused(wrong + (f" (see {context.command_path} --help)" if context else "")) from error
    except typer.Abort as error:
        raise Refused("nothing was done") from error
    return code if isinstance(code, int) else 0


def _is_text(word: str) -> bool:
    """Bytes that are none reach Python as halves of surrogate pairs, which neither server takes."""
    return not any("\ud800" <= character <= "\udfff" for character in word)
