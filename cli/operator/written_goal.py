"""`--edit`: a goal that is written in an editor, and is not lost where nothing comes of it (rule 2.13)."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cli.operator.printing import print_lines
from domain.errors import MakimaError, Refused
from steering.given_files import read_given
from steering.new_directive import MAX_TEXT, StartOptions

BY_HAND = "<!-- What shall be true when it is done? This line is left out. -->"


@dataclass
class Written:
    """The options with the goal, and whether something has come of them: from then on its file is not needed."""

    options: StartOptions
    taken: bool = False


@contextmanager
def written_goal(options: StartOptions, environ: Mapping[str, str]) -> Iterator[Written]:
    """The options with what was written in the editor, which begins with what was typed. Until it is `taken` an error
    leaves it in a file that is its owner's alone, and says so.
    """
    if not options.edit:
        yield Written(options)
        return
    editor = _editor(options, environ)
    folder = Path(tempfile.mkdtemp(prefix="makima-goal-"))
    file, written = folder / "GOAL.md", Written(options)
    before = f"{options.goal or ''}\n{BY_HAND}\n"
    _write(file, before.encode())
    try:
        written.options = replace(options, goal=_edited(editor, file, environ), edit=False)
        yield written
    except BaseException as error:
        if not written.taken and _is_kept(file, before):
            _print_error(error, f"your goal is in {file}: type --goal-file {shlex.quote(str(file))} in place of --edit")
        raise
    finally:
        if written.taken or not _is_kept(file, before):
            shutil.rmtree(folder, ignore_errors=True)  # with what an editor has left beside it


def _editor(options: StartOptions, environ: Mapping[str, str]) -> list[str]:
    if options.goal_file is not None or options.issue:
        raise Refused("--edit writes the goal: leave --goal-file and --issue away")
    named = environ.get("VISUAL") or environ.get("EDITOR") or ""
    try:
        words = shlex.split(named)
    except ValueError as error:
        raise Refused(f"the editor {named!r} can't be started: {error}") from error
    if not words:
        raise Refused("--edit needs EDITOR, the command of your editor; --goal-file FILE takes a file")
    return words


def _edited(editor: list[str], file: Path, environ: Mapping[str, str]) -> str:
    try:
        ended = subprocess.run([*editor, str(file)], check=False, env=dict(environ))
    except OSError as error:
        raise Refused(f"the editor {shlex.join(editor)!r} can't be started: {error.strerror}") from error
    finally:
        if file.exists():  # many an editor puts a new file in its place
            file.chmod(0o600)
    text = read_given("--edit", file, MAX_TEXT).replace(BY_HAND, "").strip()
    if ended.returncode:
        how = f"exit code {ended.returncode}" if ended.returncode > 0 else f"signal {-ended.returncode}"
        raise Refused(f"the editor {shlex.join(editor)!r} ended with {how}, and nothing was started")
    if not text:
        raise Refused("no goal was written, and nothing was started")
    return text


def _is_kept(file: Path, before: str) -> bool:
    """Whether it holds what somebody has written; then it is that alone."""
    try:
        text = file.read_bytes()
    except OSError:
        return False
    left = text.replace(BY_HAND.encode(), b"").strip()
    if text == before.encode() or not left:
        return False
    if left + b"\n" != text:
        _write(file, left + b"\n")
    return True


def _write(file: Path, text: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(text)


def _print_error(error: BaseException, where: str) -> None:
    """In the error's own line where it is one of ours."""
    if isinstance(error, MakimaError):
        error.args = (f"{error}; {where}", *error.args[1:])
    else:
        print_lines([f"makima: {where}"], err=True)
