"""The statements of ledger/queries.sql, each read by itself."""

from __future__ import annotations

from importlib.resources import as_file, files

import aiosql
import pytest

from ledger.statements import statements


def test_each_is_what_the_whole_file_makes_of_it() -> None:
    with as_file(files("ledger") / "queries.sql") as path:
        whole = aiosql.from_path(path, "asyncpg", encoding="utf-8")
    names = {name for name in whole.available_queries if not name.endswith("_cursor")}
    assert set(dir(statements())) == names
    for name in names:
        one, same = getattr(statements(), name), getattr(whole, name)
        assert (one.sql, one.operation, one.__doc__) == (same.sql, same.operation, same.__doc__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no statement 'nonsense'"):
        statements().nonsense  # noqa: B018 - that it raises
