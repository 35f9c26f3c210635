"""Modules of ours as a program of its own, which runs where nothing of our code is to be seen, or imports little."""

from __future__ import annotations

import marshal
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

_LOADER = """\
import marshal, sys, types
given = marshal.load(sys.stdin.buffer)
for name in {name for name, _ in given} | {name.rpartition(".")[0] for name, _ in given} | {"daemon"}:
    sys.modules[name] = types.ModuleType(name)
for name, code in given:
    exec(code, sys.modules[name].__dict__)
sys.exit(sys.modules[name].main())
"""


def argv(*arguments: str) -> tuple[str, ...]:
    """What to start with `program(…)` as stdin; `sys.argv[1:]` of its `main` are the arguments."""
    return (sys.executable, "-I", "-S", "-c", _LOADER, *arguments)


@cache
def program(*modules: ModuleType) -> bytes:
    """The modules, each after those that it needs; the `main` of the last one is called. They are compiled once: that
    took longer than all that they do with a small repository. To be called in a thread, for it reads files.
    """
    return marshal.dumps([(each.__name__, _code(each)) for each in modules])


def _code(module: ModuleType) -> object:
    path = Path(module.__file__ or "")
    return compile(path.read_text(), path.name, "exec", dont_inherit=True)
