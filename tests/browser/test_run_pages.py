"""What an operator sees of a run (rule 9.2): the Web UI and its pull request; real server, real run, real browser."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Locator, expect

from demo.__main__ import GOAL, TITLE, VERIFY
from tests.browser.web_ui import SEEN_WITHIN, Run, WebUi

pytestmark = [pytest.mark.rule("9.2"), pytest.mark.timeout(400)]


async def height(line: Locator) -> float:
    """Pixels from the top of the page."""
    box = await line.bounding_box()
    assert box is not None
    return box["y"]


async def test_the_list_of_workflows_shows_the_run_by_its_title(browser: BrowserContext, run: Run) -> None:
    async with await browser.new_page() as page:
        web_ui = WebUi(page, run)
        await web_ui.open_list()
        row = page.get_by_role("row").filter(has=web_ui.link(run.workflow_id))
        await expect(row).to_contain_text("Running")
    assert run.workflow_id.startswith(f"directive-{TITLE.lower()}-")


async def test_the_list_is_filtered_by_where_directives_stand_and_whose_they_are(
    browser: BrowserContext, run: Run
) -> None:
    async with await browser.new_page() as page:
        web_ui = WebUi(page, run)
        runs = run.url.rsplit("/", 1)[0]
        here = 'DirectiveStatus="idle" AND DirectiveOwner="default" AND DirectiveGeneration=1'
        await web_ui.open(f"{runs}?query={quote(here)}", web_ui.link(run.workflow_id))
        elsewhere = quote('DirectiveStatus="paused"')
        await web_ui.open(f"{runs}?query={elsewhere}", page.get_by_text("No Workflows"))
        await expect(web_ui.link(run.workflow_id)).to_have_count(0)


async def test_search_attributes_are_columns_once_they_were_added_by_the_page_itself(
    browser: BrowserContext, run: Run
) -> None:
    async with await browser.new_page() as page:
        web_ui = WebUi(page, run)
        await web_ui.open_list()
        await web_ui.add_columns("DirectiveStatus", "DirectiveRepository", "DirectiveGeneration")
        row = page.get_by_role("row").filter(has=web_ui.link(run.workflow_id))
        for value in ("idle", run.shown["repository"], "1"):
            await expect(row.get_by_role("cell", name=value, exact=True)).to_be_visible()
        await web_ui.open_list()
        await expect(page.get_by_role("columnheader", name="DirectiveStatus")).to_be_visible()
        await expect(row.get_by_role("cell", name="idle", exact=True)).to_be_visible()


async def test_the_timeline_reads_planning_then_steps_by_name_then_pull_request(web_ui: WebUi) -> None:
    await web_ui.open_tab("Timeline")
    await expect(web_ui.headline).to_be_visible()
    await expect(web_ui.activity(f"plan_directive • Plan: {TITLE}")).to_be_visible(timeout=SEEN_WITHIN)
    planning = await height(web_ui.activity(f"plan_directive • Plan: {TITLE}"))
    steps = [await height(web_ui.activity(f"execute_step • {name}")) for name in web_ui.run.step_names]
    pull_request = await height(web_ui.activity(f"complete_directive • PR: {TITLE}"))
    assert len(steps) == 5
    # The newest is on top.
    assert all(pull_request < step < planning for step in steps)


async def test_the_event_history_names_every_step(web_ui: WebUi) -> None:
    await web_ui.open_tab("Event History")
    await web_ui.page.get_by_text("Compact", exact=True).click()
    activities = web_ui.page.get_by_role("row").filter(has=web_ui.page.get_by_text("execute_step", exact=True))
    for name in web_ui.run.step_names:
        line = activities.filter(has=web_ui.page.get_by_text(name, exact=True))
        await expect(line).to_have_count(1, timeout=SEEN_WITHIN)


async def test_user_metadata_says_what_is_wanted_and_where_it_stands(web_ui: WebUi) -> None:
    await web_ui.open_tab("User Metadata")
    await expect(web_ui.markdown("summary").get_by_text(TITLE, exact=True)).to_be_visible(timeout=SEEN_WITHIN)
    await expect(web_ui.markdown("details").locator("main")).to_contain_text(GOAL)
    current = web_ui.markdown("current-details").locator("main")
    await expect(current).to_contain_text("idle, generation 1: 5 completed", timeout=SEEN_WITHIN)
    pull_request = web_ui.run.shown["pr"]
    await expect(current).to_contain_text(f"Branch {pull_request['branch']} at {pull_request['head'][:10]}")
    for step in web_ui.run.shown["steps"]:
        await expect(current).to_contain_text(f"- {step['name']} {step['branch']}")


@pytest.mark.rule("7.4")
async def test_the_demo_ends_with_a_pull_request_that_says_what_was_done(browser: BrowserContext, run: Run) -> None:
    async with await browser.new_page() as page:
        await page.goto(run.shown["pr"]["url"])
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"{TITLE} #1")
        await expect(page.locator("#description")).to_contain_text(GOAL)
        for step in run.shown["steps"]:
            row = page.locator("#description").get_by_role("row").filter(has_text=step["branch"])
            cells = [step["name"], "completed", step["agent"], step["branch"], step["head_sha"][:10], VERIFY]
            await expect(row.get_by_role("cell").filter(has_not_text=re.compile(r"^\d+ s$"))).to_have_text(cells)
            await expect(page.locator("#commits")).to_contain_text(step["head_sha"][:10])
        await expect(page.get_by_role("heading", name="Ready to merge")).to_be_visible()


async def test_a_goal_that_is_changed_by_the_pages_own_form_is_planned(browser: BrowserContext, run: Run) -> None:
    """The last test: the run is another one afterwards."""
    async with await browser.new_page() as page:
        web_ui = WebUi(page, run)
        await web_ui.open_run()
        await web_ui.send_signal("goal_changed", '"Says hello in Danish, too"')
        await expect(web_ui.activity(f"plan_directive • Re-plan: {TITLE}")).to_be_visible(timeout=SEEN_WITHIN)
        await web_ui.open_tab("User Metadata")
        current = web_ui.markdown("current-details").locator("main")
        await expect(current).to_contain_text("generation 2", timeout=SEEN_WITHIN)
    shown = await run.starter.json("status", run.shown["id"])
    assert (shown["goal"], shown["generation"]) == ("Says hello in Danish, too", 2)
