"""The base of what crosses versions: messages between core and daemon (rule 5.2)."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from domain.value import Late


class Tolerant(Late):
    """A frozen value that crosses versions, or a part of one: unknown fields in it are ignored (rule 5.2)."""

    model_config = ConfigDict(extra="ignore")


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


OR_NONE = WrapValidator(_or_none)
"""For fields whose type allows None: that is what they are where they have another shape. The rest counts all the same.
"""
