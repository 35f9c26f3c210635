"""Lists of Gitea's, page after page; there are no ETags, so each look reads all of them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter

from daemon.forges.api import Api

Found = TypeVar("Found")

PAGE_SIZE = 50
"""What servers give at most, unless their administrators have chosen otherwise (from memory)."""
MOST_PAGES = 100


async def pages_of(api: Api, path: str, adapter: TypeAdapter[Found]) -> list[Found]:
    """The answers of all pages, at most a hundred. That there is another one the Link header says; its address there is
    the server's own for itself, which may be none that we reach it at, so the pages are counted here.
    """
    found: list[Found] = []
    for number in range(1, MOST_PAGES + 1):
        page = await api.get(f"{path}{'&' if '?' in path else '?'}page={number}&limit={PAGE_SIZE}")
        assert page is not None  # no etag was sent
        found.append(api.parsed(adapter, page.content))
        if not page.following:
            break
    return found


async def all_of(api: Api, path: str, adapter: TypeAdapter[Found]) -> Found:
    """The answer of a list that has no pages."""
    page = await api.get(path)
    assert page is not None  # no etag was sent
    return api.parsed(adapter, page.content)
