"""Agents that call done what isn't, each a step of one directive, through the whole system: one of each category.
All that git can be left in is in tests/integration/test_judgement.py, other damage in test_damaged_repository.py.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from demo.demo_repository import git
from domain.view import DirectiveView, QuestionView, StepView
from tests.acceptance.houses import eventually, is_idle, step_of
from tests.acceptance.stack import Site, client_at
from tests.needs import need
from workflows.directive import DirectiveWorkflow

TOKEN = "gh" + "p_" + "a1B2" * 9
STEPS = {
    "Good": "echo good > good.txt",
    "Rebase": "echo 1 > w1.txt; git add -A; git commit -qm w1; echo 2 > w2.txt; git add -A; git commit -qm w2; "
    'GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git rebase -q -i HEAD~2; true',
    "Markers": "printf '<<<<<<< HEAD\\na\\n=======\\nb\\n>>>>>>> other\\n' > g.txt; git add -A; git commit -qm merged",
    "Root": "echo x > x.txt; git add -A; git commit -q --amend -m everything",
    "Branch": "git checkout -q -b feature; echo x > y.txt; git add -A; git commit -qm y; git checkout -q --detach @~1",
    "Nested": "git init -q app; echo code > app/main.js; echo see app > NOTES.md",
    "Large": "head -c 12000000 /dev/zero > model.bin; echo x > small.txt",
    "Removed": "echo x > removed.txt; rm -rf .git",
    "Garbage": "echo x > garbage.txt; echo nonsense > .git/HEAD",
    "Nowhere": "echo x > nowhere.txt; rm -rf .git; echo gitdir: ../nowhere > .git",
    "Secret": f"echo {TOKEN} > config; git add -A; git commit -qm config",
    "Module": "git init -q ../part; git -C ../part commit -q --allow-empty -m part; git -c protocol.file.allow=always "
    "submodule --quiet add $(realpath ../part) part; git -C part commit -q --allow-empty -m ahead; git add -A; "
    "git commit -qm part",
    "Picture": "echo '*.png filter=lfs diff=lfs merge=lfs -text' > .gitattributes; echo picture > new.png; git add -A; "
    "git commit -qm picture",
    "Orphan": "git switch -q --orphan alone; echo alone > alone.txt",
    "Child": "git reset -q --hard HEAD~1; echo from-child > child.txt",
}
BROKEN = ("Removed", "Garbage", "Nowhere")
"""What they do to `.git` costs neither a file nor a second run."""
FAILED = {
    "Rebase": "unfinished: a rebase is in progress",
    "Markers": "conflict: conflict markers are left in g.txt",
    "Root": "history: the work has no commit in common with 'the base commit'",
    "Orphan": "history: HEAD was on a new branch without a commit",
    "Secret": "secret: what looks like a secret is in its commits",
    "Child": "history: 'Good' (",
    "Module": "pointer: submodule part points to",
}


def make_repository(folder: Path) -> Path:
    """One of a single commit, as `--repo`; its HEAD says which branch is meant where none is named."""
    origin = folder / "origin"
    git(folder, "init", "--quiet", "--initial-branch=trunk", str(origin))
    (origin / "f.txt").write_text("1\n2\n3\n")
    git(origin, "add", "--all")
    git(origin, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=first")
    return origin


@pytest.mark.rule("6.9")
@pytest.mark.timeout(1800)
async def test_what_is_not_done_is_not_called_so_and_the_directive_goes_on(site: Site, tmp_path: Path) -> None:
    need("git-lfs", "git-lfs")
    origin = make_repository(tmp_path)
    steps = [{"name": name, "task_plan": script} for name, script in STEPS.items()]
    steps[-1]["depends_on"] = ["Good"]  # type: ignore[assignment]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"steps": steps}))
    site.worker()
    daemon = site.daemon(further="capacity = 8")
    about = ("--title", "Truth", "--goal", "Honest work", "--repo", str(origin), "--plan", str(plan))
    options = (*about, "--agent", "shell", "--timings", "fast", "--on", "any", "--max-attempts", "1", "--json")
    started = site.starter("start", *options).json()
    directive, client = started["id"], await client_at(site.servers)
    workflow = client.get_workflow_handle_for(DirectiveWorkflow.run, started["workflow_id"])

    async def shown() -> DirectiveView:
        return await workflow.query(DirectiveWorkflow.status)

    async def asked() -> dict[str, QuestionView] | None:
        questions = (await shown()).questions
        known = {"secret" if "allow_secrets" in each.text else "left": each for each in questions}
        return known if len(known) == 2 else None

    async def idle() -> DirectiveView | None:
        now = await shown()
        return now if is_idle(now) else None

    questions = await eventually(asked, "the questions about the secret and the commits beside the work", 900)
    assert TOKEN not in questions["secret"].text
    assert "branch 'feature'" in questions["left"].text
    left = [ref for ref in git(origin, "for-each-ref", "--format=%(refname)").split() if "/left/" in ref]
    assert any("x" in git(origin, "show", f"{ref}^1:y.txt") for ref in left if _has(origin, ref))
    assert site.starter("answer", directive, str(questions["secret"].id), "give up").code == 0
    assert site.starter("answer", directive, str(questions["left"].id), "put them in").code == 0
    done = await eventually(idle, "the end", 900)

    assert done.base_branch == "trunk"
    now = {step.name: step for step in done.steps}
    assert {name for name, step in now.items() if step.status == "completed"} == {*STEPS} - {*FAILED}
    assert {step.attempt for step in now.values()} == {1}
    for name, failure in FAILED.items():
        assert now[name].failure.startswith(failure), now[name]
    assert now["Nested"].left_out == ("app/ (a repository of its own)",)
    assert "left out: app/ (a repository of its own)" in site.starter("status", directive).out
    assert done.pr
    broken = {f"{name.lower()}.txt" for name in BROKEN}
    files = {".gitattributes", "new.png", "NOTES.md", "f.txt", "good.txt", "small.txt", "y.txt", *broken}
    assert {*git(origin, "ls-tree", "--name-only", done.pr.branch).split()} == files
    assert git(origin, "show", f"{done.pr.branch}:new.png").startswith("version https://git-lfs.github.com/spec/v1")
    assert now["Large"].left_out == ("model.bin (too large)",)
    deliveries = Counter(each.name.rpartition("-")[0] for each in site.folder.glob("*/daemon/*/tasks/*-1-*"))
    begun_again = sum(deliveries.values()) - len(deliveries)
    # The two that asked; others only where the machine stood still for longer than a heartbeat's timeout.
    assert 2 <= begun_again <= 2 + daemon.err.count("no other delivery comes"), deliveries
    assert TOKEN.encode() not in _all_that_is_there(origin)

    # It does not stand still for ever: what failed can be tried again, and fails again for its own reason.
    assert site.starter("retry-step", directive, "Root").code == 0

    async def again() -> StepView | None:
        root = step_of(await shown(), "Root")
        return root if root.attempt == 2 and root.failure else None

    assert (await eventually(again, "the second attempt", 400)).failure.startswith(FAILED["Root"])


def _all_that_is_there(origin: Path) -> bytes:
    """Of every ref; what is encrypted is no text."""
    shown = ("git", "log", "--all", "--patch", "--format=%B", "--text")
    return subprocess.run(shown, cwd=origin, capture_output=True, check=True).stdout


def _has(origin: Path, ref: str) -> bool:
    return "y.txt" in git(origin, "ls-tree", "--name-only", f"{ref}^1").split()
