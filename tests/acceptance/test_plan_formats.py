"""A plan as a model writes it, and a step that writes to the operator's terminal, through the whole system."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.stack import Site

CLIPBOARD = "\x1b]52;c;aGVsbG8=\x07"
PLAN = r"""// as it came
{"phases": [
  {"name": "Phase 1: backend", "steps": [
    {"id": 1, "name": "Add model",
     "task_plan": "printf '\\033]0;t\\007\\033]52;c;aGVsbG8=\\007\\033[2J\\rover\\n'; echo a > a.txt"},
    {"id": 2, "name": "Add API", "task_plan": "cat a.txt > b.txt", "depends_on": [1]},
  ]},
  {"name": "Phase 2: frontend", "steps": [
    {"id": 3, "name": "Add page", "task_plan": "cat b.txt > c.txt", "depends_on": ["add api"]}
  ]},
]}
"""
YAML = """\
milestones:
- name: core  # comes first
  steps:
  - {id: m, name: Model, task_plan: echo a > a.txt}
  - name: API
    depends_on: [m]
    task_plan: |
      cat a.txt > b.txt
- name: page
  steps: [{name: Page, task_plan: cat b.txt > c.txt, depends_on: api}]
"""


@pytest.mark.rule("3.3")
@pytest.mark.rule("6.11")
def test_a_nested_plan_runs_whole_and_what_its_steps_print_is_shown_and_not_obeyed(site: Site) -> None:
    site.worker()
    site.daemon()
    origin = make_origin(site.folder)

    def done(name: str, document: str) -> tuple[dict[str, Any], list[tuple[str, str, int]]]:
        (site.folder / name).write_text(document)
        about = ("--title", "Shop", "--goal", "A shop", "--repo", str(origin), "--plan", str(site.folder / name))
        shown = site.starter("start", *about, "--agent", "shell", "--timings", "fast", "--wait", "--json").json()
        assert shown["status"] == "idle", shown
        assert git(origin, "show", f"{shown['pr']['branch']}:c.txt") == "a"
        return shown, [(step["name"], step["status"], step["order_index"]) for step in shown["steps"]]

    _, steps = done("plan.yaml", YAML)
    assert steps == [("Model", "completed", 0), ("API", "completed", 0), ("Page", "completed", 1)]
    shown, steps = done("plan.json", PLAN)
    assert steps == [("Add model", "completed", 0), ("Add API", "completed", 0), ("Add page", "completed", 1)]
    directive = shown["id"]
    for command in (
        ("logs", directive, "Add model"),
        ("status", directive),
        ("history", directive),
        ("watch", directive),
    ):
        printed = site.starter(*command)
        assert not {each for each in printed.out + printed.err if unicodedata.category(each) == "Cc"} - {"\n"}, command
    told = site.starter("logs", directive, "Add model").out
    assert r"\u001b]52;c;aGVsbG8=\u0007\u001b[2J\u000dover" in told
    assert CLIPBOARD in site.starter("logs", directive, "Add model", "--raw").out
    assert CLIPBOARD in site.starter("logs", directive, "Add model", "--json").json()["tasks"][0]["log"]
