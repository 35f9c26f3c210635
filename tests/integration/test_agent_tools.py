"""`makima mcp`: the agent's commands as tools of the Model Context Protocol, as a real process (rules 3.1, 3.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.agent.tool_server import LONGEST_FRAME, VERSIONS
from domain.handover import ANSWERS_FILE, HANDOVER_FILE, Answers, Handover
from domain.models import Question
from domain.names import TASK_FOLDER
from domain.questions import question_id
from tests.integration.test_agent_commands import TASK, Agent

pytestmark = pytest.mark.rule("3.1")


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "task")


def answers(agent: Agent, *frames: dict[str, Any] | bytes) -> list[dict[str, Any]]:
    """What is answered to these frames; an object is a request with its place as id."""
    requests = [
        frame if isinstance(frame, bytes) else json.dumps({"jsonrpc": "2.0", "id": number, **frame}).encode()
        for number, frame in enumerate(frames)
    ]
    done = agent.makima("mcp", stdin=b"\n".join(requests) + b"\n")
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
    return {"method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def told(answer: dict[str, Any]) -> tuple[bool, str]:
    """Whether it went well, and its text."""
    (part,) = answer["result"]["content"]
    return not answer["result"]["isError"], part["text"]


def handover(agent: Agent) -> Handover:
    return Handover.model_validate_json((agent.folder.path / HANDOVER_FILE).read_bytes())


def test_it_speaks_the_version_that_it_is_asked_for_and_offers_every_command(agent: Agent) -> None:
    begin = {"method": "initialize", "params": {"protocolVersion": VERSIONS[-1]}}
    newer = {"method": "initialize", "params": {"protocolVersion": "2099-01-01"}}
    ready = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'
    first, second, listed, pong = answers(agent, begin, newer, ready, {"method": "tools/list"}, {"method": "ping"})
    assert first["result"]["protocolVersion"] == VERSIONS[-1]
    assert second["result"]["protocolVersion"] == VERSIONS[0]
    assert pong == {"jsonrpc": "2.0", "id": 4, "result": {}}
    tools = {each["name"]: each["inputSchema"] for each in listed["result"]["tools"]}
    commands = {
        line.split()[0]
        for line in agent.says("directive", "--help").partition("Commands:")[2].splitlines()[1:]
        if line[2:3].strip()
    }
    assert set(tools) == {each.replace("-", "_") for each in commands}
    assert tools["add_step"]["required"] == ["name"]
    assert tools["add_step"]["properties"]["order_index"]["type"] == "integer"
    assert tools["artifact_put"]["required"] == ["name", "content"]


def test_what_a_tool_does_is_what_its_command_does(agent: Agent) -> None:
    agent.starts(memory_enabled=True)
    steps = [{"name": "Roof", "taskPlan": "Build it", "dependsOn": ["Floor"]}, {"name": "Floor", "taskPlan": "-"}]
    done = answers(
        agent,
        call("batch_add_steps", json=steps),
        call("add_step", name="--task-plan=x", task_plan="a\nb", depends_on=["Roof", "Floor"], order_index=2),
        call("set_deps", step="Floor", depends_on=["Walls"]),
        call("memory_set", key="colour", value="- red", category=""),
        call("memory_get", key="colour"),
        call("artifact_put", name="plan.json", content="{}"),
        call("done", nothing_to_do="all there"),
    )
    assert [told(each)[0] for each in done] == [True] * len(done), done
    kept = handover(agent)
    added = {step.name: step for step in kept.plan.add}
    assert told(done[0])[1].split() == [str(added["Roof"].id), str(added["Floor"].id)]
    assert (added["--task-plan=x"].task_plan, added["--task-plan=x"].order_index) == ("a\nb", 2)
    assert len(added["--task-plan=x"].depends_on) == 2
    assert added["Floor"].depends_on
    assert told(done[4])[1] == "- red"
    assert (agent.folder.path / "artifacts" / "plan.json").read_text() == "{}"
    assert kept.done


@pytest.mark.rule("3.2")
@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (call("add_step"), "Missing argument"),
        (call("add_step", name="x", colour="red"), "takes no 'colour', only: name, "),
        (call("add_step", name="x", order_index="second"), "order-index"),
        (call("add_step", name="x", depends_on="nobody"), "nobody"),
        (call("add_step", name="\ud800"), "not text in UTF-8"),
        (call("batch_add_steps", json="-"), "not JSON"),
        (call("artifact_put", name="../x", content="y"), "../x"),
        (call("memory_get", key="none"), "memory is not enabled"),
    ],
)
def test_what_is_refused_says_why_and_has_changed_nothing(agent: Agent, asked: dict[str, Any], why: str) -> None:
    refused, lives = answers(agent, asked, {"method": "ping"})
    went_well, text = told(refused)
    assert not went_well and why in text and "\n" not in text.split(" (see")[0]
    assert lives["result"] == {}
    assert not (agent.folder.path / HANDOVER_FILE).exists()


def test_junk_is_answered_and_does_no_harm(agent: Agent) -> None:
    junk = (
        b"not json",
        b"[1]",
        b'{"id": 1}',
        b'{"jsonrpc": "2.0", "id": 9, "result": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
    )
    told_of = answers(agent, *junk, {"method": "resources/list"}, call("format_disk"), {"method": "tools/call"})
    assert [each["error"]["code"] for each in told_of] == [
        *(-32700, -32600, -32600, -32700, -32700),
        *(-32601, -32602, -32602),
    ]
    (whole, *_) = answers(agent, b'"' + b"x" * LONGEST_FRAME + b'"', {"method": "ping"})
    assert whole["error"]["code"] == -32600


def test_a_person_is_asked_and_the_answer_is_the_tools(agent: Agent) -> None:
    known = Question(id=question_id(TASK, "Which red?"), task=TASK, text="Which red?", answer="dark")
    (agent.folder.path / ANSWERS_FILE).write_text(Answers(questions=(known,)).model_dump_json())
    (answer,) = answers(agent, call("ask", question="Which red?", choices=["dark", "light"]))
    assert told(answer) == (True, "dark")


def test_outside_of_a_task_it_offers_what_it_can_and_says_what_is_wrong(agent: Agent) -> None:
    agent.env[TASK_FOLDER] = "/nowhere"
    (answer,) = answers(agent, call("done"))
    went_well, text = told(answer)
    assert not went_well and "names no task" in text
