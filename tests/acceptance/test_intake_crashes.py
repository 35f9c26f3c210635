"""What is killed while an intake works: a daemon in a look or in a comment, and who receives webhooks (7.7 to 7.9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.coder import FIRST_ROOMS, ROOMS
from tests.acceptance.houses import House, Street, eventually, forge_settings
from tests.acceptance.stack import Running, SharedServers, Site
from tests.forge import ForgeUnderTest, forge_under_test

LABEL = "makima"
AGENTS = ("--agent", "planner", "--planner", "planner", "--require-approval", "--timings", "fast")


@pytest_asyncio.fixture
async def forge(tmp_path: Path) -> AsyncIterator[ForgeUnderTest]:
    """Of its own: it is told to fail."""
    async with forge_under_test(tmp_path / "forge") as made:
        yield made


@pytest.mark.rule("7.8")
@pytest.mark.timeout(1800)
async def test_a_daemon_killed_in_a_look_or_while_it_comments_is_followed_by_one_that_does_it_once(
    servers: SharedServers, forge: ForgeUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Site(servers, tmp_path_factory.mktemp("crashes"), "crashes") as site:
        site.worker()

        def daemon() -> Running:
            return site.daemon(further=f"capacity = 4\n{forge_settings(forge)}", planner="coder.py")

        running, street = daemon(), await Street.at(site, forge)
        house = House(street, await forge.make_repository(site.owner, "crashed"))
        await house.ann.commit("main", {"README.md": "# A house\n", ROOMS: FIRST_ROOMS})
        url = f"{forge.url}/{house.name}.git"
        assert (await street.starter("intake", "add", url, "--label", LABEL, *AGENTS)).code == 0
        number = (await forge.open_issue(house.name, user="ann", title=house.title, body="It stands."))["number"]

        async def daemon_dies_in(kind: str, method: str, path: str) -> Running:
            """Once the forge has begun to be silent; another one follows."""
            await forge.fail(kind, method=method, path=path, seconds=600)
            if method == "GET":
                await forge.change_issue(house.name, number, user="ann", label=LABEL)

            async def silent() -> bool:
                return not await forge.pending_failures()

            await eventually(silent, f"{method} {path}")
            running.kill()
            return daemon()

        # The list of issues is asked for, and no answer comes; the comment is written, and its answer never comes.
        running = await daemon_dies_in("silent", "GET", rf"{house.name}/issues$")
        running = await daemon_dies_in("acted_then_silent", "POST", rf"issues/{number}/comments$")

        async def told() -> list[str] | None:
            said = [each["body"] for each in await house.get(f"/issues/{number}/comments?per_page=100")]
            return said if any("A plan waits for approval" in each for each in said) else None

        assert len(await eventually(told, "the plan in the issue")) == 1
        assert len((await street.starter("list", "--json")).json()["directives"]) == 1


@pytest.mark.rule("7.9")
@pytest.mark.timeout(1800)
async def test_an_issue_is_taken_when_the_forge_tells_of_it_and_also_while_nobody_receives_that(
    servers: SharedServers, forge: ForgeUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hooked")
    with Site(servers, folder, "hooked") as site:
        site.worker()
        site.daemon(further=f"capacity = 4\n{forge_settings(forge)}", planner="coder.py")
        street = await Street.at(site, forge)
        house = House(street, await forge.make_repository(site.owner, "hooked"))
        await house.ann.commit("main", {"README.md": "# A house\n", ROOMS: FIRST_ROOMS})
        url, secret = f"{forge.url}/{house.name}.git", folder / "secret"
        await asyncio.to_thread(secret.write_text, "s" * 40)
        await asyncio.to_thread(secret.chmod, 0o600)
        assert (await street.starter("intake", "add", url, "--label", LABEL, *AGENTS)).code == 0
        receiver = site.starting("webhooks", "webhooks", "--secret-file", str(secret), "--http", "127.0.0.1:0")

        async def listening() -> str:
            return receiver.out.strip()

        await forge.add_hook(house.name, "github", await eventually(listening, "an address"), "s" * 40)

        async def heard() -> bool:
            """Temporal lists an intake a moment after it was started."""
            before = len(await forge.hook_answers())
            await forge.open_issue(house.name, user="ann", title="Hello")
            await eventually(lambda: answered(before), "an answer")
            return (await forge.hook_answers())[-1] == 202

        async def answered(before: int) -> bool:
            return len(await forge.hook_answers()) > before

        await eventually(heard, "an intake that is known")

        async def taken(title: str, *answers: int) -> None:
            """The forge has told of it, was answered so, and it is a directive."""
            number = (await forge.open_issue(house.name, user="ann", title=title, body="It stands."))["number"]
            await forge.change_issue(house.name, number, user="ann", label=LABEL)

            async def known() -> bool:
                intakes = (await street.starter("intake", "list", "--json")).json()["intakes"]
                return any(each["number"] == number for each in intakes[0]["taken"])

            await eventually(known, f"the directive of {title}")
            assert (await forge.hook_answers())[-2:] == list(answers)

        await taken("Told", 202, 202)
        history = await street.client.get_workflow_handle(
            f"intake-{site.owner}-{forge.url.removeprefix('http://')}/{house.name}"
        ).fetch_history()
        assert any(each.HasField("workflow_execution_signaled_event_attributes") for each in history.events)
        receiver.kill()
        await taken("Found", 0, 0)
        assert "s" * 40 not in receiver.out + receiver.err
