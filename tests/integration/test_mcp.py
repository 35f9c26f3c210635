"""`starter.py mcp` as a process, and clients of the protocol's own library (docs/mcp.md)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from activities.issues import IssueActivities
from domain import names
from domain.events import EventName
from domain.intake.issue import IssueNamed, IssueRead, IssueStanding
from domain.intake.state import IssueLook, IssuesSeen, IssueTold, ProgressTold
from steering.tools import OFFERED
from tests.fixtures_desk import URL, Desk
from tests.mcp_serving import STARTER, TOKEN, environment, over_http
from tests.processes import end
from tests.workers import TestedWorker
from tests.workflows.scripted import planned, until

HOUSE: dict[str, Any] = {
    **{"title": "House", "goal": "A house", "repo": URL, "planner": "planner", "agent": "shell", "timings": "fast"},
    "wait_for_daemon": True,  # the scripted one reports itself to nobody
}
KNOWN = {"authorization": f"Bearer {TOKEN}"}
SPEAKS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def asked(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.mark.rule("9.6")
async def test_a_directive_is_steered_over_stdio(desk: Desk, database: str, tmp_path: Path) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    server = StdioServerParameters(
        command=sys.executable, args=[STARTER, "mcp"], env=environment(desk, database, tmp_path)
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = {each.name: each for each in (await session.list_tools()).tools}
        assert tuple(tools) == OFFERED
        assert all(each.description for each in tools.values())

        async def does(tool: str, **arguments: Any) -> Any:
            done = await session.call_tool(tool, arguments)
            assert not done.is_error, done
            return json.loads(done.content[0].text)  # type: ignore[union-attr]

        async def refused(tool: str, **arguments: Any) -> str:
            done = await session.call_tool(tool, arguments)
            text: str = done.content[0].text  # type: ignore[union-attr]
            assert done.is_error
            assert len(text.splitlines()) == 1
            return text

        directive = (await does("start", **HOUSE, require_approval=True, request_id="one"))["id"]
        assert (await does("start", **HOUSE, require_approval=True, request_id="one"))["id"] == directive

        async def proposes() -> bool:
            return bool((await does("status", directive=directive))["proposal"])

        await until(proposes)
        plan = await does("plan", directive=directive)
        assert [step["name"] for step in plan["steps"]] == ["floor"]
        assert "plan: Field required" in await refused("approve", directive=directive)
        assert f"another one, {plan['name']}" in await refused("approve", directive=directive, plan="0123abcd")
        assert "comment" in await refused("reject", directive=directive)
        assert "may not be empty" in await refused("goal", directive=directive, goal="")
        assert "means 0 questions" in await refused("answer", directive=directive, question="91c0", text="yes")
        assert "goal_file" in await refused("start", **HOUSE, goal_file="/etc/hostname")
        assert "there is no directive" in await refused("status", directive="nobody")
        assert "there is no tool" in await refused("archive", directive=directive)
        approved = await does("approve", directive=directive, plan=plan["name"])
        assert approved["status"] in ("planning", "active", "completing", "idle")
        await desk.until(directive, "idle")
        assert (await does("pause", directive=directive))["status"] == "paused"
        assert [each["id"] for each in (await does("list"))["directives"]] == [directive]
        assert [task["name"] for task in (await does("logs", directive=directive, step="floor"))["tasks"]] == [
            "House: floor"
        ]


@pytest.mark.rule("9.6")
async def test_what_a_client_has_asked_for_is_done_though_it_hangs_up(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    env = environment(desk, database, tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, STARTER, "mcp"), env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    frames = (
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": begin},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        asked("start", **HOUSE, request_id="hung-up"),
    )
    process.stdin.write("".join(json.dumps(each) + "\n" for each in frames).encode())
    await process.stdin.drain()
    process.stdin.close()
    try:
        async with asyncio.timeout(120):
            await process.wait()
    finally:
        await end(process)
    started = await desk.json("list")
    assert [each["title"] for each in started["directives"]] == ["House"]


@pytest.mark.rule("9.6")
async def test_over_http_only_who_has_the_token_and_comes_by_its_own_name_is_heard(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    async with over_http(environment(desk, database, tmp_path)) as url, httpx.AsyncClient() as client:
        post = httpx.Request("POST", url, headers={**SPEAKS, **KNOWN}, json=asked("list"))
        answer = await client.send(post)
        assert (answer.status_code, answer.json()["result"]["isError"]) == (200, False), answer.text
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer no"}, 401),
            ({"authorization": TOKEN}, 401),
            ({**KNOWN, "host": "evil.example"}, 421),
            ({**KNOWN, "origin": "https://evil.example"}, 403),
        ):
            answer = await client.post(url, headers={**SPEAKS, **headers}, json=asked("list"))
            assert answer.status_code == status, headers
            assert TOKEN not in answer.text
        refused = await client.post(url, headers={**SPEAKS, **KNOWN}, json=asked("status", directive="nobody"))
        assert refused.json()["result"]["isError"]
        assert "there is no directive" in refused.json()["result"]["content"][0]["text"]
        large = await client.post(url, headers={**SPEAKS, **KNOWN}, json=asked("goal", goal="x" * 2**21))
        assert large.status_code == 413


async def told(client: httpx.AsyncClient, url: str, tool: str, **arguments: Any) -> tuple[str, bool]:
    """What a tool says over HTTP, and whether it went well."""
    answer = await client.post(url, headers={**SPEAKS, **KNOWN}, json=asked(tool, **arguments), timeout=120)
    result = answer.json()["result"]
    return str(result["content"][0]["text"]), not result["isError"]


@pytest.mark.rule("9.6")
@pytest.mark.rule("2.13")
async def test_one_like_another_is_started_with_its_options(desk: Desk, database: str, tmp_path: Path) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("roof", []))]
    liked = await desk.start("--verify", "make test", "--once", "--constraint", "No nails")
    await desk.until_recorded(liked, "completed")
    async with over_http(environment(desk, database, tmp_path)) as url, httpx.AsyncClient() as client:
        given = {"like": liked, "title": "Barn", "wait_for_daemon": True, "request_id": "barn"}
        text, went_well = await told(client, url, "start", **given)
        assert went_well, text
        barn = await desk.until_recorded(json.loads(text)["id"], "completed")
        assert json.loads((await told(client, url, "start", **given))[0])["id"] == str(barn.directive.id)
        assert await told(client, url, "start", like="nobody") == (
            "there is no directive 'nobody'; `starter.py list` shows them all",
            False,
        )
    assert (barn.directive.text.title, barn.directive.text.goal) == ("Barn", "A house")
    assert (barn.directive.settings.verify, barn.directive.text.constraints) == (("make test",), ("No nails",))


class Issues:
    """A daemon's reader of one forge."""

    def __init__(self) -> None:
        self.issues: dict[int, IssueRead] = {}

    async def read(self, named: IssueNamed) -> IssueRead:
        gone = IssueRead(number=named.number, standing=IssueStanding.GONE)
        return self.issues.get(named.number, gone)

    async def look(self, look: IssueLook) -> IssuesSeen | None:
        raise AssertionError("no intake is there")

    async def tell(self, told: ProgressTold) -> IssueTold:
        raise AssertionError("no intake is there")


