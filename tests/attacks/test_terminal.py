"""Texts of agents that would write to the operator's clipboard, title and screen: no command ever prints one raw."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.lost_workflows import LostWorkflows
from cli.operator.app import names_in
from domain.daemon_messages import Artifact, DaemonReport, LogChunk
from domain.failures import Failure, FailureCategory
from domain.models import Memory, Proposal, State, Work
from domain.names import step_task, task_branch, workflow_id
from domain.pull_request import PullRequest
from domain.record import AttemptEnded, DeliveryStarted, Event, Facts, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskStatus
from domain.visible import visible
from domain.web_ui_details import details
from ledger.workflow_checks import WorkflowChecks
from starter import STACK_COMMANDS, build_app
from tests.fixtures_desk import Desk
from tests.fixtures_stack import temporal_environment
from tests.integration.conftest import Committer
from tests.values import NOON, asking, directive_with, question, with_step
from workflows.launching import static_details, static_summary
from workflows.options import daemon_activity

ROOT = Path(__file__).parents[2]
CLIPBOARD = "\x1b]52;c;aGVsbG8=\x07"
POISON = (
    CLIPBOARD
    + "\x1b[2J\x9b31m[red][link=x]"
    + "".join(chr(code) for code in (*range(1, 9), *range(11, 32), *range(127, 160)))
    + "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\u200b\ufeff\U000e0041"
    + "\u115f\u3164\uffa0\u180e\ufff9\u034f\xad\ufe00\U000e0100"
)
FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
INVISIBLE = {
    "fillers of Hangul": "\u115f\u1160\u3164\uffa0",
    "vowels without a picture": "\u17b4\u17b5\u180e",
    "variation selectors": "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))),
    "tags": "".join(map(chr, range(0xE0000, 0xE0080))),
    "annotations": "\ufff9\ufffa\ufffb",
    "hyphens and joiners": "\xad\u034f\u200b\u200c\u200d\u2060\u2061\ufeff",
    "separators": "\u2028\u2029",
    "never given": "\u2065\ufff0\U000e0fff",
    "shorthand and music": "\U0001bca0\U0001d159\U0001d173",
}
JOINERS = "\u200c\u200d"
WITH_A_PICTURE = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Format characters, in Unicode's words, that are seen."""
READABLE = {
    "accents": "Ärger, naïve, cafe\u0301, Việt Nam, Vie\u0323\u0302t",
    "emoji": "❤\ufe0f ❤\ufe0f\u200d🔥 👩\u200d💻 👩🏽\u200d🚀 1\ufe0f\u20e3 ©\ufe0f 🏳\ufe0f\u200d🌈 ✓ ☎\ufe0e 🇫🇷",
    "Arabic and Persian": "السَّلَامُ عَلَيْكُم می\u200cخواهم ه\u200d",
    "Hebrew": "בְּרֵאשִׁ֖ית בָּרָ֣א",
    "Indic": "क्\u200dष र्\u200dय শ্রী র\u200d্য ക്\u200dഷ ශ්\u200dරී நன்றி",
    "others": "ภาษาไทย ཧཱུྃ 한국어 日本語 ᠮᠣᠩᠭᠣᠯ ᠠ\u180b Ελληνικά Русский",
}


def forbidden(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in FORBIDDEN and each not in "\n\t" + JOINERS} - set(
        WITH_A_PICTURE
    )


def poisoned(model: Any) -> Any:
    """A value of the same type with poison behind every text that its type lets have some; found by trying, so that a
    field that comes to be later takes part.
    """
    values = model.model_dump(mode="python")
    for place in list(_texts(values)):
        before = _at(values, place)
        _put(values, place, f"{before}{POISON}")
        try:
            type(model).model_validate(values)
        except ValidationError:
            _put(values, place, before)
    return type(model).model_validate(values)


