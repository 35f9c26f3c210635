"""What every process does at its start and its end."""

from __future__ import annotations

import logging
import os
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from domain.errors import (
    CannotServe,
    GitError,
    MakimaError,
    NotReachable,
    PlanRefused,
    Refused,
    RepositoryError,
    SettingsError,
    StackFailed,
)
from runtime.addresses import find_database_url, find_web_ui_url
from runtime.answer_key import answer_key
from runtime.connection import connect_temporal
from runtime.exit import exit_code
from runtime.logs import set_up_logging
from runtime.shared_settings import LogFormat, SharedSettings, load_settings
from runtime.stack_file import ProcessMark, StackFile, remove_stack_file, running_stack, write_stack_file


@pytest.fixture(autouse=True)
def environment_without_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith(("MAKIMA_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("MAKIMA_DATA_DIR", str(tmp_path))


def stack_of(up: ProcessMark) -> StackFile:
    return StackFile(
        temporal_address="127.0.0.1:7233",
        web_ui_url="http://127.0.0.1:8233",
        database_url="postgresql://makima:secret@127.0.0.1:5433/makima",
        up=up,
    )


def test_settings_come_from_the_environment_and_have_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings() == SharedSettings(owner="default", data_dir=tmp_path, database_url=None)
    monkeypatch.setenv("MAKIMA_OWNER", "team-7")
    monkeypatch.setenv("MAKIMA_DATA_DIR", "")  # an empty variable is one that isn't set
    assert load_settings().owner == "team-7"
    assert load_settings().data_dir.name == "makima"
    assert load_settings().data_dir.is_absolute()


@pytest.mark.rule("1")
@pytest.mark.parametrize("owner", ["Team", "a b", "x" * 41, "a/b", "a\n"])
def test_an_owner_outside_the_allowed_letters_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    monkeypatch.setenv("MAKIMA_OWNER", owner)
    with pytest.raises(SettingsError, match=r"^MAKIMA_OWNER: [^\n]+$"):
        load_settings()


def test_a_refused_database_url_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKIMA_DATABASE_URL", "mysql://me:hunter2@host/db")
    with pytest.raises(SettingsError, match="MAKIMA_DATABASE_URL") as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)


def test_the_stack_file_is_private_and_read_back(tmp_path: Path) -> None:
    stack = stack_of(ProcessMark.of_this_process())
    write_stack_file(tmp_path, stack)
    assert running_stack(tmp_path) == stack
    assert [(each.name, stat.S_IMODE(each.stat().st_mode)) for each in tmp_path.iterdir()] == [("stack.json", 0o600)]
    remove_stack_file(tmp_path)
    assert running_stack(tmp_path) is None


def test_the_file_of_a_dead_stack_is_recognised_even_when_its_pid_was_given_away(tmp_path: Path) -> None:
    this = ProcessMark.of_this_process()
    write_stack_file(tmp_path, stack_of(this.model_copy(update={"started_at": this.started_at - 3600})))
    assert running_stack(tmp_path) is None
    with subprocess.Popen(["true"]) as ended:
        pass
    write_stack_file(tmp_path, stack_of(ProcessMark(pid=ended.pid, started_at=time.time())))
    assert running_stack(tmp_path) is None


def test_a_process_that_has_ended_runs_no_more_before_its_parent_has_asked() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        started_at = psutil.Process(child.pid).create_time()
        assert ProcessMark(pid=child.pid, started_at=started_at).is_alive()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert not ProcessMark(pid=child.pid, started_at=started_at).is_alive()


def test_a_damaged_stack_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(SettingsError, match=r"stack\.json"):
        running_stack(tmp_path)


def test_addresses_come_from_the_environment_else_from_the_running_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_stack_file(tmp_path, stack_of(ProcessMark.of_this_process()))
    assert find_database_url(load_settings()) == "postgresql://makima:secret@127.0.0.1:5433/makima"
    assert find_web_ui_url(load_settings()) == "http://127.0.0.1:8233"
    monkeypatch.setenv("MAKIMA_DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    assert find_database_url(load_settings()) == "postgresql://elsewhere/db"
    assert find_web_ui_url(load_settings()) is None


async def test_without_a_stack_and_an_address_the_error_says_what_to_do(tmp_path: Path) -> None:
    wanted = rf"^no stack is running in {tmp_path}: start one with `python starter\.py up`, or set TEMPORAL_ADDRESS and"
    with pytest.raises(NotReachable, match=wanted):
        await connect_temporal(load_settings())
    with pytest.raises(NotReachable, match=wanted):
        find_database_url(load_settings())


async def test_a_temporal_that_refuses_is_not_reachable_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(NotReachable, match=r"^Temporal at 127\.0\.0\.1:1 is not reachable[^\n]*$"):
        await connect_temporal(load_settings())


async def test_a_temporal_that_is_silent_is_given_up_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.connection.CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(NotReachable, match=r"does not answer within 0\.3 s"):
            await connect_temporal(load_settings())


async def test_temporal_settings_without_sense_are_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nobody-wrote-it")
    with pytest.raises(SettingsError, match="nobody-wrote-it"):
        await connect_temporal(load_settings())


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("x"), 2),
        (PlanRefused("x"), 2),
        (SettingsError("x"), 2),
        (NotReachable("x"), 3),
        (GitError("x"), 1),
        (CannotServe("x"), 1),
        (RepositoryError("x"), 1),
        (StackFailed("x"), 1),
    ],
)
def test_each_error_has_the_exit_code_of_the_specification(error: MakimaError, code: int) -> None:
    assert exit_code(error) == code


