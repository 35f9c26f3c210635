"""20,000 inputs that nobody meant: whatever reads text of others ends in its documented error, or in a value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cli.agent.question_commands import _duration
from cli.operator.record_commands import moment
from daemon.agents.claude.claude_stream import ClaudeStream
from daemon.agents.claude.token_count import ClaudeCount
from daemon.agents.codex.codex_stream import CodexStream
from daemon.agents.error_texts import ending_of, reset_time
from daemon.agents.stream_events import Totals
from daemon.forges import findings
from daemon.forges import managed_section as own_part
from daemon.forges.github.payloads_checks import CheckRun
from daemon.forges.github.refusals import refusal
from daemon.forges.pulls import Pull
from daemon.forges.refusals import complaint_of, later, named_time
from daemon.forges.said import Comment, Review
from daemon.logs.masking import Masker
from daemon.settings import parsed as parsed_settings
from daemon.workspace.project import parsed as parsed_project
from domain import names, requests
from domain.chain_plan import read_chain_plan, read_plan_file
from domain.documents import read_json, read_relaxed_json, read_toml, read_yaml
from domain.errors import DocumentBroken, MakimaError, PlanRefused, Refused, RepositoryError, SettingsError
from domain.handover import Handover
from domain.models import PlanChanges
from domain.plan import add_steps, read_planned
from domain.pull_requests.body import escaped
from domain.repository_url import parse_repository_url
from domain.spawn_task import Outcome, SpawnTask
from domain.visible import visible
from runtime.addresses import temporal_profile
from runtime.stack_file import StackFile
from tests.forked import Program, run

NOW = datetime(2026, 11, 27, tzinfo=UTC)
WORDS = (
    *("steps", "name", "task_plan", "taskPlan", "depends_on", "dependsOn", "order_index", "id", "phases", "type"),
    *("result", "text", "message", "content", "usage", "session_id", "setup", "verify", "capacity", "agents", "item"),
)
SCALARS = (None, True, 0, -1, 1.5, 1e308, -1e-320, 2**63, 10**200, "", "a", "\u202e", *WORDS)
PIECES = (
    *(
        '{"steps": [',
        '{"name": "a", "task_plan": "x"}',
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"',
        "\\",
        "\n",
        "```yaml\n",
        "```\n",
    ),
    *("// x", "/*", "*/", "- name: a\n", "  task_plan: x\n", "steps:\n", "[[a]]\n", "a.b = 1\n", 'name = "box"\n', "#"),
    *(
        '{"type": "result", ',
        '"subtype": "success"',
        '{"type":"item.completed","item":',
        "1e999",
        "NaN",
        "\ufeff",
        "\0",
    ),
    *(
        "…",
        "https://u:p@h:99999/x",
        "git@h:x",
        "ext::sh",
        "try again at 25:99 pm (X/Y)",
        "1999999999",
        "\ud800",
        "\x9b",
    ),
    *(
        "9" * 5000,
        "[" * 1100,
        '{"a":' * 1100,
        "a." * 1100,
        "- " * 1100,
        "resets Feb 30th at 3am",
        "\u202e",
        "&a *a !!x",
    ),
)


def value(random: Random, depth: int = 0) -> Any:
    kind = random.random() if depth < 4 else 0
    if kind < 0.4:
        return random.choice(SCALARS)
    inner = [value(random, depth + 1) for _ in range(random.randrange(4))]
    return inner if kind < 0.6 else {random.choice(WORDS): each for each in inner}


def made(seed: int) -> str:
    """Pieces that parsers stumble over, or a document of the right words in any order, whole or cut off."""
    random = Random(seed)
    if random.random() < 0.5:
        return "".join(random.choice(PIECES) for _ in range(random.randrange(1, 7)))
    text = json.dumps(value(random))
    return text if random.random() < 0.6 else text[: random.randrange(len(text) + 1)]


TEXTS = st.text(max_size=60) | st.integers(0, 2**32).map(made)
BYTES = st.binary(max_size=40) | TEXTS.map(lambda text: text.encode(errors="surrogatepass"))


def claude(line: str) -> None:
    stream = ClaudeStream(ClaudeCount(Totals(), lambda _: None), lambda: NOW, talks=True)
    stream.read(line)


def plan(text: str) -> None:
    add_steps(PlanChanges(), read_chain_plan(text), generation=1, known=(), new_id=uuid4)


def planned(text: str) -> None:
    read_planned(read_relaxed_json(text))


def answered(content: bytes) -> None:
    headers = {"retry-after": "9" * 40, "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 30}
    answer = httpx.Response(403, content=content, headers=headers, request=httpx.Request("GET", "https://x.invalid"))
    complaint_of(answer)
    later(answer, NOW)
    named_time(answer, NOW)
    refusal(answer, "x.invalid", "a call", "a file")


def validated(model: Any) -> Callable[[bytes], None]:
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    return lambda content: (adapter.validate_json(content), None)[1]


TEXT_PARSERS: dict[str, tuple[Callable[[str], object], tuple[type[Exception], ...]]] = {
    "a plan in a message": (plan, (PlanRefused,)),
    "a plan in a JSON file": (lambda text: read_plan_file("plan.json", text), (PlanRefused,)),
    "a plan in a YAML file": (lambda text: read_plan_file("plan.yaml", text), (PlanRefused,)),
    "steps on the command line": (planned, (DocumentBroken, PlanRefused)),
    "a line of Claude Code": (claude, ()),
    "a line of Codex": (lambda line: CodexStream(Totals(), lambda: NOW).read(line), ()),
    "words of a model's server": (lambda text: (ending_of(text), reset_time(text, NOW)), ()),
    "a repository's address": (lambda text: parse_repository_url(text, allow_local=True), (Refused,)),
    "a time": (lambda text: moment(text, NOW), (Refused,)),
    "a duration": (_duration, (Refused,)),
    "a name": (lambda text: (names.sanitized(text), names.task_branch(text, uuid4())), ()),
    "a text for markdown": (escaped, ()),
    "a text for a terminal": (visible, ()),
    "a log with secrets": (Masker(["hunter2-hunter2"]).mask, ()),
    "a pull request's description": (lambda text: own_part.body_of(text, "t", "wanted"), ()),
    "a repository's template": (lambda text: own_part.filled(text, "t", "wanted"), ()),
}
BYTE_PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "JSON": (read_json, (DocumentBroken,)),
    "relaxed JSON": (read_relaxed_json, (DocumentBroken,)),
    "YAML": (read_yaml, (DocumentBroken,)),
    "TOML": (read_toml, (DocumentBroken,)),
    "a daemon's settings": (lambda content: parsed_settings(content, Path("daemon.toml")), (SettingsError,)),
    ".makima.toml": (lambda content: parsed_project(content, ".makima.toml"), (RepositoryError,)),
    "a forge's refusal": (answered, ()),
    "a job's log": (findings.log_text, ()),
    **{
        f"{getattr(model, '__name__', model)} as JSON": (validated(model), (ValidationError,))
        for model in (Handover, Outcome, SpawnTask, StackFile, Pull, Review, Comment, CheckRun, requests.AddStep)
    },
}


EACH = -(-20_000 // (len(TEXT_PARSERS) + len(BYTE_PARSERS)))
"""Inputs for each of them."""


@pytest.mark.parametrize("parser", TEXT_PARSERS)
def test_a_text_ends_in_a_value_or_in_the_documented_error(parser: str) -> None:
    read, errors = TEXT_PARSERS[parser]
    _fuzz(TEXTS, read, errors)


@pytest.mark.parametrize("parser", BYTE_PARSERS)
def test_bytes_end_in_a_value_or_in_the_documented_error(parser: str) -> None:
    read, errors = BYTE_PARSERS[parser]
    _fuzz(BYTES, read, errors)


def _fuzz(inputs: st.SearchStrategy[Any], read: Callable[[Any], object], errors: tuple[type[Exception], ...]) -> None:
    @settings(max_examples=EACH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def ends_well(given_: Any) -> None:
        try:
            read(given_)
        except errors as error:
            if isinstance(error, MakimaError):
                assert "\n" not in str(error)
                assert len(str(error)) < 2000

    ends_well()


YAML = {
    "a key that is a number": "1:\n- name: a\n  task_plan: x\n",
    "a group of a number": "phases:\n- name: g\n  1:\n  - name: a\n    task_plan: x\n",
    "steps beside a number": "steps:\n- name: a\n  task_plan: x\n2: {x: [{name: b, task_plan: x}]}\n",
    "a key that is nothing": "steps:\n- name: a\n  task_plan: x\nnull: [{name: b, task_plan: x}]\n",
    "a key that is a list": "? [{a: b}]\n: c\n",
    "a set": "!!set {a, b}\n",
    "bytes": "steps:\n- name: !!binary aGk=\n  task_plan: x\n",
    "a number that is none": "!!int _",
    "no number at all": '!!float ""',
    "no yes and no no": "!!bool x",
    "9,000 hexadecimal digits": "a: 0x" + "f" * 9000,
    "no finite number": "a: .inf",
    "no number": "a: .nan",
    "a character beyond Unicode": '"\\UFFFFFFFF"',
    "a version of 5,000 digits": f"%YAML 1.{'9' * 5000}\n---\na",
    "a call": "!!python/object/apply:os.system [id]\n",
    "another document": "a\n---\nb\n",
    "many anchors": "a: &a [x]\nb: [*a, *a]\n",
    "a key twice": "{a: 1, a: 2}",
    "a hundred and one levels": "- " * 101 + "a",
    "more than a plan may hold": "#" * (512 * 1024) + "\na: b\n",
}


@pytest.mark.parametrize("case", YAML)
def test_yaml_that_json_could_not_hold_is_refused(case: str) -> None:
    with pytest.raises(DocumentBroken):
        read_yaml(YAML[case])
    with pytest.raises(PlanRefused):
        read_plan_file("plan.yaml", YAML[case])


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00Z", "!!str 5", "0o17", "-0x1F", "1_000", "~", "yes"]
)
def test_what_yaml_holds_is_what_json_can_hold(text: str) -> None:
    found = read_yaml(f"a: {text}")["a"]
    expected = {"!!str 5": "5", "0o17": 15, "-0x1F": -31, "1_000": 1000, "~": None}
    assert found == expected.get(text, text)
    json.dumps(found, allow_nan=False)


def test_a_variable_that_is_no_text_is_nobodys_trouble_but_where_it_is_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOMEBODYS", "caf\udce9")
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    temporal_profile()
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1\udcff")
    with pytest.raises(SettingsError, match="TEMPORAL_ADDRESS is not text in UTF-8"):
        temporal_profile()


@pytest.mark.parametrize("document", ["[1e999]", '{"a": -1e400}', "[NaN]", "[1" + "0" * 400 + "]"])
def test_a_number_that_no_computer_holds_is_refused(document: str) -> None:
    with pytest.raises(DocumentBroken):
        read_json(document)


@pytest.mark.parametrize("name", ["plan.json", "plan.yaml"])
@pytest.mark.parametrize("field", ["name", "description", "task_plan", "label", "depends_on", "note"])
def test_half_an_emoji_is_no_end_of_a_plan(field: str, name: str) -> None:
    """As a program writes it that cuts texts by UTF-16; neither Temporal nor Postgres takes it."""
    step = {"name": "a", "task_plan": "x", field: ["\ud83d"] if field == "depends_on" else "cut \ud83d"}
    try:
        steps = read_plan_file(name, json.dumps({"steps": [step]}))
        made = add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4)
    except PlanRefused as refused:
        assert field in ("label", "depends_on", "note"), refused
    else:
        assert "cut \ufffd" in made.model_dump_json().encode().decode()


BAD: dict[str, bytes] = {
    "no UTF-8": b'{"steps": "\xff"}',
    "a thousand levels": b'{"steps":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a number of 5,000 digits": b'[{"name": "a", "task_plan": "x", "order_index": ' + b"9" * 5000 + b"}]",
    "a thousand levels of TOML": b"a = " + b"[" * 1000 + b"]" * 1000,
    "a TOML number of 5,000 digits": b'name = "x"\ncapacity = ' + b"9" * 5000,
    "a TOML time without end": b'name = "x"\nkeep_failed_hours = 1e300',
    "a TOML that is no UTF-8": b'name = "\xff"',
    "no time at all": b'name = "x"\nkeep_succeeded_hours = nan',
    "a user of TOML that is nobody": b'name = "x"\nsandbox_read = ["~nobody-at-all/x"]',
    "a path of TOML that is none": b'name = "x"\nsandbox_write = ["/a\\u0000b"]',
    "a port of TOML that is none": b'name = "x"\n[forges."h"]\napi = "https://h:99999999/api"',
    "half a plan's emoji, cut off": b'{"steps": [{"name": "a\\ud83d", "task_plan": ',
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_and_exit_code_2(case: str, tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_bytes(BAD[case])
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MAKIMA_DATA_DIR": str(tmp_path)}
    if "TOML" in case or "time" in case:
        done = run(Program.DAEMON, ("gc",), {**env, "MAKIMA_DAEMON_CONFIG": str(file)})
    else:
        asked = ("--title", "t", "--goal", "g", "--repo", str(tmp_path), "--plan", str(file), "--agent", "shell")
        done = run(Program.STARTER, ("start", *asked), env)
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (2, 1), said
    assert str(file) in said
    assert len(said) < 600
