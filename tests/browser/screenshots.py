"""The documentation's pictures, taken of a fresh run of the demo: `python -m tests.browser.screenshots`.

Writes into docs/images: web-ui-run.png (the timeline), web-ui-details.png (the tab User Metadata), web-ui-list.png (the
list with columns of ours) and pull-request.png (the fake forge's page of it, down to its commits). Needs Chromium
(`apt-get install chromium`, or its path in MAKIMA_CHROMIUM) and about half a minute. Take them again when what a run
looks like has changed, and look at them before they are committed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Locator, Page, expect

from demo.__main__ import TITLE
from tests.browser.web_ui import SEEN_WITHIN, WIDTH, WebUi, chromium, find_chromium, finished_run

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TALL = 2000
MARGIN = 100


async def take(page: Page, file: str, lowest: Locator, margin: int = MARGIN) -> None:
    """A picture of the page from its top to a little below `lowest`."""
    box = await lowest.bounding_box()
    assert box is not None
    bottom = box["y"] + box["height"] + margin
    await page.screenshot(path=IMAGES / file, clip={"x": 0, "y": 0, "width": WIDTH, "height": bottom})


async def take_timeline(web_ui: WebUi) -> None:
    """The oldest on top and the input folded away, so that the run reads like a story."""
    page = web_ui.page
    await page.get_by_role("button", name="Descending").click()
    await page.locator('[title="Fold line"]:visible').first.click()
    await expect(page.get_by_role("button", name="Ascending")).to_be_visible()
    await expect(web_ui.activity(f"plan_directive • Plan: {TITLE}")).to_be_visible(timeout=SEEN_WITHIN)
    await take(page, "web-ui-run.png", page.get_by_text("record_progress").last)


async def take_list(web_ui: WebUi) -> None:
    """With where directives stand as columns, as a reader may add them."""
    await web_ui.open_list()
    await web_ui.add_columns("DirectiveStatus", "DirectiveOwner", "DirectiveGeneration")
    for wide in ("Run ID", "Type", "Start", "End"):
        await web_ui.page.get_by_role("button", name=f"Remove {wide} column").click()
    await web_ui.open_list()  # without the panel
    await take(web_ui.page, "web-ui-list.png", web_ui.link(web_ui.run.workflow_id))


async def take_details(web_ui: WebUi) -> None:
    await web_ui.open_tab("User Metadata")
    current = web_ui.markdown("current-details").locator("main")
    await expect(current).to_contain_text(web_ui.run.step_names[-1], timeout=SEEN_WITHIN)
    await take(web_ui.page, "web-ui-details.png", web_ui.page.locator("#user-metadata-current-details"))


async def take_pull_request(web_ui: WebUi) -> None:
    await web_ui.page.goto(web_ui.run.shown["pr"]["url"])
    await take(web_ui.page, "pull-request.png", web_ui.page.locator("#commits"), margin=20)


async def take_all(program: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="greeter-") as folder:
        async with (
            chromium(program, height=TALL) as browser,
            finished_run(Path(folder)) as run,
            await browser.new_page() as page,
        ):
            web_ui = WebUi(page, run)
            await web_ui.open_run()
            await take_timeline(web_ui)
            await take_details(web_ui)
            await take_list(web_ui)
            await take_pull_request(web_ui)


def main() -> int:
    program = find_chromium()
    if program is None:
        sys.stderr.write("no Chromium: apt-get install chromium (or set MAKIMA_CHROMIUM)\n")
        return 1
    asyncio.run(take_all(program))
    return 0


if __name__ == "__main__":
    sys.exit(main())
