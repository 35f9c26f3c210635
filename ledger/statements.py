"""The statements of queries.sql, loaded once."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import aiosql


@cache
def statements() -> Any:
    """Every statement of queries.sql as a function `name(connection, **parameters)`.

    A single row or a change is awaited, a list of rows is iterated with `async for`. Untyped, since the functions are
    made while loading: the models that rows.py builds from what they give are where types begin.
    """
    with as_file(files("ledger") / "queries.sql") as path:
        return aiosql.from_path(path, "asyncpg", encoding="utf-8")
