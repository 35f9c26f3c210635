"""What distinguishes one forge's API from another's: where it is, how it pages, refuses and marks its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import URL

from fakes.forge.api_errors import Answered

if TYPE_CHECKING:
    from fakes.forge.forge import Forge
    from fakes.forge.injected_failures import FailureOrder
    from fakes.forge.records import Account


@dataclass(frozen=True)
class Paging:
    """One page of a list."""

    url: URL
    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        return max((self.total + self.size - 1) // self.size, 1)

    def links(self, between: str) -> dict[str, str]:
        """The Link header that leads to the other pages; `between`: what stands between two of them."""
        pages = {"prev": self.number - 1, "first": 1} if self.number > 1 else {}
        pages |= {"next": self.number + 1, "last": self.last} if self.number < self.last else {}
        urls = ((self.url.include_query_params(page=number), name) for name, number in pages.items())
        header = between.join(f'<{url}>; rel="{name}"' for url, name in urls)
        return {"Link": header} if header else {}


@dataclass(frozen=True)
class Passed:
    """A request that was answered, for the headers that every answer has."""

    path: str
    status: int
    account: Account | None


@dataclass(frozen=True)
class Dialect:
    name: str
    paths: re.Pattern[str]
    """Which paths are of its API."""
    refusal: Callable[[Answered], object]
    """The JSON of a refusal."""
    paged: Callable[[Paging], Mapping[str, str]]
    """The headers of a page."""
    failed: Callable[[FailureOrder], Answered]
    """What it answers to a request that is to fail."""
    headers: Callable[[Forge, Passed], Mapping[str, str]] = field(default=lambda forge, passed: {})
    """Of every answer of the API, unless it has them."""
    permits: Callable[[Account, str, str], None] = field(default=lambda account, method, path: None)
    """Answered where whoever calls may not do this (method) at this path, beyond what every forge asks of a token."""
    named: Callable[[Forge, str], str] = field(default=lambda forge, path: path)
    """A path with the repository's name in it, where that is asked for by its number."""
    size: str = "per_page"
    """What the number of a page's entries is called in a query."""
    usual_size: int = 30
    largest_size: int = 100
    has_etags: bool = False
