"""What a repository says of a start, beside what you have typed and what your own defaults are (rule 2.14)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.workspace.project import ProjectFile, parsed
from domain.errors import Refused, RepositoryError
from domain.start_checks import StartSeen, StartWanted
from domain.start_defaults import StartDefaults
from steering.filled_options import Filled, with_own_defaults, with_repositorys
from steering.new_directive import StartOptions
from steering.repository_defaults import drafted, sketched, told_of

pytestmark = pytest.mark.rule("2.14")
URL = "https://example.invalid/shop.git"
SOURCE = ".makima.toml of main"


def options(**given: Any) -> StartOptions:
    return StartOptions(**{"title": "Login", "goal": "Users log in", "repo": URL, **given})


def said(text: str) -> StartDefaults:
    return parsed(f"[start]\n{text}".encode(), ".makima.toml").start


def test_what_nobody_has_said_is_the_repositorys_and_is_told() -> None:
    theirs = said(
        'planner = "claude"\nmax-attempts = 1\nbase_branch = "next"\nrequire_approval = true\nbudget = "20usd"'
    )
    filled = with_repositorys(Filled(options()), theirs, SOURCE)
    assert filled.options == options(
        planner="claude", max_attempts=1, base_branch="next", require_approval=True, budget="20usd"
    )
    (told,) = filled.defaults
    assert str(told) == "base_branch, planner, require_approval, max_attempts, budget (.makima.toml of main)"
    assert with_repositorys(Filled(options()), said(""), SOURCE) == Filled(options())


def test_what_was_typed_stays_and_of_your_own_defaults_all_but_a_wider_limit(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[start]\nplanner = "codex"\nmax_attempts = 5\nmax_turns = 40\nbudget = "5usd, 3h"\nlabel = "gpu"\n'
    )
    theirs = said(
        'planner = "claude"\nagent = "cheap"\nmax_attempts = 1\nmax_turns = 90\nbudget = "9usd, 1M tokens"\n'
        'label = "any"\nmax_parallel_steps = 2\nmax_cost_usd = 3\nshepherd_rounds = 0'
    )
    own = with_own_defaults(options(base_branch="v2"), file, frozenset({"max_parallel_steps"}))
    (told,) = own.defaults
    assert str(told) == f"planner, label, max_attempts, max_turns, budget ({file})"
    filled = with_repositorys(own, theirs, SOURCE)
    taken = filled.options
    assert (taken.planner, taken.agent, taken.label, taken.base_branch) == ("codex", "cheap", "gpu", "v2")
    assert (taken.max_attempts, taken.max_turns, taken.max_cost_usd, taken.shepherd_rounds) == (1, 40, 3, 0)
    assert taken.max_parallel_steps == 8, "it was typed, though as it is anyway"
    assert taken.budget == "5usd, 1M tokens, 3h"
    typed = with_repositorys(with_own_defaults(options(max_attempts=4, budget="99usd"), file), theirs, SOURCE).options
    assert (typed.max_attempts, typed.budget) == (4, "99usd")


def test_who_says_an_agent_for_all_or_a_daemon_leaves_the_repository_none_of_them() -> None:
    theirs = said('planner = "claude"\nagent = "cheap"\nfixer = "mender"\nlabel = "gpu"')
    taken = with_repositorys(with_own_defaults(options(agents="codex", on="box"), Path("/nowhere")), theirs, SOURCE)
    assert (taken.options.planner, taken.options.agent, taken.options.fixer, taken.options.label) == (
        *(None, None, "mender"),
        "",
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[start", "is not TOML: "),
        ("max_attempts = 9", "line 2: start.max_attempts: a repository may say 2 at most"),
        ("\n\nmax-parallel-steps = 9", "line 4: start.max_parallel_steps: a repository may say 8 at most"),
        ("shepherd_rounds = 4", "line 2: start.shepherd_rounds: a repository may say 3 at most"),
        ("max_turns = 0", "start.max_turns: "),
        ("max_cost_usd = nan", "start.max_cost_usd: "),
        ("max_cost_usd = 0", "start.max_cost_usd: "),
        ("budget = '3 bananas'", "line 2: start.budget: '3 bananas' is no budget"),
        ("agent = 'shell'", "line 2: start.agent: the shell agent is no repository's default"),
        ("planner = ' '", "line 2: start.planner: it takes the names of agents"),
        ("agents = 'a,a'", "line 2: start.agents: agent 'a' is named twice"),
        ("base_branch = 'a..b'", "line 2: start.base_branch: 'a..b' is not a branch's name"),
        ("label = 'A B'", "line 2: start.label: "),
        ("require_approval = 'perhaps'", "line 2: start.require_approval: "),
        ("# c\nagnet = 'a'", "line 3: start.agnet: there is no such key; 'agent' perhaps"),
        ("step_agent = ['dear']", "line 2: start.step_agent: there is no such key; "),
        ("timings = 'fast'", "line 2: start.timings: there is no such key; there are agents, agent, planner"),
        ("verify = ['make']", "line 2: start.verify: there is no such key here; it belongs before the first table"),
        ("[pull_request]\nlabel = []", "line 3: pull_request.label: there is no such key; 'labels' perhaps"),
        ("[other]\nx = 1", "other: there is no such key; "),
        ('"max\\nattempts" = 1', "start.max attempts: there is no such key"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_one_line_with_its_place(text: str, wrong: str) -> None:
    with pytest.raises(RepositoryError) as refused:
        said(text)
    assert str(refused.value).startswith(".makima.toml") and wrong in str(refused.value), refused.value
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("planner = 'claude'", "line 1: planner: there is no such key here; it belongs in [start]"),
        ("setup = '''\n[start]\nagent = 3\n'''", "line 1: setup: "),
        ("setup = ['''\nagent = 3\n''']\nstart.agent = 3", "line 4: start.agent: "),
        ("setup = ['''\n[start]\nagent = 3\n''']\n[start]\nagent = 3", "line 6: start.agent: "),
        ("[pull_request]\ndraft = 'never'\n[start]\nmax_attempts=3", "line 4: start.max_attempts: "),
        ("setup = ['''\n[start]\n''']\nverify = 3", "line 4: verify: "),
        ("start = {max_attempts = 3}", "line 1: start.max_attempts: "),
        ("verify = [\n  'make',\n  3,\n]", "line 1: verify.1: "),
    ],
)
def test_the_line_is_that_of_the_key_wherever_its_name_stands_else(text: str, wrong: str) -> None:
    with pytest.raises(RepositoryError) as refused:
        parsed(text.encode(), "F")
    assert wrong in str(refused.value), refused.value


def test_a_file_of_keys_without_end_is_looked_through_no_longer_than_it_is_worth() -> None:
    """Each line that could be the key's is tried by reading what stands before it: not for all of them."""
    text = "verify = ['''\n" + "[start]\nagent = 1\n" * 2500 + "''']\n[start]\nagent = 1\n"
    with pytest.raises(RepositoryError, match=r"^F: start[.]agent: Input should be a valid string"):
        parsed(text.encode(), "F")


