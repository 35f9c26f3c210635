"""How agents with an account are started, what follows from their ends, and when their accounts rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from daemon.agents.base import AgentRun
from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.codex.codex import CodexAgent
from daemon.agents.stream_events import Ending, PermissionRequest, Totals
from daemon.home import masker_of
from daemon.sandbox.sandbox import Bubblewrap, Opening, SandboxPlaces
from daemon.sandbox.task_folder import TaskFolder, make_task_folder
from daemon.session.continuing import Move, Tried, handed_over, next_move, resumed
from daemon.session.parking import Account, Parking
from daemon.session.parking_file import PARKED, ParkingFile
from daemon.session.permission import QUESTION_TOOL, Asking
from daemon.session.session_folder import NOTE, SESSIONS, SessionFolder, SessionNote, clean_sessions
from daemon.session.waiting import limit_text, network_wait
from daemon.settings import DaemonSettings
from domain.directive_settings import AgentChoice, Limits
from domain.errors import CannotServe, NotReachable
from domain.models import Question
from domain.spawn_task import CommandContext, SpawnTask
from domain.statuses import TaskKind
from domain.usage import ResumableSession, Usage
from tests.integration.deliveries import RememberedDelivery
from tests.values import question

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLAUDE: Account = ("claude", "default")


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return make_task_folder(tmp_path / "task")


def run_of(folder: TaskFolder, **fields: Any) -> AgentRun:
    return AgentRun("do it", folder, state=folder.path / "state", login=folder.path / "login", **fields)


def claude(**settings: object) -> ClaudeAgent:
    return ClaudeAgent.model_validate({"kind": "claude", **settings})


def codex(**settings: object) -> CodexAgent:
    return CodexAgent.model_validate({"kind": "codex", **settings})


@pytest.mark.rule("6.6")
def test_claude_gets_its_prompt_on_stdin_and_everything_else_by_arguments(folder: TaskFolder) -> None:
    run = run_of(folder, model="opus", arguments=("--effort", "high"), turns=3, cost_usd=1.5, session="s1", boxed=True)
    command = claude(model="sonnet").command(run)
    assert command.stdin == b"do it"
    assert not command.talks
    assert command.argv == (
        *("claude", "-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "bypassPermissions"),
        *("--model", "opus", "--max-turns", "3", "--max-budget-usd", "1.5000", "--resume", "s1", "--effort", "high"),
    )
    assert command.env["IS_SANDBOX"] == "1"
    assert command.env["CLAUDE_CONFIG_DIR"] == str(run.state)
    assert command.env["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == str(run.login)
    assert command.writes == (run.state, run.login)


@pytest.mark.rule("6.6")
def test_without_a_sandbox_claude_may_do_what_the_list_says(folder: TaskFolder) -> None:
    run = run_of(folder, commands=("npm test", "sh -c '(exit 1)'"))
    argv = claude(allow=("Bash(make *)",)).command(run).argv
    allowed = argv[argv.index("--allowedTools") + 1 : argv.index("--permission-mode")]
    assert {"Edit", "Read", "Bash(git commit:*)", "Bash(makima:*)", "Bash(npm test)", "Bash(make *)"} <= set(allowed)
    assert not [rule for rule in allowed if "push" in rule or "config" in rule or "exit" in rule or rule == "Bash"]
    assert argv[argv.index("--permission-mode") + 1] == "acceptEdits"
    assert "IS_SANDBOX" not in claude().command(run).env
    assert "bypassPermissions" in claude(permissions="allow").command(run).argv
    assert "bypassPermissions" not in claude(permissions="deny").command(run_of(folder, boxed=True)).argv


def test_claude_asks_where_the_settings_say_so(folder: TaskFolder) -> None:
    command = claude(permissions="ask").command(run_of(folder, boxed=True))
    assert command.talks
    assert command.argv[5:9] == ("--input-format", "stream-json", "--permission-prompt-tool", "stdio")
    assert json.loads(command.stdin) == {"type": "user", "message": {"role": "user", "content": "do it"}}


@pytest.fixture
def key() -> Iterator[str]:
    os.environ["HOUSE_KEY"] = "sk-123456789"
    yield "HOUSE_KEY"
    del os.environ["HOUSE_KEY"]


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"kind": "claude", "api_key_env": "HOUSE_KEY"}, "ANTHROPIC_API_KEY"),
        ({"kind": "claude", "token_env": "HOUSE_KEY"}, "CLAUDE_CODE_OAUTH_TOKEN"),
        ({"kind": "codex", "api_key_env": "HOUSE_KEY"}, "CODEX_API_KEY"),
        ({"kind": "codex", "token_env": "HOUSE_KEY"}, "CODEX_ACCESS_TOKEN"),
    ],
)
def test_a_key_of_the_settings_is_given_and_no_login_is_shared(
    folder: TaskFolder, key: str, settings: dict[str, str], variable: str
) -> None:
    agent = claude(**settings) if settings["kind"] == "claude" else codex(**settings)
    command = agent.command(run_of(folder))
    assert command.env[variable] == "sk-123456789"
    assert "CLAUDE_SECURESTORAGE_CONFIG_DIR" not in command.env
    assert command.writes == (folder.path / "state",)
    assert not (folder.path / "state" / "auth.json").is_symlink()
    assert agent.credential == key
    assert not any("sk-123456789" in argument for argument in command.argv)
    assert key in agent.remedy(folder.path)


def test_a_key_that_is_not_set_is_said_so() -> None:
    with pytest.raises(CannotServe, match="NO_SUCH_KEY is not set"):
        claude(program="sh", api_key_env="NO_SUCH_KEY").check()


def test_codex_is_fenced_in_by_the_daemons_sandbox_or_its_own(folder: TaskFolder) -> None:
    boxed = codex(config={"model_provider": '"own"'}).command(run_of(folder, boxed=True, session="t1"))
    assert boxed.argv[:6] == ("codex", "exec", "--json", "--skip-git-repo-check", "-c", "allow_login_shell=false")
    assert boxed.argv[6:] == (
        *("--dangerously-bypass-approvals-and-sandbox", "-c", 'model_provider="own"', "resume", "t1", "-"),
    )
    alone = codex().command(run_of(folder)).argv
    assert alone[6:10] == ("--sandbox", "workspace-write", "--add-dir", str(folder.path))
    with pytest.raises(ValidationError):
        codex(permissions="ask")


def test_codex_shares_a_login_by_links_that_are_set_right(folder: TaskFolder) -> None:
    state, login = folder.path / "state", folder.path / "login"
    state.mkdir()
    (state / "auth.json").write_text("a copy")
    (state / "auth.lock" / "made by the agent").mkdir(parents=True)
    codex().command(run_of(folder))
    codex().command(run_of(folder))
    assert (state / "auth.json").readlink() == login / "auth.json"
    assert (state / "auth.lock").readlink() == login / "auth.lock"


def test_a_login_has_a_remedy_that_can_be_typed(tmp_path: Path) -> None:
    assert "CLAUDE_CONFIG_DIR='/a b' claude auth login" in claude().remedy(Path("/a b"))
    assert "CODEX_HOME=/a codex login" in codex().remedy(Path("/a"))


def test_a_sandbox_shows_an_agent_its_state_and_login_to_be_changed(folder: TaskFolder, tmp_path: Path) -> None:
    sandbox = Bubblewrap("bwrap", Opening(hidden=(tmp_path,)), {})
    places = SandboxPlaces(tmp_path / "work", folder, tmp_path / "objects", writes=(tmp_path / "state",))
    wrapped = sandbox.wrap(("x",), cwd=tmp_path, places=places)
    at = wrapped.index(str(tmp_path / "state"))
    assert wrapped[at - 1 : at + 2] == ("--bind", str(tmp_path / "state"), str(tmp_path / "state"))
    assert at > wrapped.index(str(tmp_path)), "after the folder above it is hidden"


@pytest.mark.parametrize(
    ("ending", "moves"),
    [
        (Ending.COMPLETED, [Move.ACCEPT]),
        (Ending.DENIED, [Move.ACCEPT]),
        (Ending.LIMIT, [Move.ACCEPT]),
        (Ending.AUTH, [Move.ACCEPT]),
        (Ending.BUDGET, [Move.ACCEPT]),
        (Ending.KILLED, [Move.ACCEPT]),
        (Ending.ASKED, [Move.ACCEPT]),
        (Ending.NETWORK, [*[Move.RESUME] * 4, Move.ACCEPT]),
        (Ending.CRASHED, [Move.RESUME, Move.HAND_OVER, Move.ACCEPT]),
        (Ending.HUNG, [Move.RESUME, Move.HAND_OVER, Move.ACCEPT]),
        (Ending.CONTEXT, [Move.HAND_OVER, Move.HAND_OVER, Move.ACCEPT]),
        (Ending.UNKNOWN_SESSION, [Move.HAND_OVER, Move.HAND_OVER, Move.ACCEPT]),
    ],
)
def test_every_ending_leads_to_an_end(ending: Ending, moves: list[Move]) -> None:
    tried = Tried()
    seen: list[Move] = []
    while not seen or seen[-1] is not Move.ACCEPT:
        move, wait, tried = next_move(ending, tried)
        assert 0 <= wait <= 60
        seen.append(move)
    assert seen == moves


def test_totals_that_began_anew_count_in_full() -> None:
    assert Totals(0.5, 10).since(Totals(1.0, 5)) == Totals(0.5, 5)
    assert Totals(1.5, 10) + Totals(0.5, 1) == Totals(2.0, 11)


@pytest.fixture
def parked(tmp_path: Path) -> Path:
    return tmp_path / PARKED


@pytest.fixture
def clock() -> list[datetime]:
    return [NOW]


@pytest.fixture
def parking(clock: list[datetime], parked: Path) -> Parking:
    return Parking("box", ParkingFile(parked), lambda: clock[0])


@pytest.mark.rule("5.6")
def test_an_account_rests_until_its_limit_ends_and_others_do_not(parking: Parking, clock: list[datetime]) -> None:
    until = NOW + timedelta(hours=3)
    assert parking.limited(CLAUDE, "claude", until).until == until
    with pytest.raises(CannotServe) as refused:
        parking.admit(CLAUDE, ())
    assert refused.value.until == until
    parking.admit(("claude", "other"), ())
    parking.admit(("codex", "default"), ())
    parking.admit(None, ())
    clock[0] = until
    parking.admit(CLAUDE, ())
    assert parking.now_parked() == ()


def test_a_limit_that_ends_after_all_days_in_utc_is_waited_for_as_long_as_any(parking: Parking) -> None:
    never = datetime.fromisoformat("9999-12-31T23:59:59-14:00")
    assert parking.limited(CLAUDE, "claude", never).until < NOW + timedelta(days=100)


def test_a_limit_that_nobody_knows_the_end_of_is_tried_less_and_less_often(
    parking: Parking, clock: list[datetime]
) -> None:
    waits = []
    for _ in range(6):
        clock[0] = parking.limited(CLAUDE, "claude", None).until
        waits.append(clock[0])
    minutes = [(later - earlier).total_seconds() / 60 for earlier, later in zip([NOW, *waits], waits, strict=False)]
    assert minutes == [5, 10, 20, 40, 60, 60]
    parking.works(CLAUDE)
    assert parking.limited(CLAUDE, "claude", None).until == clock[0] + timedelta(minutes=5)


def test_tasks_that_meet_a_limit_together_wait_for_the_same_time(parking: Parking) -> None:
    first = parking.limited(CLAUDE, "claude", None)
    assert parking.limited(CLAUDE, "claude", None) == first


def test_a_refused_login_is_the_same_trouble_until_the_account_works(parking: Parking, clock: list[datetime]) -> None:
    first = parking.question_id(parking.refused(CLAUDE, "claude"), CLAUDE)
    clock[0] += timedelta(minutes=11)
    parking.admit(CLAUDE, ())
    assert parking.question_id(parking.refused(CLAUDE, "claude"), CLAUDE) == first
    open_one = Question(id=first, task=uuid4(), text="?")
    with pytest.raises(CannotServe, match="login is refused"):
        parking.admit(CLAUDE, (open_one,))
    parking.admit(CLAUDE, (open_one.model_copy(update={"answer": "done"}),))
    clock[0] += timedelta(minutes=1)
    assert parking.question_id(parking.refused(CLAUDE, "claude"), CLAUDE) != first


@pytest.mark.rule("5.6")
def test_a_daemon_that_starts_again_knows_which_accounts_rest(
    parking: Parking, parked: Path, clock: list[datetime]
) -> None:
    parking.limited(CLAUDE, "claude", NOW + timedelta(hours=3))
    question = parking.question_id(parking.refused(("codex", "default"), "codex"), ("codex", "default"))
    assert parked.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in parked.parent.iterdir()] == [PARKED], "nothing is left of writing it"
    again = Parking("box", ParkingFile(parked), lambda: clock[0])
    assert again.now_parked() == parking.now_parked()
    with pytest.raises(CannotServe, match="no task of claude until 2026-11-22 15:00 UTC"):
        again.admit(CLAUDE, ())
    assert again.question_id(again.refused(("codex", "default"), "codex"), ("codex", "default")) == question
    clock[0] = NOW + timedelta(hours=3)
    again.admit(CLAUDE, ())


@pytest.mark.parametrize("broken", [b"", b"{}", b'[{"kind": "claude"', b'[{"until": "soon"}]', b"\xff\xfe", b"null"])
def test_a_broken_file_of_accounts_is_one_warning(
    parking: Parking, parked: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    parked.write_bytes(broken)
    parking.admit(CLAUDE, ())
    parking.admit(CLAUDE, ())
    assert len(caplog.messages) == 1
    assert "is broken, and removed" in caplog.messages[0]
    parking.limited(CLAUDE, "claude", None)
    assert len(parking.now_parked()) == 1


def test_accounts_that_can_not_be_kept_on_disk_rest_all_the_same(clock: list[datetime], tmp_path: Path) -> None:
    parking = Parking("box", ParkingFile(tmp_path / "no such folder" / PARKED), lambda: clock[0])
    parking.limited(CLAUDE, "claude", None)
    with pytest.raises(CannotServe):
        parking.admit(CLAUDE, ())
    assert len(parking.now_parked()) == 1


def test_accounts_are_freed_by_a_command_beside_the_daemon(parking: Parking, parked: Path) -> None:
    parking.limited(CLAUDE, "claude", NOW + timedelta(hours=3))
    parking.limited(("codex", "default"), "codex", NOW + timedelta(hours=3))
    command = Parking("box", ParkingFile(parked), lambda: NOW)
    assert command.clear("claude") == ("claude until 2026-11-22 15:00 UTC: its account's limit is reached",)
    parking.admit(CLAUDE, ())
    assert parking.now_parked() == ("codex until 2026-11-22 15:00 UTC: its account's limit is reached",)
    assert len(command.clear()) == 1
    assert parking.now_parked() == ()


def test_when_a_limit_ends_is_said_to_be_unknown_where_nobody_tells(parking: Parking) -> None:
    told = parking.limited(CLAUDE, "claude", NOW + timedelta(hours=3))
    guessed = parking.limited(("codex", "default"), "codex", None)
    assert parking.now_parked() == (
        "claude until 2026-11-22 15:00 UTC: its account's limit is reached",
        "codex, tried again at 2026-11-22 12:05 UTC: its account's limit is reached, and nobody tells until when",
    )
    assert limit_text(told, "429") == "claude: 429"
    assert limit_text(guessed, "429") == "codex: 429; it does not tell when that ends"


def test_an_account_rests_no_longer_than_any_limit_lasts(parking: Parking, clock: list[datetime]) -> None:
    assert parking.limited(CLAUDE, "claude", NOW + timedelta(days=365)).until == NOW + timedelta(days=8)
    assert parking.limited(CLAUDE, "claude", NOW - timedelta(days=1)).waits == 2
    clock[0] = NOW + timedelta(days=30)
    assert parking.limited(CLAUDE, "claude", None).waits == 1, "another month's limit"
    clock[0] = NOW
    parking.admit(CLAUDE, ())
    assert parking.now_parked() == (), "parked by a clock that was a month ahead"


def test_a_model_that_never_answers_is_asked_less_and_less_often() -> None:
    assert [network_wait(count).total_seconds() / 60 for count in range(6)] == [5, 10, 20, 40, 60, 60]


def test_a_handover_says_what_was_done_and_keeps_its_size() -> None:
    told = handed_over("crashed", "abc", "README | 1 +", "x" * 100_000, "Build.")
    assert "git diff --stat abc" in told
    assert "README | 1 +" in told
    assert told.endswith("Build.")
    assert len(told) < 8000
    assert "diff --stat" not in handed_over("crashed", "abc", "", "", "Build.")


def test_a_resumed_session_hears_its_answers_and_where_its_files_are_now() -> None:
    asked = question(uuid4(), answer="8080")
    told = resumed("paused", "/new", "/old", [asked])
    assert "/new now (it was /old: use the new path)" in told
    assert "- Which port?\n  Answer: 8080" in told
    assert "it was" not in resumed("paused", "/same", "/same", [])


def spawn(**fields: Any) -> SpawnTask:
    given = {
        **{"task": uuid4(), "name": "A house: walls", "kind": TaskKind.STEP, "attempt": 1, "owner": "me"},
        **{"directive": uuid4(), "directive_title": "A house", "generation": 1, "prompt": "", "repository": "/r"},
        **{"base_branch": "main", "agent": AgentChoice(name="claude"), "limits": Limits(time=timedelta(hours=1))},
    }
    return SpawnTask.model_validate({**given, **fields})


async def test_a_question_of_the_agent_becomes_ours_and_its_answer_goes_back() -> None:
    delivery = RememberedDelivery()
    delivery.replies = {"Which colour?": "red"}
    options = [{"label": "red", "description": "warm"}, {"label": "blue"}]
    arguments = {"questions": [{"question": "Which colour?", "header": "Paint", "options": options}]}
    reply = await Asking(spawn(), delivery, wait=30, every=0.01).decide(
        PermissionRequest("r1", QUESTION_TOOL, "", arguments)
    )
    assert reply.allowed
    assert reply.arguments == {**arguments, "answers": {"Which colour?": "red"}}
    assert delivery.asked[0].choices == ("red", "blue")


async def test_an_agent_whose_question_nobody_answers_is_interrupted() -> None:
    delivery, command = RememberedDelivery(), spawn()
    asking = Asking(command, delivery, wait=0.1, every=0.01)
    reply = await asking.decide(PermissionRequest("r1", "Bash", "git push"))
    assert (reply.allowed, reply.interrupt) == (False, True)
    (left,) = asking.open.values()
    assert left.task == command.task
    later = spawn(task=command.task, context=CommandContext(answers=(left.model_copy(update={"answer": "allow"}),)))
    assert (await Asking(later, delivery).decide(PermissionRequest("r2", "Bash", "git push"))).allowed


async def test_a_core_that_is_away_leaves_the_question_to_the_outcome() -> None:
    delivery = RememberedDelivery()
    delivery.away = True
    asking = Asking(spawn(), delivery, wait=0.1, every=0.01)
    assert (
        await asking.decide(PermissionRequest("r1", QUESTION_TOOL, "no questions at all", {"questions": 7}))
    ).interrupt
    assert delivery.refused > 1
    assert len(asking.open) == 1
    with pytest.raises(NotReachable):
        await delivery.answers()


def test_a_session_is_known_to_the_next_delivery_and_to_no_other_agent(tmp_path: Path) -> None:
    command = spawn()
    folder = SessionFolder.of(tmp_path / "tasks", command)
    note = SessionNote(agent="claude", session="s1", usage=Usage(tokens=5), worktree="/old")
    folder.write(note)
    again = SessionFolder.of(tmp_path / "tasks", command)
    assert again.read("claude", None) == note
    assert again.read("codex", None) == SessionNote(agent="codex", usage=Usage(tokens=5))
    more = ResumableSession(agent="claude", session="s1", daemon="far", usage=Usage(tokens=9))
    assert again.read("claude", more).usage.tokens == 9
    assert SessionFolder.of(tmp_path / "tasks", spawn(task=command.task, attempt=2)).read("claude", None).session == ""
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_session_note_that_was_cut_off_is_none(tmp_path: Path) -> None:
    folder = SessionFolder.of(tmp_path / "tasks", spawn())
    (folder.path / NOTE).write_text('{"agent": "cl')
    assert folder.read("claude", None) == SessionNote(agent="claude")


def test_sessions_are_removed_when_nothing_has_happened_to_them_for_long(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    old, new = SessionFolder.of(tasks, spawn()), SessionFolder.of(tasks, spawn())
    for folder in (old, new):
        folder.write(SessionNote(agent="claude"))
    os.utime(old.path, (0, 0))
    clean_sessions(tasks, timedelta(days=7))
    assert [folder.name for folder in (tmp_path / SESSIONS).iterdir()] == [new.path.name]
    clean_sessions(tmp_path / "elsewhere" / "tasks", timedelta(0))


def test_the_masker_knows_an_agents_key() -> None:
    own = DaemonSettings(name="box", agents={"claude": claude(api_key_env="HOUSE_KEY")})
    assert "sk-123456789" not in masker_of(own, {"HOUSE_KEY": "sk-123456789"}).mask("the key sk-123456789")