def _texts(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if type(value) is str:
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _put(value: Any, place: tuple[Any, ...], text: str) -> None:
    _at(value, place[:-1])[place[-1]] = text


def evil(state: State, work: Work | None = None) -> State:
    """A directive of two steps, all of whose texts are poison: one failed, one completed, a plan that waits."""
    steps = list(state.steps)
    failure = Failure(category=FailureCategory.AGENT, report="it says")
    state = with_step(state, steps[0], status=StepStatus.FAILED, failure=failure)
    made = work or Work(branch="makima/x", base="b" * 40, head="c" * 40, commits=1)
    state = with_step(state, steps[1], status=StepStatus.COMPLETED, work=made, summary="done")
    state = asking(state, question(step_task(steps[0]), context="see", default="yes"))
    tasks = {
        identity: task.model_copy(update={"daemon": "box", "reason": "rests", "status": TaskStatus.WAITING})
        for identity, task in state.tasks.items()
    }
    pull_request = PullRequest(branch="makima/x", head="c" * 40, base="main", url="https://git.invalid/pulls/1")
    added = state.steps[steps[0]].model_copy(update={"id": uuid4(), "name": "later"})
    proposal = Proposal(generation=1, add=(added,), remove=(), base_commit="b" * 40)
    memory = poisoned(Memory(key="key", value="value", category="c"))
    state = state.model_copy(
        update={
            "tasks": tasks,
            "status": DirectiveStatus.PAUSED,
            "planned": 1,
            "reason": "stopped",
            "pull_request": pull_request,
            "memories": {"key": memory},
            "proposal": proposal,
            "note": "n",
        }
    )
    # The work's commits must stay what they are: git is asked for them.
    kept = {identity: step.work for identity, step in state.steps.items()}
    spoiled: State = poisoned(state)
    for identity, step_work in kept.items():
        spoiled = with_step(spoiled, identity, work=step_work)
    return spoiled.model_copy(
        update={"directive": poisoned(state.directive).model_copy(update={"owner": state.directive.owner})}
    )


async def recorded(desk: Desk, state: State) -> None:
    """The record full of it: events, attempts, logs, artifacts, and a daemon of that name."""
    failed, done = state.steps
    task = step_task(failed)
    outcome = Outcome(
        task=task, attempt=1, status=OutcomeStatus.FAILED, summary="s", failure=state.steps[failed].failure,
        daemon="box",
    )  # fmt: skip
    facts = Facts(
        events=(poisoned(Event(at=NOON, actor="agent", what="failed", why="so", step=failed)),),
        deliveries=(poisoned(DeliveryStarted(task=task, attempt=1, delivery="d", daemon="box", at=NOON)),),
        attempts=(AttemptEnded(outcome=poisoned(outcome), at=NOON),),
    )
    await desk.ledger.record(snapshot(state, facts, "run", 1))
    for each in (failed, done):
        chunk = LogChunk(
            directive=state.directive.id, task=step_task(each), attempt=1, delivery=f"d{POISON}", offset=0,
            text=f"a line {POISON}\n",
        )  # fmt: skip
        await desk.ledger.append_log(chunk)
    report = Artifact(directive=state.directive.id, task=task, attempt=1, name=f"report{POISON}", content=POISON)
    await desk.ledger.put_artifact(report)
    daemon = DaemonReport(
        owner=desk.owner, name="box", version="1", agents=("shell",), labels=("l",), capacity=1, sandbox="none",
        parked=("claude: limit",),
    )  # fmt: skip
    spoilt = {"agents": (POISON,), "labels": (POISON,), "parked": (POISON,)}
    await desk.ledger.report_daemon(poisoned(daemon).model_copy(update={"owner": desk.owner, **spoilt}))
    await LostWorkflows(desk.world.client, WorkflowChecks(desk.pool)).look()  # there is no workflow of it


def typed(directive: str, step: str) -> dict[str, list[tuple[str, ...]]]:
    """Every command of the operator's, as it is typed in this test."""
    evil_title = ("--title", POISON, "--goal", POISON, "--repo", POISON, "--planner", "p")
    return {
        **{name: [(directive,)] for name in ("begin", "replan", "pause", "resume", "approve", "poke")},
        **{name: [(directive, step)] for name in ("remove-step", "retry-step", "skip-step", "cancel-step", "why")},
        "start": [evil_title],
        "create": [evil_title, ("--title", "x", "--goal", "g", "--repo", "https://x.invalid/" + POISON)],
        "list": [()],
        "budget": [()],
        "test-notices": [()],
        "intake": [("list",), ("add", POISON, "--label", POISON, "--planner", "p"), ("remove", POISON)],
        "init": [(POISON,), ("--print",)],
        "schedule": [
            ("add", "x", "--cron", POISON, "--like", directive, "--planner", "p", "--wait-for-daemon"),
            ("add", POISON, "--cron", "0 3 * * 1", "--time-zone", POISON, *evil_title),
            ("list",),
            ("list", POISON),
            ("pause", "x", "--note", POISON),
            ("trigger", POISON),
        ],
        "status": [(directive,)],
        "logs": [(directive,), (directive, step), (directive, POISON)],
        "questions": [(), (directive,)],
        "body": [(directive,)],
        "memory": [(directive,), (directive, "key"), (directive, POISON)],
        "artifacts": [(directive,), (directive, f"report{POISON}"), (directive, POISON)],
        "daemons": [()],
        "watch": [(), (directive,)],
        "graph": [(directive,), (directive, "--format", "mermaid"), (directive, "--format", "svg")],
        "plan": [(directive,), (directive, "--full"), (directive, "--diff")],
        "diff": [(directive, step)],
        "history": [(directive,), (directive, "--since", POISON)],
        "costs": [(), (directive,)],
        "prune": [("--older-than", "1", "--yes")],
        "goal": [(directive, POISON)],
        "archive": [(directive, "--yes")],
        "reject": [(directive, "--comment", POISON)],
        "add-step": [(directive, POISON, "--task-plan", POISON)],
        "edit": [(directive, "--base-branch", POISON)],
        "edit-step": [(directive, POISON, "--label", POISON)],
        "set-deps": [(directive, POISON, "--on", POISON)],
        "complete-step": [(directive, step, "--commit", POISON)],
        "fail-step": [(directive, POISON, "--reason", POISON)],
        "answer": [(directive, POISON, POISON)],
        "memory-set": [(directive, POISON, POISON)],
        "memory-delete": [(directive, POISON)],
        "set-pr": [(directive, POISON)],
        "doctor": [("--repository", POISON)],
        "clean": [("--dry-run",), ("--remote", POISON)],
        "mcp": [("--http", POISON)],
        "answers": [("--listen", POISON)],
        "webhooks": [("--secret-file", POISON), ("--secret-file", __file__, "--http", POISON)],
        "recover": [(POISON,), (directive,)],  # the last: from here on its workflow is there, and nobody works on it
    }


async def test_no_command_prints_a_control_character_that_came_from_outside(idle_desk: Desk) -> None:
    state = evil(directive_with(owner=idle_desk.owner))
    await recorded(idle_desk, state)
    directive, step = str(state.directive.id), str(next(iter(state.steps)))
    commands = typed(directive, step)
    assert commands.keys() == names_in(build_app()) - set(STACK_COMMANDS)
    shown = {}
    for command, calls in commands.items():
        for arguments in calls:
            for suffix in ((), ("--json",)):
                printed = await idle_desk.type(command, *arguments, *suffix)
                assert not forbidden(printed.out + printed.err), (command, arguments, suffix)
                shown[command, arguments, suffix] = printed
    reads = "list status logs questions memory artifacts daemons graph plan history body"
    for command in reads.split():
        text = "".join(each.out for (name, _, suffix), each in shown.items() if name == command and not suffix)
        assert "\\u001b]52" in text.replace("\\\\", "\\").replace("\\]", "]"), command
    status = shown["status", (directive,), ("--json",)].json
    assert status["title"] == state.directive.text.title, "JSON means the same: nothing is lost for programs"


def test_what_the_web_ui_shows_of_a_directive_holds_no_control_character() -> None:
    """A browser obeys no escape, and direction overrides and invisible letters all the same; so does `temporal`."""
    state = evil(directive_with())
    assert state.pull_request
    evil_branch = state.pull_request.model_copy(
        update={"branch": f"b{POISON}\nc", "url": f"https://x.invalid/{POISON}"}
    )
    state = state.model_copy(update={"pull_request": evil_branch})
    steps, tasks = state.steps.values(), state.tasks.values()
    shown = [
        details(state),
        static_summary(state.directive),
        static_details(state.directive),
        workflow_id(state.directive.text.title, state.directive.id),
        *(str(daemon_activity(state, task, "")["summary"]) for task in tasks),
        *(task_branch(step.name, step.id) for step in steps),
    ]
    for text in shown:
        assert not forbidden(text), text
    assert "\n" not in shown[1]
    assert sum("\\u001b]52" in text.replace("\\\\", "\\").replace("\\]", "]") for text in shown) >= 3


async def test_raw_gives_a_log_an_artifact_and_a_diff_as_they_are(
    idle_desk: Desk, origin: Path, commit: Committer
) -> None:
    base = commit({"a.txt": "one\n"})
    head = commit({"a.txt": f"one\n{CLIPBOARD}\r\n"}, base, "main")
    state = directive_with(owner=idle_desk.owner)
    directive = state.directive.model_copy(update={"repository": str(origin)})
    state = evil(
        state.model_copy(update={"directive": directive}), Work(branch="main", base=base, head=head, commits=1)
    )
    state = state.model_copy(update={"directive": state.directive.model_copy(update={"repository": str(origin)})})
    await recorded(idle_desk, state)
    identity, step = str(state.directive.id), str(list(state.steps)[1])
    for command in (("logs", identity, step), ("artifacts", identity, f"report{POISON}"), ("diff", identity, step)):
        assert not forbidden((await idle_desk.type(*command)).out), command
        raw = (await idle_desk.type(*command, "--raw")).out
        assert CLIPBOARD in raw, command


TERMINAL = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[A-GK]|\r")
"""What rich writes to a terminal: colours, the cursor hidden, shown and moved, a line cleared."""


class Servers:
    """starter.py as a process of its own, against the servers of the test."""

    def __init__(self, desk: Desk, database: str, folder: Path) -> None:
        self.env = {
            **{name: os.environ[name] for name in ("PATH",)},
            "HOME": str(folder),
            "MAKIMA_DATA_DIR": str(folder),
            "MAKIMA_OWNER": desk.owner,
            "MAKIMA_DATABASE_URL": database,
            **temporal_environment(desk.world.client),
            "TERM": "xterm-256color",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def on_a_terminal(self, *args: str, answer: str = "") -> str:
        """What stdout and stderr would do to the terminal of an operator who types `answer`."""
        ours, theirs = pty.openpty()
        command = [sys.executable, str(ROOT / "starter.py"), *args]
        with subprocess.Popen(command, env=self.env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            os.write(ours, answer.encode())  # it waits in the terminal until it is read
            written = b"".join(_read(ours))
            process.wait(60)
        os.close(ours)
        return written.decode()


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return


async def test_on_a_terminal_colours_come_from_us_alone(
    idle_desk: Desk, database: str, tmp_path: Path, origin: Path, commit: Committer
) -> None:
    base = commit({"a.txt": "one\n"})
    head = commit({"a.txt": f"two {POISON}\n"}, base, "main")
    state = evil(directive_with(owner=idle_desk.owner), Work(branch="main", base=base, head=head, commits=1))
    there = state.directive.model_copy(update={"repository": str(origin)})
    await recorded(idle_desk, state.model_copy(update={"directive": there}))
    servers = Servers(idle_desk, database, tmp_path)
    directive, step = str(state.directive.id), str(list(state.steps)[1])
    typed = (
        ("watch", directive), ("graph", directive), ("diff", directive, step), ("logs", directive, POISON), ("--help",),
    )  # fmt: skip
    seen = await asyncio.gather(*(asyncio.to_thread(servers.on_a_terminal, *command) for command in typed))
    for command, written in zip(typed, seen, strict=True):
        left = TERMINAL.sub("", written)
        assert not forbidden(left), (command, written)
        assert command == ("--help",) or re.search(r"(u00|x)1b]52;c;aGVsbG8=", left.replace("\n", "")), command
        if command[0] in ("watch", "graph", "diff", "--help"):
            assert re.search(r"\x1b\[[0-9;]*m", written), f"{command}: rich's own colours are gone"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("daemon", ("gc",)),
        ("worker", ()),
        ("cli.agent", ("directive", "status")),
        ("fakes.forge", ("--data", "/x", "--port", "0", POISON)),
    ],
)
def test_every_process_of_ours_prints_through_the_guard(
    module: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Each is told of a folder that has such a name, and complains of what it finds there."""
    folder = tmp_path / POISON
    folder.mkdir()
    (folder / "context.json").write_text("{}")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    env |= {
        "MAKIMA_DATA_DIR": str(folder),
        "MAKIMA_DAEMON_CONFIG": str(folder / "none"),
        "MAKIMA_TASK_DIR": str(folder),
    }
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode
    said = (done.stdout + done.stderr).decode()
    assert "\\u001b]52" in said
    assert not forbidden(said), said


TRICKY = st.text(st.sampled_from("".join(INVISIBLE.values()) + "a1©❤🏽कم\u0301\u064b\u0bcd\u180b\u1820\n\x1b"))


@given(st.text() | TRICKY)
def test_what_is_made_visible_holds_nothing_forbidden_and_is_json_of_the_same_text(text: str) -> None:
    shown = visible(text)
    assert not set(shown) & set(POISON) - set("[redlink=x]52;c;aGVsbG8= J31m")
    assert visible(shown) == shown
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("kind", INVISIBLE)
def test_what_nobody_sees_is_written_out(kind: str) -> None:
    for each in INVISIBLE[kind]:
        for text in (each, f"pay{each}pal", f"a {each}", each * 3, f"❤{each * 4}"):
            shown = visible(text)
            assert shown.count("\\u") >= text.count(each) - ("❤" in text), ascii(text)
            assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize("letter", ["a", "ا", "क", "❤", "日"])
@pytest.mark.parametrize("mark", ["\u0301", "\u0489", "\u064b", "\u0e49", "\u20dd"])
def test_a_flood_of_marks_writes_over_no_other_line(letter: str, mark: str) -> None:
    for flood in (mark * 60, f"{mark}\u200d" * 60, f"{mark * 3}\u034f" * 20, f"{mark}\u0300" * 30):
        shown = visible(f"{letter}{flood}{letter}{mark}")
        assert not re.search(f"[{mark}\u0300]{{6}}", shown.replace("\u200d", "")), ascii(shown)
        assert json.loads(f'"{shown}"') == f"{letter}{flood}{letter}{mark}"


@pytest.mark.parametrize("kind", READABLE)
def test_what_people_write_stays_as_it_is(kind: str) -> None:
    assert visible(READABLE[kind]) == READABLE[kind]


def test_only_one_module_makes_a_console_and_none_goes_around_the_guard() -> None:
    around = re.compile(r"\bConsole\(|sys\.__std|std(out|err)\.buffer|os\.write\([12],")
    packages = ("cli", "daemon", "domain", "fakes", "ledger", "runtime", "stack", "steering", "workflows", "activities")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in (*files, ROOT / "starter.py") if around.search(file.read_text())}
    assert found <= {"cli/operator/guarded_console.py", "cli/operator/printing.py"}
