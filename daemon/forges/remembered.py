"""GETs that cost the forge next to nothing while nothing has changed (rule 7.5: ETag)."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter

from daemon.forges.api import Api, Page

Found = TypeVar("Found")

MOST_PAGES = 100
"""10,000 entries; a page that hasn't changed costs next to nothing."""
PAGE_SIZE = 100


class Remembered:
    """Keeps each answer with its ETag in `marks`: a 304 has no content, and all that there is has to be told again."""

    def __init__(self, api: Api, marks: dict[str, str], size: str = "per_page") -> None:
        """`marks`: path → ETag, address of the next page and what we read of the answer, a line each; `size`: what the
        forge calls the number of entries of a page.
        """
        self._api = api
        self._page_size = f"{size}={PAGE_SIZE}"
        self._marks = marks

    async def read(self, path: str, adapter: TypeAdapter[Found], *, anew: bool = False) -> Found:
        """The answer of one page; `anew`: whatever is remembered, for what an ETag doesn't tell."""
        return (await self._page(path, adapter, anew=anew))[0]

    async def pages(self, path: str, adapter: TypeAdapter[Found]) -> list[Found]:
        """The answers of all pages, of at most 10,000 entries."""
        found: list[Found] = []
        following = f"{path}{'&' if '?' in path else '?'}{self._page_size}"
        while following and len(found) < MOST_PAGES:
            page, following = await self._page(following, adapter)
            found.append(page)
        return found

    async def _page(self, path: str, adapter: TypeAdapter[Found], *, anew: bool = False) -> tuple[Found, str]:
        etag, following, content = (*self._marks.get(path, "").split("\n", 2), "", "")[:3]
        page = await self._api.get(path, "" if anew else etag)
        if page is None:
            found = adapter.validate_json(content)
            if following or not _is_full(found):
                return found, following
            # The entry that begins the next page changes nothing in this one, and so not its ETag.
            page = await self._api.get(path)
            assert page is not None  # no etag was sent
        found = self._api.parsed(adapter, page.content)
        self._keep(path, page, adapter.dump_json(found).decode())
        return found, page.following

    def _keep(self, path: str, page: Page, content: str) -> None:
        if page.etag:
            self._marks[path] = "\n".join((page.etag, page.following, content))
        else:
            self._marks.pop(path, None)


def _is_full(found: object) -> bool:
    """Whether a list may go on after this page; one that is wrapped names its length, and so has another ETag."""
    return isinstance(found, tuple) and len(found) >= PAGE_SIZE
