"""A directive on a remote with a rule for the names of branches, through the whole system (issue 13, 9)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from demo.demo_repository import make_origin
from tests.acceptance.stack import Site, until
from tests.integration.test_branch_prefix import RULE

PLAN: dict[str, Any] = {
    "steps": [{"name": name, "task_plan": f"touch {name}", "depends_on": []} for name in ("one", "two")]
}


def branches(origin: Path) -> set[str]:
    argv = ["git", "for-each-ref", "--format=%(refname:short)", "refs/heads"]
    return set(subprocess.run(argv, cwd=origin, capture_output=True, text=True, check=True).stdout.split()) - {"main"}


def test_a_refused_prefix_pauses_before_any_step_and_another_one_names_every_branch(site: Site, tmp_path: Path) -> None:
    site.worker()
    site.daemon(further="local_hooks = true")
    origin = make_origin(tmp_path)
    (origin / "hooks" / "update").write_text(RULE)
    (origin / "hooks" / "update").chmod(0o755)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    asked = ("--title", "Named", "--goal", "g", "--repo", str(origin), "--plan", str(tmp_path / "plan.json"))
    options = (*asked, "--agent", "shell", "--timings", "fast", "--wait", "--json", "--on", "one")

    refused = site.starter("start", *options)
    shown = json.loads(refused.out)
    assert shown["status"] == "paused"
    assert "branches begin with feature/" in shown["reason"] and "--branch-prefix" in shown["reason"]
    assert branches(origin) == set()

    assert site.starter("edit", shown["id"], "--branch-prefix", "refs/heads/x").code == 2
    edited = site.starter("edit", shown["id"], "--branch-prefix", "feature/")
    assert edited.code == 0, edited.err
    assert site.starter("resume", shown["id"]).code == 0

    def idle() -> dict[str, Any] | None:
        now = site.status(shown["id"])
        return now if now["status"] == "idle" else None

    shown = until(idle, "the advice to help")
    made = until(lambda: branches(origin), "the branches")
    assert len(made) == 3 and all(branch.startswith("feature/") for branch in made)
    assert {step["branch"] for step in shown["steps"]} < made
    assert shown["pr"]["branch"] in made
    assert site.starter("start", *options, "--branch-prefix", "refs/heads/x").code == 2
