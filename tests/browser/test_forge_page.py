"""The fake forge's page for a pull request, as a person's browser shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.forge import ForgeUnderTest, Person, forge_under_test

BODY = """\
People can <b onclick="alert(1)">log in</b>. [bad](javascript:alert(1)) ![far](http://elsewhere.example/pixel.png)
<!-- makima: not for people -->

| step | status |
|---|---|
| Session store | completed |
"""
EVIL = "<img src=x onerror=alert(1)>"


async def fill(forge: ForgeUnderTest, folder: Path) -> None:
    """A pull request with a table, a failed check, a review with an answer, and markup wherever people write."""
    await forge.make_repository("acme", "shop")
    ann = Person(folder / "ann", forge.url_with("acme/shop"))
    await ann.commit("main", {"login.py": "def login():\n    pass\n"})
    await ann.commit("feature", {"login.py": f"def login():\n    return '{EVIL}'\n"}, onto="main")
    async with forge.rest() as client:
        wanted = {"title": f"Add login {EVIL}", "head": "feature", "base": "main", "body": BODY}
        assert (await client.post("/repos/acme/shop/pulls", json=wanted)).is_success
    await forge.set_check("acme/shop", ref="feature", name=f"test {EVIL}", conclusion="failure", log=EVIL)
    remark = {"path": "login.py", "line": 2, "body": f"Why? {EVIL}"}
    await forge.review("acme/shop", 1, user="ann", state="CHANGES_REQUESTED", body=EVIL, comments=[remark])


async def test_a_pull_request_is_shown_whole_and_harmless(browser: BrowserContext, tmp_path: Path) -> None:
    page = await browser.new_page()
    asked, complaints = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: pytest.fail("a script of a person ran"))
    async with forge_under_test(tmp_path / "forge") as forge:
        await fill(forge, tmp_path)
        await page.goto(f"{forge.url}/acme/shop/pull/1")
        await shows_all_parts(page)
        await page.get_by_role("link", name=f"test {EVIL}").click()
        await expect(page.locator("pre")).to_have_text(EVIL)
        await page.goto(forge.url)
        await page.get_by_role("link", name="acme/shop").click()
        await expect(page.get_by_role("link", name=f"Add login {EVIL}")).to_be_visible()
        assert {url for url in asked if not url.startswith(("data:", forge.url))} == set()
    assert complaints == []
    await page.close()


async def shows_all_parts(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Add login {EVIL} #1")
    await expect(page.get_by_role("cell", name="Session store")).to_be_visible()
    body = page.locator("#description")
    await expect(body).to_contain_text('<b onclick="alert(1)">log in</b>')
    await expect(body).not_to_contain_text("not for people")
    await expect(page.locator("main img, main script, main [onclick], main [href^=javascript]")).to_have_count(0)
    await expect(page.locator("#checks")).to_contain_text(f"failure test {EVIL}")
    await expect(page.get_by_role("heading", name="Not all checks have passed")).to_be_visible()
    await expect(page.locator("#talk")).to_contain_text(f"Why? {EVIL}")
    await expect(page.locator("#commits")).to_contain_text("Change login.py")
    await expect(page.locator("#diff .add")).to_have_text(f"+    return '{EVIL}'")
    await expect(page.locator("#diff .cut")).to_have_text("-    pass")
    # The style sheet is there: a state is a filled badge.
    assert await page.locator(".state").evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(26, 127, 55)"
