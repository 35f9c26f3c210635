"""A directive's way on the real parts, undisturbed: from a goal to one branch, and on to the next goal."""

from __future__ import annotations

import pytest

from demo.demo_repository import branch_head, git, missing_changes
from demo.planner import plan
from tests.acceptance.greeter import FIRST_STEPS, Greeter, Result
from tests.acceptance.stack import Site, until


@pytest.mark.rule("2.6")
@pytest.mark.rule("6.3")
@pytest.mark.rule("7.1")
def test_a_goal_becomes_one_branch_that_holds_every_steps_change(undisturbed: Result) -> None:
    undisturbed.check_each_step_once()
    shown, origin = undisturbed.shown, undisturbed.origin
    assert [step["name"] for step in shown["steps"]] == [step["name"] for step in plan()]
    assert shown["pr"]["branch"] == f"makima/directive-greeter-{shown['id'][:8]}"
    assert branch_head(origin, shown["pr"]["branch"]) == shown["pr"]["head"]
    heads = {step["name"]: step["head_sha"] for step in shown["steps"]}
    assert missing_changes(origin, shown["pr"]["branch"], heads) == []
    assert git(origin, "rev-list", "--count", "main") == "4"  # the base branch is the people's own


@pytest.mark.rule("8.1")
def test_a_new_goal_is_planned_while_the_old_ones_steps_run(site: Site, undisturbed: Result) -> None:
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    directive = greeter.start_only()
    greeter.until_running(*FIRST_STEPS)
    changed = site.starter("goal", directive, "Says hello in Spanish and French, too")
    assert (changed.code, changed.out.split(", ")[1]) == (0, "generation 2\n")
    greeter.until_running("French")  # generation 2 is planned and at work, and generation 1 still runs
    wanted = {
        "Greeter package": "running",
        "Command line": "pending",
        "Farewell": "pending",
        "Tests": "pending",
        "Changelog": "running",
        "Spanish": "pending",
        "French": "running",
    }

    def stand() -> dict[str, str]:
        return {step["name"]: step["status"] for step in greeter.shown(directive)["steps"]}

    until(lambda: stand() == wanted, f"{wanted}")  # what is recorded follows the agent's start
    greeter.let("all")
    assert site.starter("watch", directive).code == 0
    result = Result(greeter.origin, greeter.shown(directive))
    result.check_each_step_once()
    assert [step["generation"] for step in result.shown["steps"]] == [1] * 5 + [2] * 2
    assert [result.file("spanish.txt"), result.file("french.txt")] == ["Hola", "Salut"]
    assert set(undisturbed.tree.splitlines()) < set(result.tree.splitlines())
    assert greeter.starts_of_first_steps() == [1, 1]

    # An idle one wakes, and a plan without new steps is a valid answer.
    assert site.starter("goal", directive, "Says hello in both, nicely").code == 0
    until(lambda: greeter.planned_times() == 3, "the third plan")
    assert site.starter("watch", directive).out.splitlines()[-1] == "Greeter: idle"
    again = greeter.shown(directive)
    assert (again["generation"], again["pr"], again["steps"]) == (3, result.shown["pr"], result.shown["steps"])