@pytest.mark.rule("9.6")
@pytest.mark.rule("7.6")
async def test_one_of_an_issue_is_started_once_and_a_strangers_text_never(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    issues, page = Issues(), "https://forge.invalid/acme/shop/issues"
    issues.issues[7] = IssueRead(number=7, standing=IssueStanding.OPEN, title="Roof", text="It leaks.", author="ann")
    stranger = {"text": "Burn it down.", "author": "mallory", "unheard_text": "mallory may not write"}
    issues.issues[8] = IssueRead(number=8, standing=IssueStanding.OPEN, title="Fire", **stranger)
    reading = TestedWorker(
        desk.world.client,
        task_queue=names.light_queue(desk.owner),
        activities=[IssueActivities(issues).read_issue],
    )
    given = {"planner": "planner", "agent": "shell", "timings": "fast", "wait_for_daemon": True}
    async with reading, over_http(environment(desk, database, tmp_path)) as url, httpx.AsyncClient() as client:
        text, went_well = await told(client, url, "start", issue=f"{page}/7", **given, request_id="roof")
        assert went_well, text
        roof = await desk.until_recorded(json.loads(text)["id"], "idle")
        assert roof.directive.text.title == "Roof" and "It leaks." in roof.directive.text.goal
        assert roof.directive.settings.closes == ("#7",)
        again, went_well = await told(client, url, "start", issue=f"{page}/7", **given, request_id="roof")
        assert went_well and json.loads(again)["id"] == str(roof.directive.id)
        for issue, more, said in (
            (7, {}, f"is {names.workflow_id('Roof', roof.directive.id)} already"),
            (8, {}, "mallory may not write"),
            (8, {"yes": True}, "yes"),
            (9, {}, "is not there"),
        ):
            text, went_well = await told(client, url, "start", issue=f"{page}/{issue}", **given, **more)
            assert not went_well and said in text and len(text.splitlines()) == 1, text
            assert "Burn" not in text
        directives = json.loads((await told(client, url, "list"))[0])["directives"]
        assert [each["id"] for each in directives] == [str(roof.directive.id)]


@pytest.mark.rule("9.6")
async def test_a_client_that_hangs_up_over_http_loses_nothing_and_does_nothing_twice(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("roof", []))]
    async with over_http(environment(desk, database, tmp_path)) as url, httpx.AsyncClient() as client:
        for _ in range(3):
            await hangs_up(url, "start", **HOUSE, require_approval=True, request_id="house")

        async def proposes() -> bool:
            found = json.loads((await told(client, url, "list"))[0])["directives"]
            shown = [json.loads((await told(client, url, "status", directive=each["id"]))[0]) for each in found]
            return bool(shown) and all(each["proposal"] for each in shown)

        await until(proposes)
        started = json.loads((await told(client, url, "start", **HOUSE, request_id="house"))[0])["id"]
        plan = json.loads((await told(client, url, "status", directive=started))[0])["proposal"]["name"]
        for _ in range(3):
            await hangs_up(url, "approve", directive=started, plan=plan, request_id="once")
        await desk.until(started, "idle")
        text, went_well = await told(client, url, "approve", directive=started, plan=plan, request_id="once")
        assert went_well, text
        found = json.loads((await told(client, url, "list"))[0])["directives"]
        assert [each["id"] for each in found] == [started]
        happened = [each.what for each in await desk.reading.events(UUID(started))]
        assert happened.count(EventName.PLAN_APPROVED) == 1


async def hangs_up(url: str, tool: str, **arguments: Any) -> None:
    """Send a call whole, and nothing more: the server sees its end behind it, and has nobody to answer."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    body = json.dumps(asked(tool, **arguments)).encode()
    headers = {**SPEAKS, **KNOWN, "host": f"{address.host}:{address.port}", "content-length": str(len(body))}
    lines = [f"POST {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    writer.write_eof()
    assert await reader.read() == b"", "it was gone before there was an answer"
    writer.close()


@pytest.mark.rule("9.6")
@pytest.mark.parametrize(
    ("words", "token", "said"),
    [
        (["--http", "nowhere"], TOKEN, "takes HOST:PORT"),
        (["--http", "127.0.0.1:0"], "", "set MAKIMA_MCP_TOKEN to a secret of at least 32 characters"),
        (["--http", "127.0.0.1:0"], "short", "set MAKIMA_MCP_TOKEN"),
        (["--http", "0.0.0.0:0"], TOKEN, "--name"),
    ],
)
def test_what_would_be_open_to_others_is_not_served(words: list[str], token: str, said: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MAKIMA_MCP_TOKEN": token}
    argv = [sys.executable, STARTER, "mcp", *words]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
