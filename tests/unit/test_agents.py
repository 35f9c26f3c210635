"""The agents as they are configured, started and judged, and the folder that they find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from daemon.agents import ConfiguredAgent
from daemon.agents.base import Agent, AgentRun, StreamSummary
from daemon.process.program import EndedBy, ProcessEnd
from daemon.sandbox.task_folder import TaskFolder, make_task_folder
from domain.errors import CannotServe
from domain.failures import FailureCategory


def agent(**settings: object) -> Agent:
    return TypeAdapter[Agent](ConfiguredAgent).validate_python(settings)


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return make_task_folder(tmp_path / "task")


def test_a_command_gets_the_prompt_on_stdin(folder: TaskFolder) -> None:
    command = agent(kind="command", argv=["tool", "--json={}", "-p"]).command(AgentRun("do it", folder))
    assert (command.argv, command.stdin) == (("tool", "--json={}", "-p"), b"do it")


def test_a_command_gets_the_prompt_in_a_file_where_it_asks_for_one(folder: TaskFolder) -> None:
    command = agent(kind="command", argv=["tool", "@{prompt_file}"]).command(AgentRun("mach's schön", folder))
    assert (command.argv, command.stdin) == (("tool", f"@{folder.prompt}"), b"")
    assert folder.prompt.read_text() == "mach's schön"


def test_a_command_gets_the_model_and_further_arguments(folder: TaskFolder) -> None:
    tool = agent(kind="command", argv=["tool", "-m", "{model}"], model="small", env={"A": "1"}, pass_env=["KEY"])
    assert tool.command(AgentRun("", folder)).argv == ("tool", "-m", "small")
    command = tool.command(AgentRun("", folder, model="{prompt_file}", arguments=("-v", "{model}")))
    assert command.argv == ("tool", "-m", "{prompt_file}", "-v", "{model}")
    assert (command.env, command.pass_env) == ({"A": "1"}, ("KEY",))


def test_a_command_that_needs_a_model_does_not_start_without_one(folder: TaskFolder) -> None:
    with pytest.raises(CannotServe, match="needs a model"):
        agent(kind="command", argv=["tool", "{model}"]).command(AgentRun("", folder))


@pytest.mark.rule("6.6")
def test_a_shell_runs_the_task_plan_and_stops_at_the_first_error(folder: TaskFolder) -> None:
    command = agent(kind="shell").command(AgentRun("ignored", folder, script='echo "$1"\nfalse\necho never'))
    ended = subprocess.run((*command.argv, "argument"), check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "argument\n")


@pytest.mark.rule("5.4")
def test_a_program_that_is_not_installed_is_said_so() -> None:
    agent(kind="shell").check()
    agent(kind="command", argv=[sys.executable]).check()
    agent(kind="command", argv=["tools/in-the-worktree"]).check()
    with pytest.raises(CannotServe, match="'no-such-program' is not installed"):
        agent(kind="command", argv=["no-such-program"]).check()


@pytest.mark.parametrize(
    ("end", "category", "report"),
    [
        (ProcessEnd(0, EndedBy.EXIT, "all well"), None, None),
        (ProcessEnd(2, EndedBy.EXIT, "no such file\n"), FailureCategory.AGENT, "exit code 2\nno such file"),
        (ProcessEnd(143, EndedBy.TIME_LIMIT, ""), FailureCategory.TIME_LIMIT, "stopped at the time limit"),
        (ProcessEnd(0, EndedBy.TIME_LIMIT, ""), FailureCategory.TIME_LIMIT, "stopped at the time limit"),
        (ProcessEnd(0, EndedBy.NO_OUTPUT, ""), FailureCategory.NO_OUTPUT, "stopped because it printed nothing"),
    ],
)
def test_the_end_is_judged_by_exit_code_and_limits(
    end: ProcessEnd, category: FailureCategory | None, report: str | None
) -> None:
    failure = agent(kind="shell").judge(end, StreamSummary()).failure
    assert (failure and failure.category) == category
    assert failure is None or (report and failure.report.startswith(report))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kind": "unknown"}, "unknown"),
        ({"kind": "command"}, "argv"),
        ({"kind": "command", "argv": []}, "argv"),
        ({"kind": "shell", "argv": ["sh"]}, "argv"),
        ({"kind": "shell", "pass_env": ["TEMPORAL_API_KEY"]}, "TEMPORAL_API_KEY: no agent gets"),
        ({"kind": "shell", "env": {"MAKIMA_TASK_ID": "x"}}, "MAKIMA_TASK_ID: no agent gets"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        agent(**settings)


@pytest.mark.rule("6.6")
def test_a_task_folder_is_private_and_holds_home_and_the_makima_command(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir(mode=0o755)
    folder = make_task_folder(tmp_path / "task")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.home.is_dir()
    assert os.access(folder.makima, os.X_OK)
    assert folder.makima.read_text().splitlines() == ["#!/bin/sh", f'exec {sys.executable} -I -m cli.agent "$@"']


def test_a_task_folder_that_is_there_keeps_what_is_in_it(tmp_path: Path) -> None:
    make_task_folder(tmp_path / "task").log.write_text("a line\n")
    assert make_task_folder(tmp_path / "task").log.read_text() == "a line\n"
