"""A plan as a model writes it, and a step that writes to the operator's terminal, through the whole system."""

from __future__ import annotations

import unicodedata

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


@pytest.mark.rule("3.3")
@pytest.mark.rule("6.11")
def test_a_nested_plan_runs_whole_and_what_its_steps_print_is_shown_and_not_obeyed(site: Site) -> None:
    site.worker()
    site.daemon()
    origin, file = make_origin(site.folder), site.folder / "plan.json"
    file.write_text(PLAN)
    about = ("--title", "Shop", "--goal", "A shop", "--repo", str(origin), "--plan", str(file))
    options = (*about, "--agent", "shell", "--timings", "fast")
    shown = site.starter("start", *options, "--wait", "--json").json()
    steps = [(step["name"], step["status"], step["order_index"]) for step in shown["steps"]]
    done = [("Add model", "completed", 0), ("Add API", "completed", 0), ("Add page", "completed", 1)]
    assert (shown["status"], steps) == ("idle", done)
    assert git(origin, "show", f"{shown['pr']['branch']}:c.txt") == "a"
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
