"""The page behind the link of a notice, as a person's browser shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.answer_serving import answers, asked, token
from tests.fixtures_desk import Desk

EVIL = "<img src=http://elsewhere.example/pixel.png onerror=alert(1)>"


@pytest.mark.rule("8.5")
async def test_a_question_is_read_and_answered_by_a_button(
    browser: BrowserContext, desk: Desk, database: str, tmp_path: Path
) -> None:
    directive, question = await asked(desk, f"Oak? {EVIL}", choices=("yes", "no"), context=EVIL)
    page = await browser.new_page()
    wanted, complaints = list[str](), list[str]()
    page.on("request", lambda request: wanted.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: pytest.fail("a script of an agent's ran"))
    async with answers(desk, database, tmp_path) as served:
        await page.goto(f"{served.url}/{token(desk.owner, directive, question=question.id)}")
        await expect(page.get_by_role("heading")).to_have_text("An agent asks")
        await expect(page.locator("pre").first).to_have_text(f"Oak? {EVIL}")
        await expect(page.locator("pre").first).to_have_css("white-space", "pre-wrap")  # its own style is let in
        await page.get_by_role("button", name="yes").click()
        await expect(page.get_by_role("heading")).to_have_text("Done")
        await page.reload()
        await expect(page.get_by_role("heading")).to_have_text("Done")
        await page.goto(page.url)
        await expect(page.get_by_role("heading")).to_have_text("This question was answered")
    await page.close()
    assert all(url.startswith(served.url) for url in wanted)
    assert not complaints
