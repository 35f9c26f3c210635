"""The statements of queries.sql, and models of the rows that they give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import aiosql
from pydantic import BaseModel

Row = dict[str, Any]
DatabaseRow = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)

_STATEMENT = re.compile(r"^-- name: (\w+).*?(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


class Statements:
    """Every statement of queries.sql as a function `name(connection, **parameters)`, read when it is first asked for:
    a command needs five of ninety, and to read them all took a tenth of its time.

    A single row or a change is awaited, a list of rows is iterated with `async for`. Untyped, since the functions are
    made while loading: the models that are built from what they give are where types begin.
    """

    def __init__(self, text: str) -> None:
        self._texts = {found[1]: found[0] for found in _STATEMENT.finditer(text)}

    def __getattr__(self, name: str) -> Any:
        if name not in self._texts:
            raise AttributeError(f"queries.sql has no statement {name!r}")
        function = getattr(aiosql.from_str(self._texts[name], "asyncpg"), name)
        setattr(self, name, function)
        return function

    def __dir__(self) -> Iterable[str]:
        return self._texts


@cache
def statements() -> Statements:
    return Statements((files("ledger") / "queries.sql").read_text("utf-8"))


def model_of(model: type[Model], row: DatabaseRow) -> Model:
    """The model whose fields `row` has as columns; further columns are the record's own."""
    return model(**fields_of(model, row))


def fields_of(model: type[BaseModel], row: DatabaseRow) -> Row:
    given = dict(row)
    return {name: given[name] for name in model.model_fields if name in given}
