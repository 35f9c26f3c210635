"""The commands of an agent, as real processes in a task folder (rules 3.1, 3.2, 3.4, 8.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.sandbox.task_folder import TaskFolder, make_task_folder
from domain.daemon_messages import MAX_ARTIFACT
from domain.handover import (
    ANSWERS_FILE,
    CONTEXT_FILE,
    HANDOVER_FILE,
    Answers,
    Handover,
    TaskContext,
)
from domain.models import Memory, Question
from domain.names import TASK_FOLDER
from domain.questions import question_id
from domain.spawn_task import CommandContext, KnownStep
from domain.statuses import TaskKind
from tests import forked
from tests.forked import Program

TASK = UUID("0d9c2b1e-7a64-5a51-9c1c-7e2f0a9d3b55")
WALLS = KnownStep(id=uuid4(), name="Walls", generation=1, status="pending", finished=False, running=False)


class Agent:
    """A shell with nothing but its task folder. Its commands are processes, forked from one that has imported what they
    need; `test_an_answer_that_comes_while_the_command_waits…` runs the file that agents find.
    """

    def __init__(self, path: Path) -> None:
        self.folder: TaskFolder = make_task_folder(path)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder.home), TASK_FOLDER: str(self.folder.path)}
        self.starts()

    def starts(self, kind: TaskKind = TaskKind.PLANNING, **context: object) -> None:
        given = CommandContext.model_validate({"steps": (WALLS,), **context})
        told = TaskContext(task=TASK, kind=kind, generation=2, context=given)
        (self.folder.path / CONTEXT_FILE).write_text(told.model_dump_json())

    def makima(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return forked.run(Program.MAKIMA, args, self.env, stdin)

    def says(self, *args: str, stdin: bytes = b"") -> str:
        """What the command printed; it has to succeed."""
        done = self.makima(*args, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode().strip()

    def refused(self, *args: str, stdin: bytes = b"") -> str:
        """The line that says why; nothing has changed."""
        before = self.written()
        done = self.makima(*args, stdin=stdin)
        assert (done.returncode, done.stdout) == (2, b""), done
        assert self.written() == before
        (line,) = done.stderr.decode().splitlines()
        return line

    def written(self) -> dict[str, bytes]:
        files = (path for path in self.folder.path.rglob("*") if path.is_file() and path.name != "handover.lock")
        return {str(path): path.read_bytes() for path in files}

    def handover(self) -> Handover:
        return Handover.model_validate_json((self.folder.path / HANDOVER_FILE).read_bytes())


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "task")


@pytest.mark.rule("3.1")
def test_a_plan_is_made_step_by_step_and_the_ids_are_kept(agent: Agent) -> None:
    roof = agent.says("directive", "add-step", "Roof", "--task-plan", "Build it", "--depends-on", "Walls")
    entries = [{"name": "Paint", "taskPlan": "x", "dependsOn": [roof]}, {"name": "Door", "task_plan": "y"}]
    paint, door = agent.says("directive", "batch-add-steps", "--json", json.dumps(entries)).split()
    agent.says("directive", "set-deps", "Paint", door, "Roof")
    agent.says("directive", "set-deps", "Walls", "--depends-on", "Door")
    plan = agent.handover().plan
    assert [(str(step.id), step.name) for step in plan.add] == [(roof, "Roof"), (paint, "Paint"), (door, "Door")]
    assert plan.add[0].depends_on == (WALLS.id,)
    assert plan.add[1].depends_on == (UUID(door), UUID(roof))
    shown = json.loads(agent.says("directive", "status"))
    assert [step["name"] for step in shown["existing"]] == ["Walls"]
    assert [step["name"] for step in shown["added"]] == ["Roof", "Paint", "Door"]
    assert shown["dependencies_set"] == [{"step": str(WALLS.id), "depends_on": [door]}]
    agent.says("directive", "remove-step", paint)
    agent.says("directive", "done")
    assert [step.name for step in agent.handover().plan.add] == ["Roof", "Door"]
    assert agent.handover().done


@pytest.mark.rule("3.1")
def test_a_long_plan_may_come_on_stdin(agent: Agent) -> None:
    entries = [{"name": f"step {n}", "taskPlan": "x" * 2000} for n in range(200)]
    ids = agent.says("directive", "batch-add-steps", "--json", "-", stdin=json.dumps(entries).encode()).split()
    assert len(set(ids)) == 200


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["add-step", "Roof", "--task-plan", "x", "--depends-on", "Cellar"], "step 'Roof' depends on 'Cellar'"),
        (["add-step", "Roof"], "step 'Roof' has no task plan"),
        (["add-step", "Roof", "--task-plan", "x", "--order-index=-1"], "step 'Roof': order_index is -1"),
        (["batch-add-steps", "--json", "{"], "--json is not JSON"),
        (["batch-add-steps", "--json", "[" * 1000], "--json is not JSON"),
        (["batch-add-steps", "--json", "9" * 5000], "a number of 5000 digits"),
        (["batch-add-steps", "--json", '[{"name": "A", "taskPlan": "x", "after": ["B"]}]'], "step 1 ('A'): after"),
        (["batch-add-steps", "--json", '[{"name": "A", "name": "B", "taskPlan": "x"}]'], "'name' stands twice"),
        (["batch-add-steps", "--json", '[{"name": "A", "taskPlan": "x"}, {"name": "A", "taskPlan": "x"}]'], "'A'"),
        (["remove-step", "Roof"], "there is no step 'Roof'"),
        (["set-deps", "Walls", "Walls"], "in a circle: 'Walls' → 'Walls'"),
        (["memory-set", "k", "v"], "memory is not enabled"),
        (["memory-list"], "memory is not enabled"),
        (["ask", "Why?", "--timeout", "soon"], "--timeout 'soon' is no time"),
        (["ask", "Why?", "--choices", "a,b", "--default", "c", "--timeout", "5"], "none of the choices"),
        (["artifact-put", "../../x"], "a file name"),
        (["update", "--pr-url", "x"], "no web address"),
        (["fail", ""], "say why"),
        (["add-step", "\udcff", "--task-plan", "x"], "not UTF-8"),
    ],
)
def test_a_refused_command_says_which_step_and_why_in_one_line(agent: Agent, command: list[str], said: str) -> None:
    assert said in agent.refused("directive", *command)


@pytest.mark.rule("3.4")
def test_what_is_piped_in_and_is_no_text_is_refused(agent: Agent) -> None:
    assert "stdin is not UTF-8 text" in agent.refused("directive", "batch-add-steps", "--json", "-", stdin=b'["\xff"]')
    assert "more than 4 MiB" in agent.refused("directive", "batch-add-steps", "--json", "-", stdin=b" " * 5_000_000)
    agent.starts(memory_enabled=True)
    assert "stdin is not UTF-8 text" in agent.refused("directive", "memory-set", "k", "-", stdin=b"\xff")


@pytest.mark.rule("3.1")
def test_a_worker_can_finish_but_not_plan(agent: Agent) -> None:
    agent.starts(TaskKind.STEP)
    assert "only the planner" in agent.refused("directive", "add-step", "Roof", "--task-plan", "x")
    agent.says("directive", "done", "--nothing-to-do", "it was there")
    assert agent.handover().nothing_to_do == "it was there"
    agent.says("directive", "fail", "it can't be done")
    assert (agent.handover().gave_up, agent.handover().done) == ("it can't be done", False)


def test_outside_of_a_task_the_command_says_so(agent: Agent, tmp_path: Path) -> None:
    agent.env[TASK_FOLDER] = str(tmp_path)
    assert "names no task" in agent.refused("directive", "status")


def test_a_handover_that_was_written_by_hand_is_not_overwritten(agent: Agent) -> None:
    (agent.folder.path / HANDOVER_FILE).write_text("{")
    assert "changed by something else" in agent.refused("directive", "done")


@pytest.mark.rule("3.4")
def test_twenty_commands_at_once_lose_none(agent: Agent) -> None:
    agent.starts(memory_enabled=True)
    planned = [("add-step", f"step {n}", "--task-plan", "x", "--depends-on", "Walls") for n in range(10)]
    remembered = [("memory-set", f"key {n}", f"value {n}") for n in range(10)]
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda args: agent.says("directive", *args), [*planned, *remembered]))
    handover = agent.handover()
    assert sorted(str(step.id) for step in handover.plan.add) == sorted(filter(None, done))
    assert {step.name for step in handover.plan.add} == {f"step {n}" for n in range(10)}
    assert sorted(step.position for step in handover.plan.add) == list(range(10))
    assert {change.key for change in handover.memories} == {f"key {n}" for n in range(10)}


@pytest.mark.rule("1", "3.1")
def test_what_an_agent_remembers_it_reads_again(agent: Agent) -> None:
    agent.starts(TaskKind.STEP, memory_enabled=True, memories=(Memory(key="old", value="1", category="facts"),))
    agent.says("directive", "memory-set", "new", "2")
    agent.says("directive", "memory-set", "long", "-", stdin=b"several\nlines")
    assert agent.says("directive", "memory-get", "new") == "2"
    assert agent.says("directive", "memory-get", "long") == "several\nlines"
    agent.says("directive", "memory-delete", "new")
    assert "there is no memory 'new'" in agent.refused("directive", "memory-get", "new")
    assert [entry["key"] for entry in json.loads(agent.says("directive", "memory-list"))] == ["old", "long"]
    assert [entry["key"] for entry in json.loads(agent.says("directive", "memory-list", "--category", "facts"))] == [
        "old"
    ]
    assert "at most 8 KiB" in agent.refused("directive", "memory-set", "new", "x" * 9000)


@pytest.mark.rule("3.1", "3.2")
def test_artifacts_are_kept_in_the_task_folder_by_both_spellings(agent: Agent) -> None:
    agent.says("directive", "artifact-put", "report.md", stdin="schön".encode())
    agent.says("contract", "create-file", "chain.json", stdin=b"[]")
    agent.says("directive", "artifact-put", "report.md", stdin=b"better")
    assert agent.handover().artifacts == ("report.md", "chain.json")
    kept = {path.name: path.read_bytes() for path in (agent.folder.path / "artifacts").iterdir()}
    assert kept == {"report.md": b"better", "chain.json": b"[]"}
    agent.says("directive", "artifact-put", "largest", stdin=b"x" * MAX_ARTIFACT)
    assert "at most 1024 KiB" in agent.refused("directive", "artifact-put", "larger", stdin=b"x" * (MAX_ARTIFACT + 1))
    assert "at most 1024 KiB" in agent.refused("directive", "artifact-put", "larger", stdin=b'"' * MAX_ARTIFACT)
    assert "not UTF-8" in agent.refused("directive", "artifact-put", "picture", stdin=b"\xff\xd8")


@pytest.mark.rule("3.2")
def test_the_old_spellings_still_finish_a_task(agent: Agent) -> None:
    agent.says("directive", "update", "--pr-url", "https://forge.example/pull/7")
    agent.says("supervisor", "complete")
    assert agent.handover().pull_request_url == "https://forge.example/pull/7"
    assert agent.handover().done


def answered(text: str, answer: str) -> Question:
    return Question(id=question_id(TASK, text), task=TASK, text=text, answer=answer, answered_by="me")


@pytest.mark.rule("8.3")
def test_an_answer_from_before_the_agent_was_started_is_printed_at_once(agent: Agent) -> None:
    agent.starts(TaskKind.STEP, answers=(answered("Which one?", "the red one"), answered("Else?", "")))
    assert agent.says("directive", "ask", "Which  one?") == "the red one"
    assert agent.says("directive", "ask", "Else?") == "(nobody answered in time: decide yourself)"


@pytest.mark.rule("8.3")
def test_without_an_answer_the_agent_is_told_to_end_and_the_question_stays_open(agent: Agent) -> None:
    ask = ("directive", "ask", "Which one?", "--choices", "red, blue", "--context", "a car", "--timeout", "30m")
    done = agent.makima(*ask, "--default", "red", "--wait-seconds", "0")
    assert (done.returncode, done.stdout) == (75, b"")
    assert b"you will be resumed" in done.stderr
    (question,) = agent.handover().open_questions
    assert (question.text, question.choices, question.context) == ("Which one?", ("red", "blue"), "a car")
    assert question.default == "red"
    assert question.deadline is not None
    assert 1700 < question.deadline.timestamp() - time.time() <= 1800


@pytest.mark.rule("8.3")
def test_an_answer_that_comes_while_the_command_waits_is_printed_and_heard(
    agent: Agent, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    command = (str(agent.folder.makima), "directive", "ask", "Which one?")
    with subprocess.Popen(command, env=agent.env, stdout=subprocess.PIPE) as asking:
        wait_for((agent.folder.path / HANDOVER_FILE).exists)
        assert agent.handover().open_questions
        fresh = agent.folder.path / "by the daemon"
        fresh.write_text(Answers(questions=(answered("Which one?", "blue"),)).model_dump_json())
        fresh.replace(agent.folder.path / ANSWERS_FILE)
        said, _ = asking.communicate(timeout=20)
    assert (asking.returncode, said) == (0, b"blue\n")
    assert agent.handover().open_questions == ()
    assert agent.says("directive", "ask", "Which one?") == "blue"


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < until, "it never happened"
            time.sleep(0.02)

    return wait


def test_the_command_needs_no_module_of_the_daemon() -> None:
    """It starts often, and on its own: neither Temporal's client nor a database's is loaded for it."""
    script = "import sys, cli.agent.__main__; print(sorted({'temporalio', 'asyncpg', 'daemon'} & set(sys.modules)))"
    said = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
