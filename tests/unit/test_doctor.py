"""What doctor makes of what it sees: a verdict and a remedy for each thing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.operator.doctor import daemon_checks, local_checks
from daemon.doctor.checks import (
    KNOWN,
    AgentSeen,
    agent_checks,
    disk_check,
    git_check,
    identity_check,
    push_check,
    refs_check,
    sandbox_check,
)
from daemon.doctor.network import node_check
from daemon.sandbox.sandbox import Bubblewrap, MissingSandbox, NoSandbox, Opening
from domain.errors import GitError, RefRefused, RepositoryError
from domain.health_report import Verdict, all_of, failed, good, warning
from domain.reports import DaemonSeen
from tests.acp_player import an_agent
from tests.agents.conftest import PACKAGES, pinned_versions

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED
TESTED = KNOWN["claude"].tested
OPENCODE = an_agent().tested_program
CLINE = an_agent(profile="cline").tested_program


def test_a_line_names_the_verdict_what_was_found_and_the_remedy() -> None:
    health = all_of([good("git", "2.39.5"), failed("disk", "1 MB\nfree", "make room")])
    assert health.lines() == ["ok       git   2.39.5", "failed   disk  1 MB free: make room"]
    assert not health.is_good
    assert all_of([good("git", "2.39.5"), warning("sandbox", "none", "install it")]).is_good


def test_the_tested_versions_are_those_that_the_tests_install_and_the_chapter_names() -> None:
    pinned = {name: pinned_versions()[package] for name, package in PACKAGES.items()}
    assert pinned == {name: known.tested for name, known in KNOWN.items()}
    chapter = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \|$", chapter, re.MULTILINE))
    assert told == pinned


@pytest.mark.parametrize(
    ("seen", "verdicts", "words"),
    [
        (AgentSeen("c", "claude", trouble="'claude' is not installed"), [FAILED], "not installed"),
        (
            AgentSeen("c", "claude", said=f"{TESTED} (Claude Code)", has_key=True),
            [OK, OK],
            "the version that is tested",
        ),
        (AgentSeen("c", "claude", said="1.0.1 (Claude Code)", has_login=True), [WARNING, OK], f"tested with {TESTED}"),
        (AgentSeen("c", "claude", said="", has_login=True), [FAILED, OK], "tells no version"),
        (AgentSeen("c", "claude", said=TESTED), [OK, FAILED], "ANTHROPIC_API_KEY"),
        (AgentSeen("c", "claude", said=TESTED, log_in="claude auth login"), [OK, FAILED], "or: claude auth login"),
        (AgentSeen("c", "codex", said="codex-cli 0.169.0"), [OK, FAILED], "CODEX_API_KEY"),
        (AgentSeen("mine", "my-agent"), [OK], "installed"),
        (AgentSeen("o", "opencode", said="1.18.33", known=OPENCODE), [OK], "the version that is tested"),
        (AgentSeen("o", "opencode", said="1.2.0", known=OPENCODE), [WARNING], "tested with 1.18.33"),
        (AgentSeen("o", "opencode", known=OPENCODE), [WARNING], "tells no version"),
        (AgentSeen("c", "cline", said="3.0.65", known=CLINE), [OK], "was tried, as far as its request for a login"),
    ],
)
def test_an_agent_is_installed_of_a_tested_version_and_logged_in(
    seen: AgentSeen, verdicts: list[Verdict], words: str
) -> None:
    checks = agent_checks(seen)
    assert [check.verdict for check in checks] == verdicts
    assert words in "\n".join(all_of(checks).lines())


@pytest.mark.parametrize(("said", "verdict"), [("git version 2.39.5", OK), ("git version 2.9.1", FAILED), ("", FAILED)])
def test_git_is_there_and_not_too_old(said: str, verdict: Verdict) -> None:
    assert git_check(said).verdict is verdict


def test_the_machine_is_judged_by_the_settings() -> None:
    assert identity_check("Makima", "makima@localhost").verdict is OK
    assert identity_check("", "makima@localhost").verdict is FAILED
    assert disk_check("/x", 600, 512).verdict is OK
    assert disk_check("/x", 500, 512).verdict is FAILED
    assert sandbox_check(Bubblewrap("bwrap", Opening(), {})).verdict is OK
    assert sandbox_check(MissingSandbox("bubblewrap is not installed")).verdict is FAILED
    assert sandbox_check(NoSandbox()).verdict is OK


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v20.20.2", WARNING),
        ("v22.20.0", WARNING),
        ("v22.21.0", OK),
        ("v23.11.0", WARNING),
        ("v24.0.0", OK),
        ("v26.12.1", OK),
        ("", None),
    ],
)
def test_a_node_that_does_not_find_the_door_is_named(version: str, verdict: Verdict | None) -> None:
    check = node_check(version)
    assert (check.verdict if check else None) is verdict
    assert check is None or version in check.found


def test_a_repository_takes_pushes_and_refs_or_says_what_is_lost() -> None:
    refused = RefRefused("it refuses refs/makima/doctor")
    assert push_check(None, 3).verdict is OK
    assert push_check(None, 0).verdict is FAILED
    assert push_check(RepositoryError("x: permission denied"), 3).verdict is FAILED
    assert refs_check(None, None).found == "refs/makima/* are taken"
    assert "makima-state/*" in refs_check(refused, None).found
    assert refs_check(refused, GitError("no")).verdict is WARNING


def daemon(name: str, silent: float, *parked: str) -> DaemonSeen:
    return DaemonSeen(
        name=name,
        version="0.1.0",
        agents=("claude",),
        labels=(),
        capacity=4,
        running=(),
        sandbox="bubblewrap",
        parked=parked,
        reported_at=datetime(2026, 1, 1, tzinfo=UTC),
        silent_for=timedelta(seconds=silent),
    )


def test_only_daemons_that_report_are_counted_on() -> None:
    (check,) = daemon_checks([daemon("here", 5), daemon("gone", 500)])
    assert (check.about, check.found) == ("daemon here", "serves claude; 4 of 4 slots free; sandbox: bubblewrap")
    assert daemon_checks([daemon("gone", 500)])[0].verdict is FAILED
    (limited,) = daemon_checks([daemon("here", 5, "claude: its limit ends at 23:40")])
    assert (limited.verdict, limited.remedy) == (WARNING, "claude: its limit ends at 23:40")


def test_what_both_doctors_looked_at_is_told_once() -> None:
    local = all_of([good("Temporal", "answers"), good("git", "2.39.5")])
    assert [check.about for check in local_checks(local, {"Temporal"}, "")] == ["git"]
    assert local_checks(None, set(), "") == []
    assert local_checks(None, set(), "git@example.com:a/b.git")[0].verdict is FAILED
