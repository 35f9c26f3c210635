"""One finished run and one browser for all tests that look at the Web UI."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.browser.web_ui import Run, WebUi, chromium, find_chromium, finished_run
from tests.needs import lack

TALL = 1700
"""The timeline draws only the lines that are in sight."""


@pytest.fixture(scope="session")
def chromium_program() -> str:
    return find_chromium() or lack("Chromium is missing: apt-get install chromium, or set MAKIMA_CHROMIUM")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_program: str) -> AsyncIterator[BrowserContext]:
    async with chromium(chromium_program, height=TALL) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def run(browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """Asks for the browser first: where there is none, no stack is started for nothing."""
    async with finished_run(tmp_path_factory.mktemp("web-ui")) as finished:
        yield finished


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def web_ui(browser: BrowserContext, run: Run) -> AsyncIterator[WebUi]:
    """The run's page, loaded once: a test goes to the tab that it looks at."""
    async with await browser.new_page() as page:
        opened = WebUi(page, run)
        await opened.open_run()
        yield opened
