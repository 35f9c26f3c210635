"""Plans as people and models really write them: all steps are taken, in order, or none, with what was seen."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chain_plan import read_chain_plan, read_plan_file
from domain.errors import NoPlanFound, PlanRefused
from domain.models import PlanChanges, Step
from domain.plan import PlannedStep, add_steps

pytestmark = [pytest.mark.rule("3.3"), pytest.mark.rule("3.4")]

Read = list[tuple[str, tuple[str, ...], int]]


def step(name: str, *needs: Any, **fields: Any) -> dict[str, Any]:
    return {"name": name, "task_plan": f"do {name}", **({"depends_on": list(needs)} if needs else {}), **fields}


def shape(planned: list[PlannedStep]) -> Read:
    return [(each.name, each.depends_on, each.order_index) for each in planned]


def steps_of(planned: list[PlannedStep]) -> tuple[Step, ...]:
    return add_steps(PlanChanges(), planned, generation=1, known=(), new_id=uuid4).add


def chain(*names: str) -> Read:
    return [(name, (before,) if before else (), 0) for before, name in zip(("", *names), names, strict=False)]


A, B, C = step("a"), step("b", "a"), step("c", "b")
TWO = json.dumps({"steps": [A, B]})
PHASES = [{"name": "one", "steps": [A, B]}, {"name": "two", "steps": [step("c")]}]
IN_PHASES = [("a", (), 0), ("b", ("a",), 0), ("c", (), 1)]

FILES: dict[str, tuple[str, str, Read]] = {
    "a step that needs an earlier group": (
        "p", json.dumps({"phases": [PHASES[0], {"name": "two", "steps": [step("c", "One", "b")]}]}),
        [("a", (), 0), ("b", ("a",), 0), ("c", ("b",), 1)],
    ),
    "a group called as a step": (
        "p", json.dumps({"phases": [{"name": "a", "steps": [A, step("z")]}, {"name": "two", "steps": [step("c", "a")]}]}),
        [("a", (), 0), ("z", (), 0), ("c", ("a",), 1)],
    ),
    "texts beside the list that hold no steps": (
        "p", json.dumps({"steps": [{**A, "description": json.dumps([B])}], "notes": "[see {steps}]", "form": '[{"task_plan": "…"}]'}),
        [("a", (), 0)],
    ),
    "a trailing comma": ("p.json", '{"steps": [{"name": "a", "task_plan": "x, ]",},],}', [("a", (), 0)]),
    "comments": ("p.json", '{ // first\n"steps": /* all */ [{"name": "a", "task_plan": "see https://x"}]}', [("a", (), 0)]),
    "a comma, a comment and the end": ("p", '[{"name": "a", "task_plan": "x"}, // last\n]', [("a", (), 0)]),
    "a byte order mark": ("p.json", "\ufeff" + TWO, chain("a", "b")),
    "yaml": (
        "plan.YML",
        "# all of it\nsteps:\n  - name: a\n    task_plan: |\n      echo 1 > no\n      ```\n  - {name: b, task_plan: x, depends_on: [a]}\n",
        chain("a", "b"),
    ),
    "yaml with nothing to depend on": (
        "p.yaml", "- name: a\n  task_plan: x\n  depends_on:\n- name: b\n  task_plan: x\n  depends_on: a\n", chain("a", "b"),
    ),
    "yaml whose name is a word of YAML 1.1": ("p.yaml", "- {name: on, task_plan: 'no'}", [("on", (), 0)]),
    "ids": ("p", json.dumps([step("a", id="s1"), step("b", "s1", id="s2")]), chain("a", "b")),
    "ids that are numbers": ("p", json.dumps([step("a", id=7), step("b", 7, id=1)]), chain("a", "b")),
    "numbers from 1": ("p", json.dumps([step("a"), step("b", 1), step("c", "2")]), chain("a", "b", "c")),
    "numbers from 0": ("p", json.dumps([step("a"), step("b", 0), step("c", 1)]), chain("a", "b", "c")),
    "a name that is a number": ("p", json.dumps([step("2"), step("b", "2")]), chain("2", "b")),
    "a single name": ("p", json.dumps([step("a"), {**step("b"), "dependsOn": "a"}]), chain("a", "b")),
    "prose around it": ("p.md", f"# Plan\nSee [1] {{so}}:\n{TWO}\nThat is it.", chain("a", "b")),
    "prose around a relaxed one": ("p.md", f"Plan:\n```json\n{TWO[:-2]},]}}\n```\n", chain("a", "b")),
    "inside a plan key": ("p", json.dumps({"title": "x", "requirements": ["r"], "plan": {"steps": [A, B]}}), chain("a", "b")),
    **{
        f"grouped under {key}": ("p", json.dumps({"title": "t", key: PHASES}), IN_PHASES)
        for key in ("phases", "milestones", "tasks", "stages", "epics", "steps", "anything")
    },
    "groups as a bare list": ("p", json.dumps(PHASES), IN_PHASES),
    "groups whose steps have another name": (
        "p", json.dumps({"phases": [{"title": "one", "tasks": [A, B]}, {"title": "two", "items": [step("c")]}]}), IN_PHASES,
    ),
    "groups in groups": (
        "p",
        json.dumps({"milestones": [{"name": "m", "phases": PHASES}, {"name": "n", "phases": [{"id": 1, "steps": [step("d")]}]}]}),
        [*IN_PHASES, ("d", (), 2)],
    ),
    "groups in yaml": (
        "p.yaml",
        "phases:\n- name: one\n  steps:\n  - {name: a, task_plan: x}\n- name: two\n  steps:\n  - {name: b, task_plan: x}\n",
        [("a", (), 0), ("b", (), 1)],
    ),
    "a group that names an earlier one": (
        "p", json.dumps({"phases": [PHASES[0], {**PHASES[1], "depends_on": ["One"]}]}), IN_PHASES,
    ),
    "phases that are steps": ("p", json.dumps({"phases": [A, step("c")]}), [("a", (), 0), ("c", (), 1)]),
    "three levels": (
        "p",
        json.dumps({"plan": {"milestones": [{"name": "m", "phases": PHASES}, {"name": "n", "phases": [{"name": "q", "steps": [step("d")]}]}]}}),
        [*IN_PHASES, ("d", (), 2)],
    ),
    "a plan that has an empty list beside it": ("p", json.dumps({"steps": [], "plan": {"phases": PHASES}}), IN_PHASES),
    "phases as texts": ("p", json.dumps([step("a", order_index="0"), step("b", order_index="1")]), [("a", (), 0), ("b", (), 1)]),
    "tabs": ("p", f'\t{{\t"steps":\t[{json.dumps(A)}\t,\t{json.dumps(B)}]}}', chain("a", "b")),
    "numbers beyond the own group": (
        "p", json.dumps([PHASES[0], {"name": "two", "steps": [step("c", 2)]}]), [*IN_PHASES[:2], ("c", ("b",), 1)],
    ),
    "json in a yaml file": ("p.yaml", TWO, chain("a", "b")),
    "a group without steps": ("p", json.dumps({"phases": [{"name": "none", "steps": []}, *PHASES]}), IN_PHASES),
    "phases within groups": (
        "p",
        json.dumps({"phases": [{"name": "one", "steps": [step("a", order_index=1), step("b", order_index=5)]}, PHASES[1]]}),
        [("a", (), 0), ("b", (), 1), ("c", (), 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_plan_file_is_read_whole(case: str) -> None:
    name, document, wanted = FILES[case]
    planned = read_plan_file(name, document)
    assert shape(planned) == wanted
    assert len(steps_of(planned)) == len(wanted)


REFUSED: dict[str, tuple[str, str, str]] = {
    "numbers that fit from 0 and from 1": ("p", json.dumps([A, step("b"), step("c", 1)]), "counted from 1 or from 0"),
    "a number beyond the steps": ("p", json.dumps([A, step("b", 9)]), "depends on 9, which is no step"),
    "numbers that contradict each other": ("p", json.dumps([step("a"), step("b", 0), step("c", 3)]), "is no step"),
    "true as a step": ("p", json.dumps([A, step("b", True)]), "step 2 ('b'): depends_on"),
    "an id that is a name of another": ("p", json.dumps([A, step("b", id="a")]), "the id of one step and the name"),
    "an id twice": ("p", json.dumps([step("a", id=1), step("b", id="1")]), "steps 1 and 2 have the same id"),
    "an existing step's id": ("p", json.dumps([step("a", id=str(uuid4()))]), "is the id of an existing step"),
    "a key twice": ("p", '{"steps": [{"name": "a", "task_plan": "x"}], "steps": []}', "stands twice"),
    "a key twice in a step": ("p", '[{"name": "a", "task_plan": "x", "task_plan": "y"}]', "stands twice"),
    "a key twice in yaml": ("p.yaml", "steps: [{name: a, task_plan: x}]\nsteps: []", "stands twice"),
    "a plan that is cut off": ("p", TWO[:-9], "it is cut off"),
    "groups that are cut off": ("p", json.dumps({"phases": PHASES})[:-60], "cut off"),
    "the end of a plan alone": ("p", f'a"}}]}}, {json.dumps(PHASES[1])}]}}', "stand in something that can't be read"),
    "a comma that is missing": ("p", '{"steps": [{"name": "a", "task_plan": "x"} {"name": "b", "task_plan": "x"}]}', "line 1"),
    "two plans in one file": ("p", f"{TWO}\n{json.dumps([step('z')])}", "2 plans, on the lines 1, 2"),
    "two documents of yaml": ("p.yaml", "- {name: a, task_plan: x}\n---\n- {name: b, task_plan: x}", "line"),
    "steps beside groups": ("p", json.dumps({"steps": [A], "phases": PHASES}), "more than one list of steps: steps"),
    "a step among groups": ("p", json.dumps({"phases": [*PHASES, step("z")]}), "'z' is a step beside groups"),
    "lists side by side": ("p", json.dumps({"backend": [A], "frontend": [step("z")]}), "backend (1), frontend (1)"),
    "lists side by side, one without instructions": (
        "p", json.dumps({"steps": [A], "tests": [{"name": "t"}]}), "steps (1), tests (1)",
    ),
    "a group with two lists": ("p", json.dumps([{"name": "g", "steps": [A], "tests": [step("t")]}]), "'g' has more than one"),
    "groups in another form": ("p", json.dumps({"phases": [PHASES[0], {"name": "two", "steps": {"c": C}}]}), "'two': steps: an object of 1"),
    "steps of a step": ("p", json.dumps([{**A, "steps": [step("z")]}]), "has a task plan and steps"),
    "children of a step": ("p", json.dumps([{**A, "children": [step("z")]}]), "has children"),
    "substeps of a step without a plan": (
        "p", json.dumps({"steps": [{"name": "g", "description": "d", "substeps": [A]}]}), "'g' has substeps",
    ),
    "a line among the steps": ("p", json.dumps({"steps": [A, "then test"]}), "entry 2 is no step"),
    "a group that needs a later one": (
        "p", json.dumps({"phases": [{**PHASES[0], "depends_on": ["two"]}, PHASES[1]]}), "'two' is no group before it",
    ),
    "a dependency of the whole": ("p", json.dumps({"steps": [A], "depends_on": ["other"]}), "'depends_on' beside 'steps'"),
    **{
        f"{key} of a step": ("p", json.dumps([A, {**step("b"), key: ["a"]}]), f"step 2 ('b'): {key}")
        for key in ("dependencies", "requires", "after", "blocked_by", "dependson", "Depends_On", "needs", "children_of")
    },
    "both spellings": ("p", json.dumps([A, {**step("b", "a"), "dependsOn": []}]), "step 2 ('b'): dependsOn"),
    **{
        f"{key} of a group": ("p", json.dumps([PHASES[0], {**PHASES[1], key: ["three"]}]), "'three' is no group before")
        for key in ("depends_on", "dependencies", "requires", "after", "blockedBy", "needs", "prerequisites")
    },
    # What stands beside or inside of what was read, and was left out.
    "one step beside the list": ("p", json.dumps({"steps": [A], "final": step("z")}), "'z' is a step outside of the list"),
    "one step without instructions beside the list": (
        "p", json.dumps({"steps": [A], "last_step": {"name": "z", "description": "d"}}), "'z' is a step outside of the list",
    ),
    "a group with one step beside its list": (
        "p", json.dumps([{**PHASES[0], "then": step("z")}, PHASES[1]]), "'z' is a step outside of the list",
    ),
    "a group with a nested list beside its list": (
        "p", json.dumps([{**PHASES[0], "more": {"steps": [step("z")]}}, PHASES[1]]), "'z' is a step outside of the list",
    ),
    "an empty group with a nested list": (
        "p", json.dumps([{"name": "e", "steps": [], "more": {"steps": [step("z")]}}, PHASES[1]]), "'z' is a step outside",
    ),
    "groups by name, one of whose steps are named too": (
        "p", json.dumps({"phases": {"one": PHASES[0], "two": {"steps": {"z": {"task_plan": "x"}}}}}), "'z' is a step outside",
    ),
    "steps as texts beside the list": ("p", json.dumps({"steps": [A], "next_steps": ["deploy"]}), "next_steps holds 1 texts"),
    "a step that needs its own group": (
        "p", json.dumps({"phases": [PHASES[0], {"name": "two", "steps": [step("c", "two")]}]}), "two",
    ),
    "a step that needs a later group": (
        "p", json.dumps({"phases": [{"name": "one", "steps": [step("c", "two")]}, {"name": "two", "steps": [A]}]}), "two",
    ),
    "groups by name": ("p", json.dumps({"phases": {"one": [A], "two": [step("z")]}}), "one (1), two (1)"),
    "groups of named groups": ("p", json.dumps({"phases": {"one": PHASES[0], "two": PHASES[1]}}), "more than one list"),
    "steps by name": (
        "p", json.dumps({"steps": {"a": {"task_plan": "x"}, "b": {"task_plan": "y"}}}), "'steps' (an object of 2)",
    ),
    "steps by name in yaml": ("p.yaml", "steps:\n  a: {task_plan: x}\n  b: {task_plan: y}\n", "'steps' (an object of 2)"),
    "batches": ("p", json.dumps({"batches": [[A, B], [C]]}), "'batches' (a list of 2 lists)"),
    "lists of lists": ("p", json.dumps([[A, B], [C]]), "this is a list of 2 lists"),
    "a group of lists": ("p", json.dumps([{"name": "g", "steps": [[A], [B]]}, PHASES[1]]), "'g': steps: a list of 2 lists"),
    "a group of texts": ("p", json.dumps([{"name": "g", "steps": ["do a"]}, PHASES[1]]), "'g': steps: a list of 1 texts"),
    "steps in wrappings": ("p", json.dumps({"steps": [{"step": A}, {"step": step("z")}]}), "step 1 (''): name"),
    "json lines": ("p.jsonl", "\n".join(map(json.dumps, (A, B, C))), "3 steps outside of a list, on the lines 1, 2, 3"),
    "a step after the plan": ("p", f"{TWO}\n{json.dumps(step('z'))}", "1 steps outside of a list, on the lines 2"),
    "one name in two groups": (
        "p", json.dumps([{"name": "g", "steps": [A, step("test")]}, {"name": "h", "steps": [step("test")]}]),
        "two steps of one plan are named 'test'",
    ),
    **{
        f"groups in another order by their {key}": (
            "p", json.dumps([{key: 2, "steps": [step("z")]}, {key: "1", "steps": [A]}]), f"in the order 2, 1 by their {key}",
        )
        for key in ("order", "order_index", "id", "phase", "number")
    },
    **{
        f"{what} in a text beside the list": ("p", json.dumps({"steps": [A], "more": text}), "more is a text that holds steps")
        for what, text in {
            "a plan": json.dumps({"steps": [step("z")]}),
            "a list of steps": f" {json.dumps([step('z')])}\n",
            "a step": json.dumps(step("z")),
            "a fenced plan": f"```json\n{json.dumps([step('z')])}\n```\n",
            "a plan with comments": f"[{json.dumps(step('z'))}, // last\n]",
        }.items()
    },
    "a plan in a text of a group": (
        "p", json.dumps([{**PHASES[0], "notes": json.dumps([step("z")])}, PHASES[1]]), "notes is a text that holds steps",
    ),
    "a label of a group": ("p", json.dumps([{**PHASES[0], "label": "gpu"}, PHASES[1]]), "'one': label: it belongs to each"),
    "numbers that may count a group's steps": (
        "p", json.dumps([PHASES[0], {"name": "two", "steps": [step("c"), step("d", 1)]}]),
        "in two: step 'd' depends on 1, which may count the steps of its group or all",
    ),
    "json5": ("p.json5", "{steps: [{name: 'a', task_plan: 'x'}]}", "as JSON, line 1, column 2"),
    "json5 in part": ("p", f"{{\"steps\": [{json.dumps(A)}, {{name: 'b', task_plan: 'x'}}]}}", "line 1"),
    "typographic quotes": ("p", "{“steps”: [{“name”: “a”, “task_plan”: “x”}]}", "as JSON, line 1, column 2"),
    "a line's end in a string": ("p", '[{"name": "a", "task_plan": "x"}, {"name": "b", "task_plan": "x\ny"}]', "control character"),
    "tabs in yaml": ("p.yaml", "steps:\n\t- {name: a, task_plan: x}\n", "line 2"),
    "yaml's merge of mappings": ("p.yaml", "d: &d {task_plan: x}\nsteps:\n- {name: a, <<: *d}\n", "line 3: anchors"),
    "yaml behind front matter": ("p.yaml", "---\ntitle: t\n---\nsteps: [{name: a, task_plan: x}]\n", "line 3"),
    "anchors": ("p.yaml", "- &a {name: a, task_plan: x}\n- *a\n", "line 2: anchors and aliases are not read"),
    "a yaml tag": ("p.yaml", "- !!python/object/apply:os.system ['true']", "line 1"),
    "a yaml number as a name": ("p.yaml", "- {name: 12, task_plan: x}", "step 1"),
    "yaml that is none": ("p.yaml", "steps: [a", "line"),
    "a thousand levels": ("p.json", '{"steps": ' * 1000 + "1" + "}" * 1000, ""),
    "a thousand levels of yaml": ("p.yaml", "steps: " + "[" * 1000 + "]" * 1000, "levels"),
    "a number of 5,000 digits": ("p", f'[{{"name": "a", "task_plan": "x", "order_index": {"9" * 5000}}}]', "5000 digits"),
    "no number": ("p", '[{"name": "a", "task_plan": "x", "order_index": NaN}]', "NaN is no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_read_in_one_way_alone_is_refused_with_what_was_seen(case: str) -> None:
    name, document, said = REFUSED[case]
    with pytest.raises(PlanRefused) as refused:
        steps_of(read_plan_file(name, document))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


MESSAGES: dict[str, tuple[str, Read | str]] = {
    "an example and then the real one": (f'Such as {{"steps": [{json.dumps(step("x"))}]}}. So:\n```json\n{TWO}\n```', chain("a", "b")),
    "an example and then the real one, cut off": (f"Such as {json.dumps([step('x')])}. So:\n```json\n{TWO[:-12]}", "cut off"),
    "an example and then a broken one": (f"Such as {json.dumps([step('x')])}. So: {TWO.replace(',', '', 1)}", "line 1"),
    "a broken draft and then the real one": (f"{TWO[:-12]}\nno, so:\n\n{TWO}\n", chain("a", "b")),
    "a fence in yaml": (
        "So:\n```yaml\nsteps:\n- name: a\n  task_plan: |\n   ```\n   x\n   ```\n- name: b\n  task_plan: x\n  depends_on: a\n```\n",
        chain("a", "b"),
    ),
    "a yaml fence": ("So:\n```yaml\nsteps:\n- name: a\n  task_plan: x\n- name: b\n  task_plan: x\n  depends_on: [a]\n```\nDone.", chain("a", "b")),
    "a yaml fence that isn't closed": ("So:\n```yaml\nsteps:\n- name: a\n  task_plan: x\n", "cut off"),
    "a yaml fence that is none": ("So:\n```yml\nsteps:\n- name: a\n task_plan: x\n```\n", "line 2"),
    "a forge's workflow after the plan": (
        f"{TWO}\nIt runs in CI:\n```yaml\njobs:\n  build:\n    steps:\n    - {{name: x, run: y}}\n```\n", chain("a", "b"),
    ),
    "yaml without a fence": ("steps:\n- name: a\n  task_plan: x\n", "no plan found"),
    "a plan in parts": (
        f"Phase 1:\n```json\n{TWO}\n```\nPhase 2:\n```json\n{json.dumps([step('c')])}\n```", "2 plans, on the lines 3, 7",
    ),
    "plans with nothing between them": (f"{TWO}\n{json.dumps([step('c')])}", "2 plans, on the lines 1, 2"),
    "lists, one after the other": (f"First\n{TWO}\nThen\n{json.dumps([step('c')])}", "2 plans, on the lines 2, 4"),
    **{
        f"parts {how}": (f"{one}\n```json\n{json.dumps([A])}\n```\n{two}\n```json\n{json.dumps([step('c')])}\n```\n", "2 plans, on the lines")
        for how, one, two in (
            ("under headings", "## Backend", "## Frontend"),
            ("in sentences", "The plan:", "Plus these tests:"),
            ("without a word of the first", "", "And the frontend:"),
        )
    },
    "parts in json and yaml": (
        f"```json\n{json.dumps([A])}\n```\nThe rest:\n```yaml\nsteps:\n- name: b\n  task_plan: x\n```\n", "2 plans, on the lines 2, 5",
    ),
    "a part and the rest that needs it": (f"The core:\n{json.dumps([A])}\nThe tests:\n{json.dumps([step('t', 'a')])}", "2 plans, on the lines 2, 4"),
    "three parts, of which only the first is replaced": (
        f"Core:\n{json.dumps([A])}\ncorrected:\n{json.dumps([step('b')])}\nTests:\n{json.dumps([step('t')])}", "3 plans, on the lines 2, 4, 6",
    ),
    "a corrected plan with other steps": (f"{json.dumps([A])}\nThat is wrong. Corrected:\n{json.dumps([step('z')])}", chain("z")),
    "a better plan with all steps and more": (f"First idea:\n{json.dumps([A])}\nWith tests:\n{TWO}", chain("a", "b")),
    "a step in a fence of its own each": (
        f"One:\n```json\n{json.dumps(A)}\n```\nTwo:\n```json\n{json.dumps(B)}\n```", "2 steps outside of a list, on the lines 3, 7",
    ),
    "numbered steps": (f"1. {json.dumps(A)}\n2. {json.dumps(B)}\n", "2 steps outside of a list, on the lines 1, 2"),
    "a step behind the plan": (f"{TWO}\nand also {json.dumps(step('z'))}", "1 steps outside of a list, on the lines 2"),
    "a step's form behind the plan": (f'{TWO}\nEach is {{"name": "…", "task_plan": "…"}}.', chain("a", "b")),
    "a template": ('Hand over {"steps": [{"name": …, "task_plan": …}]} or [{"name": "…", "task_plan": "…"}, ...].', "no plan found"),
    "groups in prose that end in a comma": (f"So: {json.dumps({'phases': PHASES})[:-2]},]}}.", IN_PHASES),
    **{
        f"a list that begins with {first}": (f"So: [{first}, {json.dumps(A)}, {json.dumps([B, C])}].", "entry 1 is no step")
        for first in ("true", "null", "12", "-1.5e3")
    },
    "references in prose": (f"As [1], [2, 3] and [12:30, 5] say:\n{TWO}", chain("a", "b")),
    "an address before it": (f"See https://x.invalid/a: {TWO}", chain("a", "b")),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_of_a_message_the_last_plan_counts_and_never_a_part_of_it(case: str) -> None:
    message, wanted = MESSAGES[case]
    if isinstance(wanted, str):
        with pytest.raises(PlanRefused) as refused:
            read_chain_plan(message)
        assert wanted in str(refused.value)
    else:
        assert shape(read_chain_plan(message)) == wanted


def test_a_group_s_own_text_reaches_its_steps() -> None:
    first = {"name": "one", "description": "All of it in Rust.", "steps": [{**A, "description": "A."}]}
    for phases in ([first], [first, PHASES[1]]):
        read = read_plan_file("p", json.dumps({"phases": phases}))
        assert [each.description for each in read] == ["All of it in Rust.\n\nA.", ""][: len(read)]


def test_another_letter_case_is_read_where_one_name_fits() -> None:
    first, second = steps_of(read_plan_file("p", json.dumps([step("Add Model"), step("b", "add model")])))
    assert second.depends_on == (first.id,)
    with pytest.raises(PlanRefused, match="may mean more than one step"):
        steps_of(read_plan_file("p", json.dumps([step("Model"), step("MODEL"), step("b", "model")])))


TREES = st.recursive(st.just(None), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=12)


@given(TREES, st.sampled_from(["phases", "steps", "milestones", "x"]))
def test_every_step_of_any_nesting_is_taken_once_in_order_or_the_plan_is_refused(tree: Any, key: str) -> None:
    names: list[str] = []

    def built(each: Any) -> dict[str, Any]:
        names.append(f"n{len(names)}")
        own = names[-1]
        return step(own) if each is None else {"name": own, key: [built(inner) for inner in each]}

    document = {"plan": [built(each) for each in (tree or [None])]}
    written = [name for name in names if f'"do {name}"' in json.dumps(document)]
    try:
        planned = read_plan_file("p", json.dumps(document))
    except NoPlanFound:
        raise AssertionError(document) from None
    except PlanRefused as refused:
        assert "beside groups" in str(refused)
        return
    assert [each.name for each in planned] == written
    assert [each.order_index for each in planned] == sorted(each.order_index for each in planned)


ONE, OTHER = (json.dumps(step(name)) for name in ("n0", "n1"))


@pytest.mark.parametrize(
    "document",
    [
        f"{ONE}, [{OTHER}]]",
        f"{ONE}, 7, [{OTHER}]]",
        f'"do n0"}}, 7, [{OTHER}], "a"]',
        f": [{OTHER}]}}",
        f" [{OTHER}], [[]], null]",
        f"[true, [{ONE}], {OTHER[:28]}",
        f"[7, null, [{ONE}], {OTHER[:28]}",
    ],
)
def test_of_a_plan_whose_beginning_or_end_was_cut_off_nothing_is_taken(document: str) -> None:
    with pytest.raises(PlanRefused):
        read_chain_plan(document)


KEYS = st.sampled_from(["steps", "phases", "tasks", "plan", "backend", "tests", "subtasks", "then", "notes", "a", "1"])
LEAVES: st.SearchStrategy[Any] = st.sampled_from([None, None, None, True, 7, "a text", [], {}])
MIXED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(MIXED, st.sampled_from(["{}", "So:\n```json\n{}\n```\nDone.", "[1] says {}, 3"]), st.data())
def test_of_no_document_a_part_of_the_steps_is_taken(tree: Any, around: str, data: st.DataObject) -> None:
    """Whatever lies in what; and none of it where the rest was cut off."""
    count = iter(range(100))

    def built(each: Any) -> Any:
        if isinstance(each, dict):
            return {key: built(inner) for key, inner in each.items()}
        if isinstance(each, list):
            return [built(inner) for inner in each]
        return step(f"n{next(count)}") if each is None else each

    text = json.dumps(built(tree))
    written = re.findall(r"do n\d+", text)
    cut = data.draw(st.integers(1, len(text)))
    for document in (around.format(text), text[:-cut], text[cut:]):
        try:
            planned = read_chain_plan(document)
        except PlanRefused:
            continue
        assert [each.task_plan for each in planned if each.task_plan] == written, document


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": [' * 50_000,
        '"steps": ' + '[{"a": 1, "b": [1, "' * 30_000,
        '{"task_plan": "' + '\\"' * 300_000,
        ('[1, "steps": /*' * 30_000) + "//",
        ("```yaml\ntask_plan: x\n" * 20_000),
        '{"steps": [{"a": 1, "a": 1}, ' * 20_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    with pytest.raises(PlanRefused):
        read_chain_plan(text)
    assert time.process_time() - began < 10


HUGE: dict[str, str] = {
    "steps by name": json.dumps([step(f"a{n}", *([f"a{n - 1}"] if n else [])) for n in range(15_000)]),
    "steps by number": json.dumps([step(f"a{n}", *([n] if n else [])) for n in range(15_000)]),
    "groups": json.dumps({"phases": [{"name": f"p{n}", "steps": [step(f"a{n}")]} for n in range(12_000)]}),
    "yaml": "```yaml\nsteps: 1 task_plan\n```\n" * 30_000,
    "plans": f"{json.dumps({'steps': [A]})},\n" * 15_000,
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_file_of_a_megabyte_keeps_its_daemon_for_a_moment_only(kind: str) -> None:
    began = time.process_time()
    with pytest.raises(PlanRefused):
        read_plan_file("plan.json", HUGE[kind])
    assert time.process_time() - began < 3


def test_dependencies_in_another_letter_case_are_found_without_comparing_each_with_all() -> None:
    names = [f"Step {n}" for n in range(200)]
    lower = [f"{' ' * (n % 7)}step {n % 199}" for n in range(100_000)]
    planned = [PlannedStep(name=name, task_plan="x") for name in names]
    planned[199] = planned[199].model_copy(update={"depends_on": tuple(lower)})
    began = time.process_time()
    assert len(steps_of(planned)[199].depends_on) == 199
    assert time.process_time() - began < 1
