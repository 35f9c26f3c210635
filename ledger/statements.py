"""The statements of queries.sql, loaded once, and models of the rows that they give."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any, TypeVar

import aiosql
from pydantic import BaseModel

Row = dict[str, Any]
DatabaseRow = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)


@cache
def statements() -> Any:
    """Every statement of queries.sql as a function `name(connection, **parameters)`.

    A single row or a change is awaited, a list of rows is iterated with `async for`. Untyped, since the functions are
    made while loading: the models that are built from what they give are where types begin.
    """
    with as_file(files("ledger") / "queries.sql") as path:
        return aiosql.from_path(path, "asyncpg", encoding="utf-8")


def model_of(model: type[Model], row: DatabaseRow) -> Model:
    """The model whose fields `row` has as columns; further columns are the record's own."""
    return model(**fields_of(model, row))


def fields_of(model: type[BaseModel], row: DatabaseRow) -> Row:
    return {name: row[name] for name in model.model_fields if name in row.keys()}  # noqa: SIM118 - a driver's row iterates values
