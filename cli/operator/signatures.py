"""Commands that share parameters: each action declares only its own, and what all of them take is declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any


def with_parameters_of(body: Callable[..., None], made: str, build: Callable[..., Any]) -> Callable[..., None]:
    """`body` as a command that takes the parameters of `build` in place of its own parameter `made`.

    `body` is given `build` bound to what was typed, to be called where its errors are handled. Names must not clash.
    """
    outer = inspect.signature(body, eval_str=True).parameters
    inner = inspect.signature(build, eval_str=True).parameters
    assert not outer.keys() & inner.keys(), outer.keys() & inner.keys()

    def command(**typed: Any) -> None:
        own = {name: typed.pop(name) for name in inner}
        body(**{made: partial(build, **own)}, **typed)

    taken = [each for name in outer for each in (inner.values() if name == made else [outer[name]])]
    # By keyword only: the command line's order is theirs, but Python wants no default before a parameter without one.
    signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in taken])
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command
