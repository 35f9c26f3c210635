"""A command line that was typed wrongly is an error like every other: one line that says what to do (rule 9.3)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import copy
from inspect import getdoc
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from domain.errors import Refused
from runtime.terminal import as_called, our_own


class _Command(TyperCommand):
    def format_help(self, *args: Any) -> None:
        shown = copy(self)
        shown.params = [_shown(each) for each in self.params]
        with our_own():
            super(_Command, shown).format_help(*args)


class _Group(TyperGroup):
    def format_help(self, *args: Any) -> None:
        with our_own():
            super().format_help(*args)


def _shown(option: Any) -> Any:
    """A flag as git writes it, `--[no-]push`: a column for what turns it off, and one for its type, leave no room for
    words in a terminal of 80 columns.
    """
    shown = copy(option)
    if getattr(option, "multiple", False) and option.metavar is None:
        shown.metavar = "<str>"  # that there may be several its help says
    if not getattr(option, "is_bool_flag", False):
        return shown
    shown.display_type_rich = lambda **_: None
    if option.secondary_opts:
        shown.opts = [each.replace("--", "--[no-]", 1) for each in option.opts]
        shown.secondary_opts = []
        shown.show_default = False
        shown.help = f"{option.help} Default: yes." if option.default is True else option.help
    return shown


class CommandLine(typer.Typer):
    """A command line whose help is coloured: typer's rich panels hold our own words alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=_Group, no_args_is_help=True, pretty_exceptions_enable=False, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        def add(function: Any) -> Any:
            text = as_called(settings.get("help") or getdoc(function) or "")
            return super(CommandLine, self).command(name, **{"cls": _Command, **settings, "help": text})(function)

        return add


def run_typed(app: typer.Typer, default: Sequence[str] = ("--help",)) -> int:
    """Run the command that was typed, `default` where none was; its exit code.

    Raises Refused for what is not one of `app`'s commands and options, and where the operator said no.
    """
    return run_words(app, sys.argv[1:] or default)


def run_words(app: typer.Typer, words: Sequence[str]) -> int:
    """The same with these words, wherever they come from."""
    if unreadable := [word for word in words if not _is_text(word)]:
        raise Refused(f"{unreadable[0]!r} is not text in UTF-8")
    try:
        # color: else typer drops what looks like a colour where stdout is no terminal; it is to be seen as it is.
        code = app(list(words), standalone_mode=False, color=True)
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
