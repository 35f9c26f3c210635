"""How every process of ours ends: one line for an error, the exit codes of rule 9.3, and no interpreter teardown."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from domain.errors import MakimaError, NotReachable, Refused, SettingsError
from runtime.terminal import as_called

FAILED = 1
REFUSED = 2
NOT_REACHABLE = 3
INTERRUPTED = 130  # as a shell reports SIGINT
LONGEST = 2000  # characters of an error: somebody's argument may be part of it
READER_GONE = 141  # as it reports SIGPIPE


def leave(code: int) -> NoReturn:
    """End the process at once with `code`, after everything that was written has left it (design 14).

    A process that used Temporal's SDK must not end by returning: its native threads outlive the interpreter's state,
    and 13 of 80 short client scripts (a quarter of 91 workers) aborted with `PyGILState_Release` after a clean
    shutdown, so that a success left exit code 134 or 139. `os._exit` skips that teardown; it skips exit handlers and
    buffers too, therefore these are flushed here.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # `>&-`: nobody wanted to hear
                stream.flush()
        except (BrokenPipeError, ValueError):  # the reader has gone (`| head`), or the stream is closed
            continue
        except OSError:  # what was to be said is lost, as on a full disk
            code = code or FAILED
    os._exit(code)


def run(main: Callable[[], Awaitable[int]]) -> int:
    """Run an async main and give the exit code: its own, or that of the error it raised, told in one line on stderr.

    Use as `leave(run(main))`.
    """
    try:
        return asyncio.run(_awaited(main))
    except MakimaError as error:
        return print_error(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        # A defect of ours. It is caught only so that `leave` decides the exit code and not the interpreter's teardown.
        logging.getLogger(__name__).critical("an unexpected error ended the process", exc_info=True)
        return FAILED


def print_error(error: Exception) -> int:
    """Tell an error of ours in one line on stderr, where there is one, and give its exit code; raises any other."""
    if not isinstance(error, MakimaError):
        raise error
    if sys.stderr is not None:  # `2>&-`
        sys.stderr.write(f"makima: {as_called(one_line(error))}\n")
    return exit_code(error)


def exit_code(error: MakimaError) -> int:
    """Give the exit code of rule 9.3: 2 usage or refused, 3 not reachable, 1 everything else."""
    match error:
        case Refused() | SettingsError():
            return REFUSED
        case NotReachable():
            return NOT_REACHABLE
        case _:
            return FAILED


def one_line(error: BaseException) -> str:
    """Give the text of an error on one line (rule 9.3), the middle of a very long one left out."""
    line = " ".join(str(error).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


async def _awaited(main: Callable[[], Awaitable[int]]) -> int:
    return await main()
