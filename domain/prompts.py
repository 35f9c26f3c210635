"""What agents are told (SPEC 2.2, 5.8): pure functions from the state to text, called in the workflow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.models import Failure, Memory, State, Step, Task

PROMPT_LIMIT = 192 * 1024

_PLANNER_RULES = """\
## How to hand over the plan
Explore the repository in your working directory first. Then add steps with the `makima` command, which is on your PATH:

    makima directive add-step "Name" --description "…" --task-plan "…" --depends-on id,id --order-index 0
    makima directive batch-add-steps --json '[{"name": …, "description": …, "taskPlan": …, "dependsOn": [names or ids], "orderIndex": 0, "label": …}, …]'
    makima directive set-deps STEP OTHER…               what a step depends on, as long as it has not started
    makima directive remove-step STEP
    makima directive status
    makima directive done --nothing-to-do "reason"      when nothing has to be done
    makima directive fail "reason"                      when no plan can be made

A refused command says why and changes nothing: correct it and call it again.

Instead of adding steps you may hand over a plan document, {"steps": [{"name": …, "description": …, "task_plan": …, "depends_on": [names]}]}:
as a file (`makima directive artifact-put chain-plan.json < FILE`), or in a ```json block of your last message.

## Rules for steps
- A step is done by an agent that sees only its own instructions and the repository: write into the task plan everything it needs.
- A step starts when all steps in `dependsOn` are done, on top of their work; steps without dependencies between them run side by side.
- `orderIndex` is a phase: a step waits for every step of a lower phase. Prefer `dependsOn`.
- Names are unique within the plan. 1 to 200 steps.
- `label` is for a step that only some machines can do, such as those with a GPU. Use only labels that are named above: a
  step waits until a machine with its label is there. Leave it out otherwise.
- Change nothing in the repository yourself: only the plan counts.
"""

_STEP_RULES = """\
## How to finish
Work in your working directory, a git worktree of your own; leave the result there, committed or not: it is committed and
pushed for you. Don't push. Other commands:

    makima directive done --nothing-to-do "reason"      when nothing had to be changed
    makima directive fail "reason"                      when it can't be done
"""

_MERGE_RULES = """\
## What to do
Finish what has stopped in your working directory, so that every step's change is kept and works together with the others.
Read the commits named above (`git show`) before you decide; never drop one side to be done. Leave no conflict marker. Leave
the result as it is or commit it; don't abort the merge, don't start others, don't rebase, don't push: that is done for you.

    makima directive fail "reason"                      when it can't be done
"""

_TALKING = """\
## Questions and files
    makima directive ask "question" --choices yes,no --context "…" --timeout 4h --default yes
    makima directive artifact-put NAME < FILE           hands over a file, such as a report

Ask only what you can't find out and must not decide. `ask` prints the answer; where it exits with code 75 there is none
yet: end your work at once, it will be resumed, and the same question then prints the answer.
"""

_MEMORY = """\
## Memory of this directive
Kept for all agents that work on it, now and later:

    makima directive memory-set KEY "value" --category "…"
    makima directive memory-get KEY
    makima directive memory-list
    makima directive memory-delete KEY
"""
PLAN_SHOWN = 2000
"""Characters of each merged step's task plan that a completion's prompt shows."""
MEMORY_SHOWN = 500
"""Characters of an entry that a prompt shows; `memory-get` prints all of it."""


def planning_prompt(state: State, task: Task) -> str:
    """The planner's: the goal, on a re-plan every existing step, and the rules."""
    directive = state.directive
    text = directive.text
    parts = [
        f"# {task.name}",
        f"## Goal\n{text.goal}",
        _listed("Requirements", text.requirements),
        _listed("Acceptance criteria", text.acceptance),
        _listed("Constraints", text.constraints),
        f"## Repository\n{directive.repository}, branch {directive.base_branch}",
        _earlier_report(task.earlier),
        f"## From the operator\n{state.note}" if state.note else "",
    ]
    existing = state.ordered_steps()
    if existing:
        parts.append(
            "## Steps so far\nThe goal has changed; keep these as they are, or remove those not finished, or add more.\n"
        )
    return _fitted([*parts, *_step_lines(existing), *_remembered(state), _PLANNER_RULES, _TALKING])


def step_prompt(state: State, step: Step, task: Task) -> str:
    """An agent's for one step: directive title, name, description, task plan, an earlier report, how to finish."""
    return _fitted(
        [
            f"# {state.directive.text.title}: {step.name}",
            step.description,
            f"## Your task\n{step.task_plan}",
            *_remembered(state),
            _earlier_report(task.earlier),
            _STEP_RULES,
            _TALKING,
        ]
    )


def completion_prompt(state: State, steps: Iterable[Step]) -> str:
    """An agent's for what git alone can't do while finished steps are merged: a conflict, or a check that fails."""
    return _fitted(
        [
            f"# {state.directive.text.title}: merge the finished steps",
            f"## The goal behind it\n{state.directive.text.goal}",
            "## The steps that are being merged",
            *(_merged_step(step) for step in steps),
            _MERGE_RULES,
            _TALKING,
        ]
    )


def merge_note(
    name: str, commit: str, files: Iterable[str], *, ours: Sequence[str], theirs: Sequence[str], verify: Sequence[str]
) -> str:
    """What a completion's prompt begins with at a conflict (SPEC 7.1): where, between what, and how it is checked."""
    return "\n".join(
        [
            f"## Merge conflict\nMerging {name!r} ({commit}) has stopped in your working directory. In conflict are:",
            *(f"- {file}" for file in files),
            *_side("What changed these files in what is merged so far", ours),
            *_side(f"What changed them in {name!r}", theirs),
            *_side("Your result is checked with these commands, in this order", verify),
            "",
        ]
    )


def conflict_note(files: Iterable[str], unmerged: Iterable[str]) -> str:
    """What a prompt adds when merging the dependencies' work ended in a conflict (SPEC 6.4)."""
    later = "".join(f"\nThen run: git merge {commit}" for commit in unmerged)
    return f"## Merge conflict\nResolve the conflicts in these files first: {', '.join(files)}{later}\n"


def verify_note(how: str, output: str) -> str:
    """What a prompt begins with when the agent's work did not pass a verify command (SPEC 6.5)."""
    return (
        "## A check of your work fails\nYour work so far is committed in your working directory. Then this was run "
        f"there: {how}. Its output ends so:\n\n{output}\n\nFind out why and correct your work; leave the check itself "
        "as it is.\n"
    )


def _merged_step(step: Step) -> str:
    head = f", commit {step.work.head}" if step.work else ""
    return "\n".join(filter(None, (f"### {step.name}{head}", step.description, step.task_plan[:PLAN_SHOWN])))


def _side(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"- {line}" for line in lines)] if lines else []


def _listed(title: str, lines: tuple[str, ...]) -> str:
    return f"## {title}\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _earlier_report(failure: Failure | None) -> str:
    return f"## An earlier attempt failed ({failure.category})\n{failure.report}" if failure else ""


def _remembered(state: State) -> list[str]:
    """What there is in memory and how to use it; nothing where it isn't enabled."""
    if not state.directive.settings.memory:
        return []
    return [_MEMORY, *(_memory_line(entry) for entry in state.memories.values())]


def _memory_line(entry: Memory) -> str:
    category = f" ({entry.category})" if entry.category else ""
    more = " …" if len(entry.value) > MEMORY_SHOWN else ""
    return f"- {entry.key}{category}: {entry.value[:MEMORY_SHOWN]}{more}"


def _step_lines(steps: list[Step]) -> list[str]:
    return [
        f"- {step.id} {step.name} [{step.status}]"
        + (f" branch {step.work.branch}" if step.work else "")
        + (f" failed: {step.failure.report[:500]}" if step.failure else "")
        for step in steps
    ]


def _fitted(parts: list[str]) -> str:
    """The parts as one text within 192 KiB (SPEC 1): its middle is lost first, the goal and the rules never."""
    prompt = "\n\n".join(part for part in parts if part)
    encoded = prompt.encode()
    if len(encoded) <= PROMPT_LIMIT:
        return prompt
    half = PROMPT_LIMIT // 2 - 64
    return f"{encoded[:half].decode(errors='ignore')}\n… cut …\n{encoded[-half:].decode(errors='ignore')}"
