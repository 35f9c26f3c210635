"""Temporal's Web UI as a person sees it, in headless Chromium, and a directive's run to look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page, async_playwright, expect
from playwright.async_api import Error as PlaywrightError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from demo.__main__ import TITLE, Starter, begin, follow, ready
from demo.cast import small_programs

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Avatars, release notes and the like come from the internet; the test wants this machine's server and nothing else.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WIDTH = 1400
SEEN_WITHIN = 25_000  # milliseconds until a page has what it must have
LOOK_WITHIN = 8_000  # milliseconds until it is loaded again


def find_chromium() -> str | None:
    """The browser's program: what MAKIMA_CHROMIUM names, else the first of `NAMES` on the PATH."""
    named = os.environ.get("MAKIMA_CHROMIUM")
    return next(filter(None, map(shutil.which, (named,) if named else NAMES)), None)


@dataclass(frozen=True)
class Run:
    """A directive whose work is done, and whose stack still runs."""

    url: str
    """The Web UI's page of it."""
    workflow_id: str
    shown: dict[str, Any]
    """What `starter.py status --json` said of it when its work was done."""
    starter: Starter

    @property
    def step_names(self) -> list[str]:
        return [step["name"] for step in self.shown["steps"]]


@asynccontextmanager
async def finished_run(folder: Path) -> AsyncIterator[Run]:
    """The demo's directive, run to its end on a stack of its own in `folder`; the stack runs until the block ends."""
    cast = small_programs()
    starter = Starter(folder, cast)
    async with starter.up(keep=False) as stack:
        started = await begin(starter, folder, cast, await ready(stack))
        shown = await follow(starter, started["id"])
        assert shown["status"] == "idle", shown["reason"]
        yield Run(url=started["web_ui"], workflow_id=shown["workflow_id"], shown=shown, starter=starter)


@asynccontextmanager
async def chromium(program: str, *, height: int) -> AsyncIterator[BrowserContext]:
    """Windows of the machine's own browser (Playwright brings none), `height` pixels high, that share a cache."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield await browser.new_context(
                viewport={"width": WIDTH, "height": height},
                locale="en-US",
                timezone_id="UTC",
                color_scheme="light",
                reduced_motion="reduce",
            )
        finally:
            await browser.close()


class WebUi:
    """The pages of one run."""

    def __init__(self, page: Page, run: Run) -> None:
        self.page = page
        self.run = run

    async def open(self, url: str, *proofs: Locator) -> None:
        """Load the page, and load it again until it shows every one of `proofs`.

        What a page says may be older than what it is about: lists are eventually consistent.
        """
        attempts = AsyncRetrying(
            stop=stop_after_delay(SEEN_WITHIN / 1000),
            wait=wait_fixed(0.2),
            retry=retry_if_exception_type((PlaywrightError, AssertionError)),
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                await self.page.goto(url)
                for proof in proofs:
                    await expect(proof).to_be_visible(timeout=LOOK_WITHIN)

    async def open_list(self) -> None:
        """The list of workflows."""
        await self.open(self.run.url.rsplit("/", 1)[0], self.link(self.run.workflow_id))

    async def add_columns(self, *names: str) -> None:
        """To the list of workflows, by the page's own panel; this browser keeps them."""
        await self.page.get_by_role("button", name="Configure Columns").click()
        for name in names:
            await self.page.get_by_role("button", name=f"Add {name} column").click()
            await expect(self.page.get_by_role("columnheader", name=name)).to_be_visible()

    async def open_run(self) -> None:
        """The run's page, which opens on its timeline."""
        await self.open(self.run.url, self.headline, self.activity(f"complete_directive • PR: {TITLE}"))

    async def open_tab(self, name: str) -> None:
        """Another tab of the run's page."""
        await self.page.get_by_role("tab", name=name).click()

    async def send_signal(self, name: str, payload: str) -> None:
        """By the page's own form; `payload` is JSON."""
        await self.page.get_by_role("button", name="More Actions").click()
        await self.page.get_by_role("menu").get_by_text("Send a Signal").click()
        form = self.page.get_by_role("dialog", name="Send a Signal")
        await form.get_by_role("button", name="Select a signal").click()
        await self.page.get_by_role("option", name=name).click()
        await form.get_by_role("textbox", name="Data").fill(payload)
        await form.get_by_role("button", name="Submit").click()
        await expect(form).to_be_hidden()

    @property
    def headline(self) -> Locator:
        return self.page.get_by_role("heading", name=self.run.workflow_id)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name)

    def activity(self, label: str) -> Locator:
        """A line of the timeline."""
        return self.page.get_by_text(label, exact=True)

    def markdown(self, part: str) -> FrameLocator:
        """What is in one of the frames of the tab User Metadata: `summary`, `details` or `current-details`."""
        return self.page.frame_locator(f"#user-metadata-{part}")
