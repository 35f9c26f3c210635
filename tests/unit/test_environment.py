"""What an agent sees of the daemon's environment (rule 6.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.process.program import AgentCommand
from daemon.sandbox.environment import GitIdentity, agent_environment
from daemon.sandbox.task_folder import TaskFolder

FOLDER = TaskFolder(Path("/tasks/one"))


def environment(own: dict[str, str], command: AgentCommand | None = None) -> dict[str, str]:
    return agent_environment(
        own,
        folder=FOLDER,
        task_id="a-task",
        command=command or AgentCommand(("true",)),
        identity=GitIdentity("Ada", "ada@example.org"),
    )


@pytest.mark.rule("6.6")
def test_only_what_is_allowed_is_passed_on() -> None:
    harmless = {"LANG": "C.UTF-8", "LC_ALL": "C", "TERM": "xterm", "TZ": "UTC", "TMPDIR": "/tmp", "no_proxy": "here"}
    own = harmless | {"SSH_AUTH_SOCK": "/agent", "AWS_SECRET_ACCESS_KEY": "s", "GH_TOKEN": "t", "PGPASSWORD": "p"}
    own |= {"MAKIMA_DATABASE_URL": "u", "TEMPORAL_API_KEY": "k", "TEMPORAL_ADDRESS": "a", "GIT_SSH_COMMAND": "ssh"}
    seen = environment(own)
    assert harmless.items() <= seen.items()
    assert not {*own} - {*harmless} & {*seen}


@pytest.mark.rule("6.6")
def test_no_value_of_the_daemon_shows_up_under_another_name() -> None:
    assert "secret" not in "".join(environment({"TEMPORAL_API_KEY": "secret", "FORGE_TOKEN": "secret"}).values())


@pytest.mark.rule("6.6")
def test_it_has_its_own_home_and_identity_and_finds_its_task() -> None:
    seen = environment({"HOME": "/home/operator", "PATH": "/usr/bin"})
    assert seen["HOME"] == "/tasks/one/home"
    assert seen["PATH"] == "/tasks/one/bin:/usr/bin"
    assert (seen["MAKIMA_TASK_DIR"], seen["MAKIMA_TASK_ID"]) == ("/tasks/one", "a-task")
    assert seen["GIT_AUTHOR_NAME"] == seen["GIT_COMMITTER_NAME"] == "Ada"
    assert seen["GIT_AUTHOR_EMAIL"] == seen["GIT_COMMITTER_EMAIL"] == "ada@example.org"
    assert (seen["GIT_CONFIG_NOSYSTEM"], seen["GIT_TERMINAL_PROMPT"]) == ("1", "0")


def test_a_daemon_without_a_path_still_gives_one() -> None:
    assert environment({})["PATH"].startswith("/tasks/one/bin:/")


@pytest.mark.rule("6.6")
def test_the_settings_may_add_variables_and_name_those_to_pass() -> None:
    command = AgentCommand(("true",), env={"PATH": "/opt/bin", "EXTRA": "1"}, pass_env=("MODEL_KEY", "ABSENT"))
    seen = environment({"MODEL_KEY": "k", "PATH": "/usr/bin"}, command)
    assert (seen["MODEL_KEY"], seen["EXTRA"], seen["PATH"]) == ("k", "1", "/tasks/one/bin:/opt/bin")
    assert "ABSENT" not in seen


@pytest.mark.rule("6.6")
def test_the_settings_can_neither_open_makimas_own_nor_replace_what_binds_the_task() -> None:
    command = AgentCommand(("true",), env={"HOME": "/", "MAKIMA_X": "1"}, pass_env=("TEMPORAL_API_KEY",))
    seen = environment({"TEMPORAL_API_KEY": "k"}, command)
    assert seen["HOME"] == "/tasks/one/home"
    assert not {"MAKIMA_X", "TEMPORAL_API_KEY"} & {*seen}


def test_a_proxy_is_passed_on_unless_its_address_holds_a_password() -> None:
    seen = environment({"https_proxy": "http://proxy:3128", "HTTP_PROXY": "http://me:secret@proxy:3128"})
    assert seen["https_proxy"] == "http://proxy:3128"
    assert "HTTP_PROXY" not in seen


def test_tool_chains_come_first_on_path_unless_the_settings_choose_one() -> None:
    def seen(**env: str) -> dict[str, str]:
        return agent_environment(
            {"PATH": "/usr/bin:/rust/bin", "RUSTUP_HOME": "/secret"},
            folder=FOLDER,
            task_id="a-task",
            command=AgentCommand(("true",), env=env),
            identity=GitIdentity(),
            tools={"RUSTUP_HOME": "/rust"},
            tool_path=("/rust/bin", "/shims"),
        )

    assert seen()["PATH"] == "/tasks/one/bin:/shims:/usr/bin:/rust/bin"
    assert seen(PATH="/opt/bin")["PATH"] == "/tasks/one/bin:/opt/bin:/rust/bin:/shims"
    assert seen()["RUSTUP_HOME"] == "/rust"
    assert seen(RUSTUP_HOME="/mine")["RUSTUP_HOME"] == "/mine"
