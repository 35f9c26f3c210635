"""The demo's directive as these tests run it: on an origin of its own, in steps that can be held, checked with git."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from demo.demo_repository import git, make_origin
from demo.planner import plan
from tests.acceptance.planner import gate, gated, starts
from tests.acceptance.stack import Ran, Running, Site, until
from tests.processes import has_ended

FIRST_STEPS = ("Greeter package", "Changelog")
"""Those without dependencies: they run side by side."""


class Greeter:
    """One directive on one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._folder = site.folder
        for each in (starts(self._folder, ""), gate(self._folder, "")):
            each.mkdir(parents=True)
        self.origin = make_origin(site.folder)

    def start(self, *, planned: bool = True) -> Running:
        """`starter.py start --wait --json` in the background; the plan from the planner, or else from a file."""
        return self._site.starting("start", "start", *self.options(planned=planned), "--wait", "--json")

    def start_only(self) -> str:
        """`starter.py start`; the directive's id."""
        return str(self._site.starter("start", *self.options(), "--json").json()["id"])

    def options(self, *, planned: bool = True) -> Sequence[str]:
        about = ("--title", "Greeter", "--goal", "Says hello", "--repo", str(self.origin))
        # The daemons of a test are on one machine: any of them may go on.
        asked = (*about, "--timings", "fast", "--on", "any")
        by = ("--planner", "planner") if planned else ("--plan", str(self._plan_file()))
        return (*asked, *by, "--agent", "shell")

    def _plan_file(self) -> Path:
        file = self._folder / "plan.json"
        file.write_text(json.dumps({"steps": gated(self._folder, plan())}))
        return file

    def let(self, *names: str) -> None:
        """Let these steps go on; "all" means every step."""
        for name in names:
            gate(self._folder, name).touch()

    def started(self, name: str) -> list[int]:
        """The pids of all starts of a step's agent so far."""
        file = starts(self._folder, name)
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def starts_of_first_steps(self) -> list[int]:
        return [len(self.started(name)) for name in FIRST_STEPS]

    def planned_times(self) -> int:
        return len(starts(self._folder, "planner").read_text().splitlines())

    def until_running(self, *names: str, times: int = 1) -> None:
        """Wait until the agents of these steps have started that often, and are held."""
        for name in names:
            until(partial(self._has_started, name, times), f"start {times} of {name!r}")

    def _has_started(self, name: str, times: int) -> bool:
        return len(self.started(name)) >= times

    def until_agents_end(self) -> None:
        """Wait until no agent that was started so far lives any more."""
        pids = [pid for name in FIRST_STEPS for pid in self.started(name)]
        until(lambda: all(has_ended(pid) for pid in pids), "the agents' end")

    def shown(self, directive: str) -> dict[str, Any]:
        """`starter.py status --json`."""
        return self._site.status(directive)

    def result(self, ran: Ran) -> Result:
        """What a directive that came to its end has left."""
        assert ran.code == 0, ran
        shown = ran.json()
        assert shown["status"] == "idle", shown
        return Result(self.origin, shown)


class Result:
    """What is shown at the end, and what git says of it."""

    def __init__(self, origin: Path, shown: dict[str, Any]) -> None:
        self.shown = shown
        self.origin = origin
        self._branch = f"refs/heads/{shown['pr']['branch']}"

    @property
    def tree(self) -> str:
        """Every file of the result with its content's hash."""
        return git(self.origin, "ls-tree", "-r", self._branch)

    def file(self, path: str) -> str:
        return git(self.origin, "show", f"{self._branch}:{path}")

    def check_each_step_once(self) -> None:
        """Every step has one commit on the branch, one line of its own, one outcome; all is where status says it is."""
        steps = {step["id"]: step for step in self.shown["steps"]}
        assert self._git("rev-parse", self._branch) == self.shown["pr"]["head"]
        log = self._git("log", "--format=%(trailers:key=Makima-Step,valueonly,separator=)", f"main..{self._branch}")
        assert sorted(filter(None, log.splitlines())) == sorted(steps)
        for step in steps.values():
            assert step["status"] == "completed", step
            assert self._git("rev-parse", f"refs/heads/{step['branch']}") == step["head_sha"]
            assert self.file(f"done/{step['name']}") == step["name"]
        outcomes = self._git("for-each-ref", "--format=%(refname)", "refs/makima/outcomes").splitlines()
        assert all(ref.endswith("/1") for ref in outcomes), outcomes  # no attempt but the first was used

    def _git(self, *args: str) -> str:
        return git(self.origin, *args)
