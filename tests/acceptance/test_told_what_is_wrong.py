"""What is wrong with its work goes back to the agent first, which mends it in the same attempt (rule 6.9)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.acceptance import mender
from tests.acceptance.houses import Street, forge_of, forge_settings, is_idle, statuses
from tests.acceptance.stack import Site

TWO = "for n in 1 2; do echo $n > w$n.txt; git add -A; git commit -qm w$n; done"
STEPS = {
    "Rebase": (
        f'{TWO}; GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git rebase -q -i HEAD~2; true',
        "git rebase --continue",
        "a rebase is in progress",
    ),
    "Stash": (
        "sed -i s/cellar/attic/ rooms.txt; git stash -q; sed -i s/cellar/hall/ rooms.txt; git commit -qam hall;"
        "git stash pop || true",
        "echo 'Rooms: attic, hall' > rooms.txt; git add rooms.txt; git stash drop -q",
        "git still holds these files as unmerged: rooms.txt",
    ),
    "Reset": (
        "git reset -q --hard HEAD~1; echo reset > reset.txt",
        "git merge -q --no-edit $COMMIT",
        "is not in the history of the work",
    ),
    "Branch": (
        "git switch -q -c feature; echo b > b.txt; git add -A; git commit -qm b; git switch -q --detach HEAD~1;"
        "echo c > c.txt",
        "git merge -q --no-edit feature",
        "commits of yours are not in the work: branch 'feature'",
    ),
    "Mode": ("echo 'echo run' > run.sh; git add --chmod=+x run.sh; git commit -qm run", "exit 3", ""),
    "Nested": (
        "git init -q app; echo code > app/main.js; echo 'see app/' > NOTES.md", "true", "app/ (a repository of its own)"
    ),
    "Format": ("printf 'ends in blanks  \\n' > f.txt", "exit 3", ""),
}  # fmt: skip
FORMATS = "for each in *.txt; do sed -i 's/ *$//' $each; done"


@pytest.mark.rule("6.9")
@pytest.mark.timeout(1200)
async def test_an_agent_that_hears_what_is_wrong_mends_it_and_nothing_is_lost(site: Site) -> None:
    forge = forge_of(site.servers)
    street = await Street.at(site, forge)
    steps = [
        {"name": name, "task_plan": f"#!/bin/sh\n{does}\n{mender.TOLD}{then}\n# the end"}
        for name, (does, then, _) in STEPS.items()
    ]
    next(step for step in steps if step["name"] == "Reset")["depends_on"] = ["Mode"]  # type: ignore[assignment]
    plan = site.folder / "plan.json"
    await asyncio.to_thread(plan.write_text, json.dumps({"steps": steps}))
    argv = json.dumps([sys.executable, str(Path(mender.__file__))])
    further = f'capacity = 4\n{forge_settings(forge)}[agents.mender]\nkind = "command"\nargv = {argv}\n'
    site.worker()
    site.daemon(further=further, also=("mender",))
    options = ("--plan", str(plan), "--agent", "mender", "--verify", FORMATS, "--no-shepherd")
    house = await street.house("told", *options)
    async with house.told_where_it_fails():
        shown = await house.until(is_idle, "the end", 900)
        assert statuses(shown) == dict.fromkeys(STEPS, "completed")
        assert {step.attempt for step in shown.steps} == {1}
        for name, (_, _, said) in STEPS.items():
            log = await house.says("logs", name)
            assert f"back to the agent: {said}" in log or said in log, (name, log)
            assert ("back to the agent" in log) == bool(said), (name, log)
        assert await house.files(1) == {
            *("w1.txt", "w2.txt", "rooms.txt", "reset.txt", "b.txt", "c.txt", "run.sh", "NOTES.md", "f.txt"),
        }
        pull = await house.pull(1)
        assert "a repository of its own" in pull["body"], "the reader of the pull request is told"
        await house.ann.git("fetch", "--quiet", "origin", "+refs/pull/1/head:pull")
        assert (await house.ann.git("ls-tree", "pull", "run.sh")).startswith("100755")
        assert await house.ann.git("show", "pull:f.txt") == "ends in blanks"
        assert await house.ann.git("show", "pull:rooms.txt") == "Rooms: attic, hall"
