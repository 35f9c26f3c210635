"""What the stack decides without starting anything."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.settings import load_daemon_settings
from runtime.stack_file import ProcessMark, StackFile
from stack import programs
from stack.data_folder import DataFolder, Service
from stack.supervisor import next_delay

STACK = StackFile(
    temporal_address="127.0.0.1:7233",
    web_ui_url="http://127.0.0.1:8233",
    database_url="postgresql://makima:secret@127.0.0.1:5433/makima",
    up=ProcessMark(pid=1, started_at=0),
)
OF_THE_USER = {
    "PATH": os.defpath,
    "TEMPORAL_API_KEY": "of the cloud",
    "TEMPORAL_PROFILE": "cloud",
    "MAKIMA_DATABASE_URL": "postgresql://me:hunter2@elsewhere/db",
}


def test_a_dead_child_waits_longer_each_time_and_anew_after_a_long_life() -> None:
    delays: list[float] = []
    for _ in range(7):
        delays.append(next_delay(delays[-1] if delays else None, lived=0.1))
    assert delays == [1, 2, 4, 8, 16, 30, 30]
    assert next_delay(30, lived=60) == 1


def test_the_worker_is_given_the_database_and_only_this_stacks_temporal(tmp_path: Path) -> None:
    child = programs.worker(DataFolder(tmp_path), STACK, "team", OF_THE_USER)
    assert child.command[0] == sys.executable
    assert Path(child.command[1]).name == "worker.py"
    assert child.environment["MAKIMA_DATABASE_URL"] == STACK.database_url
    assert child.environment["MAKIMA_OWNER"] == "team"
    assert child.environment["MAKIMA_DATA_DIR"] == str(tmp_path)
    assert {name: value for name, value in child.environment.items() if name.startswith("TEMPORAL_")} == {
        "TEMPORAL_ADDRESS": STACK.temporal_address,
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


@pytest.mark.rule("6.6")
def test_the_daemon_is_given_no_database_password(tmp_path: Path) -> None:
    child = programs.daemon(DataFolder(tmp_path), STACK, "team", OF_THE_USER)
    assert child.command[1:] == ("-m", "daemon")
    assert not [value for value in child.environment.values() if "secret" in value or "hunter2" in value]


def test_the_daemons_settings_are_written_once_and_stay_the_operators(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    child = programs.daemon(folder, STACK, "team", {})
    assert child.environment["MAKIMA_DAEMON_CONFIG"] == str(folder.daemon_settings)
    written = tomllib.loads(folder.daemon_settings.read_text())
    assert written == {"name": "local", "capacity": 4, "serves": ["shell"], "allow_local_repositories": True}
    folder.daemon_settings.write_text('name = "mine"')
    programs.daemon(folder, STACK, "team", {})
    assert folder.daemon_settings.read_text() == 'name = "mine"'
    elsewhere = programs.daemon(folder, STACK, "team", {"MAKIMA_DAEMON_CONFIG": "/etc/daemon.toml"})
    assert elsewhere.environment["MAKIMA_DAEMON_CONFIG"] == "/etc/daemon.toml"


def test_the_daemon_knows_the_stacks_forge_wherever_it_is_and_its_own_file_comes_first(tmp_path: Path) -> None:
    stack = STACK.model_copy(update={"forge_url": "http://127.0.0.1:8234"})
    told = programs.daemon(DataFolder(tmp_path), stack, "team", {}).environment
    token = tmp_path / "forge" / "token"
    assert (told["MAKIMA_FORGE_URL"], told["MAKIMA_FORGE_TOKEN_FILE"]) == (stack.forge_url, str(token))
    file = tmp_path / "daemon.toml"
    known = load_daemon_settings(file).also_at(stack.forge_url, token).forges
    assert known == {"127.0.0.1:8234": ForgeSettings(kind=ForgeKind.GITHUB, token_file=token)}
    file.write_text('name = "mine"\nforges."127.0.0.1:8234".kind = "none"\n')
    own = load_daemon_settings(file)
    assert own.also_at(stack.forge_url, token) == own
    assert own.also_at("", None) == own


def test_a_chosen_port_is_kept_and_never_given_twice(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    chosen = {service: folder.choose_port(service) for service in Service}
    assert len(set(chosen.values())) == len(Service)
    assert {service: DataFolder(tmp_path).choose_port(service) for service in Service} == chosen
