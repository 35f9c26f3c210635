"""Whose tasks a daemon gets: its owner's, and those of its labels (rules 1, 5.4, design 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from domain.version import VERSION
from tests.acceptance.conftest import owner
from tests.acceptance.stack import Servers, Site, until

WHERE = "pwd > where\n"


@pytest.fixture
def sites(servers: Servers, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Two owners on the same servers."""
    name = owner(tmp_path)[:30]
    with (
        Site(servers, tmp_path / "mine", f"{name}-mine") as mine,
        Site(servers, tmp_path / "yours", f"{name}-yours") as yours,
    ):
        yield mine, yours


def start(site: Site, origin: Path, steps: list[dict[str, str]], *options: str) -> str:
    """A directive of these steps; its id."""
    file = site.folder / "plan.json"
    file.write_text(json.dumps({"steps": [{"task_plan": WHERE, **step} for step in steps]}))
    given = ("--title", "Where", "--goal", "G", "--repo", str(origin), "--plan", str(file), "--timings", "fast")
    return str(site.starter("start", *given, "--agent", "shell", *options, "--json").json()["id"])


def steps_of(site: Site, directive: str) -> dict[str, Any]:
    return {step["name"]: step for step in site.status(directive)["steps"]}


def daemons_of(site: Site) -> dict[str, Any]:
    return {each["name"]: each for each in site.starter("daemons", "--json").json()["daemons"]}


def worked_in(origin: Path, step: dict[str, Any]) -> str:
    """The folder in which the step was done, as the step's branch says."""
    return git(origin, "show", f"{step['branch']}:where")


@pytest.mark.rule("1")
@pytest.mark.rule("5.4")
def test_daemons_of_one_name_serve_their_own_owner_and_a_label_finds_its_machine(sites: tuple[Site, Site]) -> None:
    mine, yours = sites
    origin = make_origin(mine.folder)
    mine.worker()
    mine.daemon("one")
    yours.daemon("one", labels=["gpu"])
    until(lambda: mine.starter("daemons").code == 0, "the record's tables")
    until(lambda: daemons_of(mine) and daemons_of(yours), "both daemons' reports")
    steps = [{"name": "plain"}, {"name": "train", "label": "gpu"}]
    directives = {mine: start(mine, origin, steps, "--on", "any"), yours: start(yours, origin, steps, "--on", "any")}

    def done(site: Site, *names: str) -> dict[str, Any] | None:
        found = steps_of(site, directives[site])
        return found if names and all(found.get(name, {}).get("status") == "completed" for name in names) else None

    for site, names in ((mine, ("plain",)), (yours, ("plain", "train"))):
        found = until(partial(done, site, *names), f"{names} of {site.owner}")
        assert all(worked_in(origin, found[name]).startswith(str(site.folder)) for name in names)
    waiting = mine.status(directives[mine])["waiting"]
    queue = f"authenticated/daemons/{mine.owner}/gpu"
    assert waiting.startswith(f"waits on queue {queue}: no daemon with label 'gpu' of owner")

    # A directive that only the daemon of this name may serve means the owner's own one.
    only = start(yours, origin, [{"name": "mine"}], "--on", "one")
    alone = until(lambda: steps_of(yours, only).get("mine", {}).get("status") == "completed", "the step of --on")
    assert alone
    assert worked_in(origin, steps_of(yours, only)["mine"]).startswith(str(yours.folder))

    mine.daemon("two", labels=["gpu", "mac"])
    train = until(lambda: done(mine, "train"), "the step with the label")["train"]
    assert (train["daemon"], train["label"]) == ("two", "gpu")
    assert worked_in(origin, train).startswith(str(mine.folder / "two"))
    seen = until(lambda: found if len(found := daemons_of(mine)) == 2 else None, "the report of the second one")
    fields = ("labels", "agents", "capacity", "sandbox", "version")
    assert [seen["two"][name] for name in fields] == [
        ["gpu", "mac"], ["planner", "shell"], 4, "none", VERSION
    ]  # fmt: skip
    assert seen["two"]["reported_lately"]
    listed = mine.starter("daemons").out.splitlines()
    assert len(listed) == 2
    assert listed[1].startswith("two  4 of 4 slots free, 0 running, last contact ")
    assert "  [planner, shell]  labels gpu, mac  version" in listed[1]
    assert "sandbox none" in listed[1]