def test_a_repository_without_defaults_says_what_it_said_before() -> None:
    project = parsed(b"setup = ['npm ci']\nbranch_prefix = 'me/'\n", "F")
    assert project == ProjectFile(setup=("npm ci",), branch_prefix="me/")
    assert not project.start.said


def test_a_client_and_a_daemon_of_before_are_told_nothing_that_they_don_t_know() -> None:
    assert set(StartWanted(repository=URL).model_dump()) == {"repository", "base_branch", "branch_prefix"}
    assert set(StartSeen(base_branch="main").model_dump()) == {"trouble", "base_branch"}
    told = StartSeen(base_branch="main", defaults=said("max_attempts = 1"), read_from="main")
    assert StartSeen.model_validate_json(told.model_dump_json()) == told


def test_what_makes_no_directive_whatever_the_repository_says_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    goal = tmp_path / "goal.md"
    goal.write_text("Users log in")
    filled, sketch = sketched(Filled(options(goal=None, goal_file=goal)), "me")
    assert (filled.options.goal, filled.options.goal_file, filled.options.planner) == ("Users log in", None, None)
    assert sketch.directive.text.goal == "Users log in"
    for wrong in (options(max_attempts=99), options(title=""), options(budget="x")):
        with pytest.raises(Refused, match=r"max_attempts|--title|budget"):
            sketched(Filled(wrong), "me")
    with pytest.raises(Refused, match=r"needs --planner .*; the repository's .makima.toml was not read: nobody lives"):
        drafted(Filled(options(), unread="nobody lives"), "me")
    theirs = with_repositorys(Filled(options()), said('planner = "p"'), SOURCE)
    assert drafted(theirs, "me").directive.settings.agent.name == "p"
    assert "no; by default: planner (.makima.toml of main)" in str(told_of(Refused("no"), theirs))
    assert replace(theirs, defaults=()).options == theirs.options