def ended(body: str) -> subprocess.CompletedProcess[str]:
    program = f"""
import sys
from domain.errors import *
from runtime.exit import leave, run
async def main():
    {body}
leave(run(main))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.rule("9.3")
def test_an_error_is_one_line_on_stderr_and_an_exit_code() -> None:
    result = ended("raise NotReachable('nobody\\nanswers')")
    assert (result.returncode, result.stdout, result.stderr) == (3, "", "makima: nobody answers\n")


def test_what_was_written_leaves_the_process_although_it_ends_at_once() -> None:
    result = ended("sys.stdout.write('the last words'); return 5")
    assert (result.returncode, result.stdout, result.stderr) == (5, "the last words", "")


def test_an_interrupt_ends_with_130_and_a_defect_with_1_and_its_traceback() -> None:
    assert ended("raise KeyboardInterrupt").returncode == 130
    defect = ended("raise ZeroDivisionError('ours')")
    assert defect.returncode == 1
    assert "ZeroDivisionError: ours" in defect.stderr


def test_a_reader_that_has_gone_does_not_change_the_exit_code() -> None:
    program = "import sys; from runtime.exit import leave; sys.stdin.read(); sys.stdout.write('unread'); leave(0)"
    # -E: with PYTHONUNBUFFERED in the environment nothing would be left to flush.
    command = [sys.executable, "-E", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdin
        writer.stdout.close()
        writer.stdin.close()
        assert writer.wait() == 0


@pytest.mark.rule("6.11")
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_line_of_the_log_is_masked_with_its_traceback(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        set_up_logging(SharedSettings(log_format=log_format), "daemon:box", lambda text: text.replace("secret", "***"))
        try:
            raise ValueError("a secret in an error")
        except ValueError:
            logging.getLogger("any").exception("the secret is out")
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    said = capsys.readouterr().err
    assert "the *** is out" in said and "a *** in an error" in said
    assert "secret" not in said


@pytest.mark.rule("8.5")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAKIMA_ANSWER_URL", "http://makima.example.com/hunter2"),
        ("MAKIMA_ANSWER_URL", "https://me:hunter2@makima.example.com"),
        ("MAKIMA_ANSWER_URL", "https://makima.example.com/?hunter2"),
        ("MAKIMA_ANSWER_URL", "javascript:hunter2"),
        ("MAKIMA_ANSWER_KEY", "hunter2"),
        ("MAKIMA_NOTIFY_CHANNELS", "hunter2.toml"),
    ],
)
def test_a_link_that_would_not_be_safe_is_refused_and_not_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: [^\n]+$") as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)


@pytest.mark.rule("8.5")
def test_the_key_of_links_is_made_once_and_private(tmp_path: Path) -> None:
    settings = SharedSettings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: answer_key(settings), range(32)))
    (key,) = keys
    (file,) = (tmp_path / "data").iterdir()
    assert (len(key), stat.S_IMODE(file.stat().st_mode)) == (64, 0o600)
    own = SharedSettings(data_dir=tmp_path / "data", answer_key=SecretStr("x" * 32))
    assert answer_key(own) == b"x" * 32
    assert "xxx" not in repr(own)
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="is not private"):
        answer_key(settings)
    file.chmod(0o600)
    file.write_text("short")
    with pytest.raises(SettingsError, match="is no key"):
        answer_key(settings)
    file.unlink()
    file.symlink_to("/etc/hostname")
    with pytest.raises(SettingsError, match="can't be used"):
        answer_key(settings)
