"""What a repository says of a start in its `.makima.toml`, read by a daemon at the remote (rule 2.14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.stack import CHECKED, Ran, Site, until

DEFAULTS = """\
[start]
planner = "planner"
base_branch = "next"
max_parallel_steps = 2
max_attempts = 1
require_approval = true
budget = "9usd"
"""


def says(origin: Path, text: str, branch: str = "main") -> None:
    """The file as the newest commit of a branch of the remote has it."""
    clone = origin.parent / "clone"
    (clone / ".makima.toml").write_text(text)
    git(clone, "add", ".makima.toml")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "Say how it is worked on")
    git(clone, "push", "--quiet", "--force", str(origin), f"HEAD:{branch}")


@pytest.mark.rule("2.14")
@pytest.mark.timeout(600)
def test_a_start_takes_what_the_remotes_file_says_and_tells_so(site: Site) -> None:
    site.worker()
    site.daemon()
    origin = make_origin(site.folder)
    git(origin, "branch", "next", "main")
    says(origin, DEFAULTS)
    # What a working directory holds counts for nothing.
    (origin.parent / "clone" / ".makima.toml").write_text('[start]\nplanner = "evil"\n')
    until(lambda: "one" in site.starter("daemons").out, "the daemon's first report")
    config = site.folder / "config" / "makima" / "config.toml"
    config.parent.mkdir(parents=True)

    def typed(command: str, *options: str) -> Ran:
        about = ("--title", "House", "--goal", "G", "--repo", str(origin), "--timings", "fast")
        checked = (CHECKED,) if command == "start" else ()
        return site.starter(command, *checked, *about, *options, XDG_CONFIG_HOME=config.parent.parent)

    def settings(ran: Ran) -> Any:
        assert ran.code == 0, ran
        directive = ran.json()["id"]
        until(lambda: site.starter("status", directive).code == 0, "that it is recorded")
        return site.status(directive)

    told = typed("start")
    assert told.code == 0, told
    of_theirs = "base_branch, planner, require_approval, max_parallel_steps, max_attempts, budget"
    assert f"\ndefaults: {of_theirs} (.makima.toml of main)\n" in told.out

    config.write_text('[start]\nmax_attempts = 3\nmax_parallel_steps = 1\nlabel = ""\n')
    shown = settings(typed("start", "--max-attempts", "2", "--json"))
    assert "1 steps at once, 2 attempts" in shown["limits"], shown
    assert shown["base_branch"] == "next" and shown["agents"]["plans"] == "planner"
    drafted = typed("create", "--json")
    assert [each["source"] for each in drafted.json()["defaults"]] == [
        str(config).replace(str(Path.home()), "~") if config.is_relative_to(Path.home()) else str(config),
        ".makima.toml of main",
    ]
    assert "1 steps at once, 1 attempts" in settings(drafted)["limits"]

    unchecked = site.starter(
        *("start", "--title", "House", "--goal", "G", "--repo", str(origin), "--planner", "nobody"),
        XDG_CONFIG_HOME=config.parent.parent,
    )
    assert unchecked.code == 0 and "were not read: --wait-for-daemon asks nobody" in unchecked.out, unchecked

    known = len(site.starter("list", "--json").json()["directives"])
    cases = {
        "a wrong value": ("[start]\nmax_attempts = 7\n", "line 2: start.max_attempts: a repository may say 2 at most"),
        "no such key": ("[start]\nagnet = 'planner'\n", "line 2: start.agnet: there is no such key; 'agent' perhaps"),
        "no TOML": ("[start\n", "is not TOML"),
        "the shell": ("[start]\nagent = 'shell'\n", "line 2: start.agent: the shell agent"),
        "an agent that nobody serves": (
            "[start]\nplanner = 'nobody'\n",
            "no daemon that lives serves 'nobody' on daemon 'one'; one serves planner, shell: name it in `serves` of "
            "that daemon's settings (docs/agents.md) and restart it, or add --wait-for-daemon; "
            f"by default: max_parallel_steps, max_attempts ({config}); planner (.makima.toml of main)",
        ),
        "no such branch": (
            "[start]\nplanner = 'planner'\nbase_branch = 'gone'\n",
            "has no branch 'gone': base_branch in .makima.toml of main is one of main, next",
        ),
        "no planner": ("", "needs --planner NAME"),
    }
    for name, (text, said) in cases.items():
        says(origin, text)
        ran = typed("start")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), (name, ran)
        assert said in ran.err, (name, ran)
    assert len(site.starter("list", "--json").json()["directives"]) == known


@pytest.mark.rule("2.14")
@pytest.mark.timeout(300)
def test_the_branch_that_was_typed_is_the_one_whose_file_counts(site: Site) -> None:
    site.worker()
    site.daemon()
    origin = make_origin(site.folder)
    says(origin, "branch_prefix = 3\n")
    says(origin, '[start]\nagents = "planner"\nmax_turns = 7\n', "next")
    until(lambda: "one" in site.starter("daemons").out, "the daemon's first report")
    told = site.starter(
        *("start", CHECKED, "--title", "House", "--goal", "G", "--repo", str(origin), "--base-branch", "next", "--json")
    )
    assert told.code == 0, told
    assert told.json()["defaults"] == [{"source": ".makima.toml of next", "options": ["agents", "max_turns"]}]
