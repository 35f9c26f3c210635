"""The base of everything in domain/."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Late(BaseModel):
    """A model that is built by `build_models`, or when it is first used: what a command never uses costs it nothing.

    A default that is one of these is made by `model_construct`, which builds nothing.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class Value(Late):
    """A frozen value of ours; an unknown field in it is an error."""

    model_config = ConfigDict(extra="forbid")


def build_models() -> None:
    """Build every model that has been imported, before a process reads what others send: a TypeAdapter, such as that of
    Temporal's converter, would build it anew for each message, and show a secret in its errors in spite of
    `hide_input_in_errors` (pydantic 2.14.3).
    """
    waiting: list[type[Late]] = [Late]
    while waiting:
        model = waiting.pop()
        model.model_rebuild()
        waiting += model.__subclasses__()
