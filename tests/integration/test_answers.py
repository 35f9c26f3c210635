"""Questions answered and plans approved by the link of a notice: a real server, real HTTP, real workflows."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from domain.health_report import Verdict
from runtime.notice_checks import notice_checks
from runtime.shared_settings import SharedSettings
from tests.answer_serving import KEY, answers, asked, token
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until

pytestmark = pytest.mark.rule("8.5")

PAGE = ("content-security-policy", "referrer-policy", "cache-control", "x-content-type-options", "x-frame-options")


async def given(desk: Desk, directive: str) -> list[str]:
    """Who has answered what, as the history has it."""
    return [line for line in (await desk.does("history", directive)).splitlines() if "question answered" in line]


async def test_a_question_is_shown_by_get_and_answered_once_by_post(desk: Desk, database: str, tmp_path: Path) -> None:
    directive, question = await asked(desk)
    link = token(desk.owner, directive, question=question.id)
    async with answers(desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        url = f"{served.url}/{link}"
        for method in ("GET", "HEAD", "GET"):  # a mail scanner, a preview
            page = await client.request(method, url)
            assert page.status_code == 200
            assert all(page.headers[name] for name in PAGE)
            assert page.headers["cache-control"] == "no-store"
        assert "Oak?" in page.text
        assert (await desk.json("questions", directive))["questions"], "to look answers nothing"
        both = await asyncio.gather(*(client.post(url, data={"answer": "yes"}) for _ in range(2)))  # a double click
        assert [each.status_code for each in both] == [200, 200]
        other = await client.post(url, data={"answer": "no"})  # another browser
        assert other.status_code == 409
        assert "answered by phone (link of a notice): yes" in other.text
        (line,) = await given(desk, directive)
        assert "phone (link of a notice)" in line
        seen = await client.get(url)
        assert "This question was answered" in seen.text
        assert "<form" not in seen.text


async def test_an_answer_is_held_to_the_choices(desk: Desk, database: str, tmp_path: Path) -> None:
    directive, question = await asked(desk, choices=("yes,\r\nplease", "no"))
    link = token(desk.owner, directive, question=question.id)
    async with answers(desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        url = f"{served.url}/some/prefix/{link}"
        assert '<button name="choice" value="0">yes' in (await client.get(url)).text
        refused = await client.post(url, data={"answer": "perhaps"})
        assert (refused.status_code, "one of: yes" in refused.text) == (409, True)
        assert (await client.post(url, data={"answer": " "})).status_code == 409
        assert (await client.post(url, data={"choice": "2"})).status_code == 409
        assert (await client.post(url, data={"choice": "0"})).status_code == 200
    assert "yes" in (await given(desk, directive))[0]


async def test_a_server_that_is_killed_between_page_and_answer_loses_nothing(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    directive, question = await asked(desk)
    link = token(desk.owner, directive, question=question.id)
    async with answers(desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(f"{served.url}/{link}")).status_code == 200
        served.process.send_signal(signal.SIGKILL)
        await served.process.wait()
        with pytest.raises(httpx.HTTPError):
            await client.post(f"{served.url}/{link}", data={"answer": "yes"})
    async with answers(desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        assert (await client.post(f"{served.url}/{link}", data={"answer": "yes"})).status_code == 200
    assert len(await given(desk, directive)) == 1


async def test_a_link_approves_the_plan_that_it_was_sent_for_and_no_later_one(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("cellar", []))]
    directive = await desk.start("--require-approval")

    async def proposal(name: str) -> UUID | None:
        state = await desk.reading.state(UUID(directive))
        plan = state and state.proposal
        return plan.identity if plan and plan.add[0].name == name else None

    async def proposed(name: str) -> UUID:
        async def there() -> bool:
            return bool(await proposal(name))

        await until(there)
        found = await proposal(name)
        assert found
        return found

    first = token(desk.owner, directive, plan=await proposed("floor"))
    async with answers(desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        assert "<b>floor</b>" in (await client.get(f"{served.url}/{first}")).text
        back = {"decide": "reject", "comment": "a cellar first"}
        assert (await client.post(f"{served.url}/{first}", data=back)).status_code == 200
        second = token(desk.owner, directive, plan=await proposed("cellar"))
        late = await client.post(f"{served.url}/{first}", data={"decide": "approve"})
        assert (late.status_code, "waits no more, but another one" in late.text) == (409, True)
        assert "does not wait for approval any more" in (await client.get(f"{served.url}/{first}")).text
        assert (await client.post(f"{served.url}/{second}", data={"decide": "perhaps"})).status_code == 409
        assert await proposal("cellar"), "nothing was approved yet"
        assert (await client.post(f"{served.url}/{second}", data={"decide": "approve"})).status_code == 200
    await desk.until(directive, "idle")
    history = (await desk.does("history", directive)).splitlines()
    (approved,) = [line for line in history if "plan approved" in line]
    assert "phone (link of a notice)" in approved


async def test_where_no_links_are_made_it_says_so_and_doctor_finds_it(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    async with answers(desk, database, tmp_path, url="") as served:
        settings = SharedSettings(answer_url=served.url, answer_key=SecretStr(KEY))
        (check,) = await notice_checks(settings)
        assert (check.verdict, check.found) == (Verdict.OK, f"{served.url} leads to it")
