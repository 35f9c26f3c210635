"""The attacks of the other modules, played against a daemon that an ordinary user runs: whom no file's mode lets pass,
and who may do in a namespace what the machine's root does without one.

The whole suite may be run by such a user: then each module has been, and there is nothing left to do here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BECOME = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
HERE = "tests/attacks/"
ATTACKS = (
    "test_stranger.py::test_a_strangers_words_are_counted_and_go_nowhere[by_review]",
    "test_named_by_agent.py::test_a_planner_changes_no_step_of_another_directive",
    "test_named_by_agent.py::test_an_artifact_lies_in_the_tasks_own_folder",
    "test_clean.py",
    "test_waiting_daemon.py",
    "test_rescue.py::test_what_is_left_is_saved_in_seconds_whatever_was_laid_there[a configuration that is a pipe]",
    "test_rescue.py::test_what_is_left_is_saved_in_seconds_whatever_was_laid_there[names that are not UTF-8]",
    "test_rescue.py::test_it_is_saved_in_the_sandbox_where_links_lead_nowhere",
    "test_rescue.py::test_a_folder_that_defeats_the_rescue_is_set_aside_and_holds_up_nobody",
    "test_terminal.py::test_every_process_of_ours_prints_through_the_guard",
    "test_committed_secrets.py::test_a_committed_secret_stays_on_the_machine_and_a_person_is_asked[a file]",
    "test_committed_secrets.py::test_an_attempt_that_fails_otherwise_publishes_what_is_clean",
    "test_local_repository.py::test_nothing_that_a_local_repository_names_runs_when_the_daemon_works_with_it",
    "test_local_repository.py::test_a_repository_where_agents_can_write_is_refused_whatever_way_leads_there[two links]",
    "test_tool_chains.py",
    "test_planted.py::test_what_an_agent_plants_in_a_sandbox_runs_nowhere_else[]",
    "test_planted.py::test_in_a_sandbox_there_is_nobody_elses_process_descriptor_or_file_to_take_hold_of",
    "test_forged_daemon.py",
    "test_forged_state.py::test_a_forged_outcome_replaces_nothing_moves_no_branch_and_plants_no_memory",
    "test_forged_state.py::test_what_a_daemon_that_died_has_left_is_saved_so_that_another_one_believes_it",
    "test_broken_remote.py::test_refs_that_git_keeps_only_packed_hold_nothing_up",
    "test_forged_refs.py::test_a_code_that_is_nearly_right_is_wrong",
    "test_forged_places.py::test_a_ref_above_all_of_ours_is_found_and_not_waited_for",
    "test_contested_refs.py::test_a_copy_that_arrived_though_the_answer_was_lost_is_the_copy",
    "test_answer_links.py",
    "test_private_memory.py::test_no_other_process_of_the_user_reads_memory_or_environment",
)
"""Of each module what the user makes a difference to, and at least one."""


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
def test_they_fail_as_well_where_an_ordinary_user_runs_the_daemon(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing: apt-get install util-linux")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", f"--basetemp={tmp_path / 'made'}")
    argv = (*BECOME, sys.executable, "-m", "pytest", *options, *(HERE + attack for attack in ATTACKS))
    done = subprocess.run(argv, cwd=ROOT, env={**environ, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    found = re.search(r"(\d+) passed", done.stdout)
    assert found and int(found[1]) >= len(ATTACKS), done.stdout[-2000:]
    modules = {path.name for path in (ROOT / HERE).glob("test_*.py")}
    # Those that have an ordinary user of their own, and those in which there is no daemon.
    others = {
        "test_boxed_agent.py",
        "test_boxed_tools.py",
        "test_door.py",
        "test_hidden_secrets.py",
        Path(__file__).name,
    }
    assert {attack.partition("::")[0] for attack in ATTACKS} == modules - others - {
        "test_parsers.py",
        "test_arguments.py",
        "test_strange_answers.py",
    }
