"""`start` refuses at once what could only wait or pause (rule 2.12)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.stack import CHECKED, Ran, Site, until
from tests.integration.test_branch_prefix import RULE

PLAN = {"steps": [{"name": "one", "task_plan": "echo made > made"}]}


def made_folder(folder: Path, *command: str) -> Path:
    folder.mkdir()
    if command:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.rule("2.12")
def test_what_could_not_begin_is_refused_in_one_line_and_nothing_is_started(site: Site) -> None:
    site.worker()
    site.daemon(further="local_hooks = true")
    plan = site.folder / "plan.json"
    plan.write_text(json.dumps(PLAN))
    origin, ruled = make_origin(site.folder), make_origin(made_folder(site.folder / "ruled"))
    (ruled / "hooks" / "update").write_text(RULE)
    (ruled / "hooks" / "update").chmod(0o755)
    detached = made_folder(site.folder / "detached")
    git(detached, "clone", "--quiet", str(origin), ".")
    git(detached, "symbolic-ref", "HEAD", "refs/heads/gone")
    nothing = made_folder(site.folder / "nothing")
    empty = made_folder(site.folder / "empty", "git", "init", "--quiet")
    until(lambda: "one" in site.starter("daemons").out, "the daemon's first report")

    def start(repository: object, *options: str, agents: Sequence[str] = ("--agent", "shell")) -> Ran:
        about = ("--title", "Wrong", "--goal", "G", "--repo", str(repository), "--timings", "fast")
        return site.starter("start", CHECKED, *about, "--plan", str(plan), *agents, *options)

    cases = {
        "no repository": (start(nothing), "does not appear to be a git repository"),
        "no commits": (start(empty), "is empty: push a first commit"),
        "nobody listens": (start("https://127.0.0.1:1/a/b.git"), "127.0.0.1"),
        "a base branch that is not there": (start(origin, "--base-branch", "next"), "--base-branch is one of main"),
        "no default branch": (start(detached), "add --base-branch, one of main"),
        "a rule of the remote": (start(ruled), "branches begin with feature/"),
        "an agent that nobody serves": (start(origin, agents=("--agent", "nobody")), "one serves "),
        "a daemon that there is not": (start(origin, "--on", "two"), "on daemon 'two'"),
        "a label that nobody has": (start(origin, "--label", "gpu"), "with label 'gpu'"),
    }
    for name, (ran, said) in cases.items():
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), (name, ran)
        assert said in ran.err, (name, ran)
    assert site.starter("list", "--json").json()["directives"] == []
    assert "makima" not in git(origin, "for-each-ref")

    assert start(origin).code == 0
    assert start(ruled, "--branch-prefix", "feature/").code == 0
    accepted = start(origin, "--wait-for-daemon", agents=("--agent", "nobody"))
    assert accepted.code == 0, accepted


@pytest.mark.rule("2.12")
def test_without_any_daemon_a_start_says_how_to_get_one(site: Site) -> None:
    site.worker()
    origin = make_origin(site.folder)
    refused = site.starter("start", CHECKED, *("--title", "T", "--goal", "G", "--repo", str(origin), "--planner", "p"))
    assert (refused.code, refused.out) == (2, "")
    assert "start one: `starter.py up`, or `python -m daemon`, or add --wait-for-daemon" in refused.err
