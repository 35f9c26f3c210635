"""What an agent hands over besides commits: a plan in any form, artifacts, memories (rules 1, 3.1, 3.3)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.repositories import Repositories
from daemon.logs.masking import Masker
from daemon.sandbox.task_folder import make_task_folder
from daemon.workspace.handing_over import read_artifact, read_handover, with_handover
from domain.errors import HandoverBroken
from domain.failures import FailureCategory
from domain.handover import HANDOVER_FILE, Handover
from domain.spawn_task import CommandContext, KnownStep, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon

STEPS = [{"name": "Walls", "task_plan": "x"}, {"name": "Roof", "taskPlan": "y", "dependsOn": ["Walls"]}]
OTHER = [{"name": "Garden", "task_plan": "x"}]
CIRCLE = [{"name": "Walls", "task_plan": "x", "depends_on": ["Roof"]}, *STEPS[1:]]


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


def say(text: Any) -> str:
    return f"printf '%s\\n' {shlex.quote(text if isinstance(text, str) else json.dumps(text))}"


def put(name: str, text: Any) -> str:
    return f"{say(text)} | makima contract create-file {shlex.quote(name)}"


def planned(outcome: Outcome) -> list[str]:
    assert outcome.failure is None, outcome.failure
    assert outcome.plan is not None
    return [step.name for step in outcome.plan.add]


@pytest.mark.rule("3.3")
@pytest.mark.parametrize(
    "script",
    [
        say({"steps": STEPS}),
        say(f"I looked at it.\n```json\n{json.dumps({'steps': STEPS}, indent=2)}\n```\nGood luck!"),
        say(f"First {json.dumps(OTHER)}, but no: {json.dumps(STEPS)} it is."),
        put("chain.json", STEPS),
        f"{put('notes', OTHER)}; {put('My-Plan.md', f'So: {json.dumps(STEPS)}')}; makima supervisor complete",
        f"{say(OTHER)}; {put('notes', STEPS)}",
        f"{put('plan', OTHER)}; makima directive batch-add-steps --json {shlex.quote(json.dumps(STEPS))}",
        "cat; makima directive status; " + say(STEPS),
    ],
)
async def test_a_plan_is_found_wherever_it_was_left_and_commands_win(daemon: OneDaemon, script: str) -> None:
    outcome = await daemon.does(script)
    assert planned(outcome) == ["Walls", "Roof"]
    assert outcome.plan and outcome.plan.add[1].depends_on == (outcome.plan.add[0].id,)
    assert len(outcome.base_commit) == 40


@pytest.mark.rule("3.3", "3.4")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (say({"steps": CIRCLE}), "in the final message: the steps wait for each other in a circle"),
        (put("chain.json", CIRCLE), "in artifact 'chain.json': the steps wait for each other in a circle"),
        (put("report.md", "All is well"), "in artifact 'report.md': no plan found"),
        (say({"steps": [{"name": "Walls"}]}), "step 'Walls' has no task plan"),
    ],
)
async def test_a_plan_that_breaks_a_rule_goes_back_to_the_planner(daemon: OneDaemon, script: str, said: str) -> None:
    outcome = await daemon.does(script)
    assert outcome.failure and outcome.failure.category is FailureCategory.PLAN
    assert said in outcome.failure.report


@pytest.mark.rule("3.3", "8.1")
@pytest.mark.parametrize("script", ["makima directive done --nothing-to-do 'it is there'", "makima directive status"])
async def test_no_steps_are_an_answer(daemon: OneDaemon, script: str) -> None:
    old = KnownStep(id=uuid4(), name="Walls", generation=1, status="completed", finished=True, running=False)
    outcome = await daemon.does(script, generation=2, context=CommandContext(steps=(old,)))
    assert planned(outcome) == []
    assert outcome.summary == ("it is there" if "done" in script else "")


@pytest.mark.rule("3.3")
async def test_a_chain_plan_may_build_on_steps_of_earlier_generations(daemon: OneDaemon) -> None:
    old = KnownStep(id=uuid4(), name="Cellar", generation=1, status="completed", finished=True, running=False)
    script = say([{"name": "Walls", "task_plan": "x", "depends_on": ["Cellar"]}])
    outcome = await daemon.does(script, generation=2, context=CommandContext(steps=(old,)))
    assert outcome.plan and outcome.plan.add[0].depends_on == (old.id,)
    assert outcome.plan.add[0].generation == 2


@pytest.mark.rule("1")
async def test_artifacts_arrive_before_the_outcome_is_published(daemon: OneDaemon) -> None:
    outcome = await daemon.does(f"{put('plan.json', STEPS)}; {put('report.md', 'schön')}")
    sent = [(artifact.name, artifact.content.strip(), artifact.attempt) for artifact in daemon.core.artifacts]
    assert sent == [("plan.json", json.dumps(STEPS), 1), ("report.md", "schön", 1)]
    assert outcome.warnings == ()


@pytest.mark.rule("6.11")
async def test_nothing_that_an_agent_hands_over_leaves_the_machine_with_a_secret_in_it(daemon: OneDaemon) -> None:
    daemon.more = {"masker": Masker(["swordfish-1"])}
    hands_over = f"""
        makima directive memory-set deploy 'use swordfish-1' --category 'by swordfish-1'
        makima directive add-step Deploy --task-plan 'log in with swordfish-1' --description 'swordfish-1'
        {put("report.md", "it is swordfish-1")}
    """
    asks = "makima directive ask 'Is it swordfish-1?' --choices 'swordfish-1,no' --context 'I saw swordfish-1'"
    context = CommandContext(memory_enabled=True)
    outcome = await daemon.does(hands_over, context=context)
    (memory,), (artifact,) = outcome.memories, daemon.core.artifacts
    assert outcome.plan and memory.memory
    (step,) = outcome.plan.add
    assert (memory.memory.value, memory.memory.category) == ("use ***", "by ***")
    assert (step.task_plan, step.description, artifact.content.strip()) == ("log in with ***", "***", "it is ***")
    waiting = await daemon.does(f"{asks} --wait-seconds 1", context=context, task=uuid4())
    (asked,), (told,) = waiting.questions, daemon.delivery.asked
    assert (asked.text, asked.context, asked.choices) == ("Is it ***?", "I saw ***", ("***", "no"))
    assert told == asked
    text = outcome.model_dump_json() + waiting.model_dump_json() + artifact.model_dump_json()
    assert "swordfish" not in text


@pytest.mark.rule("1")
async def test_an_artifact_that_does_not_arrive_is_a_warning(daemon: OneDaemon, tmp_path: Path) -> None:
    folder, command = make_task_folder(tmp_path / "task"), daemon.command(TaskKind.PLANNING)
    (folder.path / HANDOVER_FILE).write_text(Handover(artifacts=("gone", "plan.json")).model_dump_json())
    (folder.path / "artifacts").mkdir()
    (folder.path / "artifacts" / "plan.json").write_text("[]")
    outcome = Outcome(task=command.task, attempt=1, status=OutcomeStatus.COMPLETED, warnings=("first",))
    daemon.core.away = True
    told = await with_handover(outcome, command, folder, daemon.core, Masker(), within=0.1)
    first, gone, late = told.warnings
    assert first == "first"
    assert gone.startswith("artifact 'gone' is no longer the file that was handed over")
    assert late == "artifact 'plan.json' did not arrive: the core did not answer"


@pytest.mark.rule("3.2")
async def test_the_pull_request_that_an_agent_has_opened_itself_is_told(daemon: OneDaemon) -> None:
    outcome = await daemon.does("makima directive update --pr-url https://forge.example/7; makima directive done")
    assert outcome.pull_request_url == "https://forge.example/7"


async def test_a_handover_written_by_hand_fails_the_attempt_and_not_the_daemon(daemon: OneDaemon) -> None:
    outcome = await daemon.does(f'echo "{{" > "$MAKIMA_TASK_DIR/{HANDOVER_FILE}"')
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.failure and "changed handover.json by hand" in outcome.failure.report


@pytest.mark.rule("6.2")
def test_no_file_outside_of_the_task_folder_is_read_for_an_agent(tmp_path: Path) -> None:
    folder, outside = tmp_path / "task", tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (outside / "secret").write_text("{}")
    (folder / HANDOVER_FILE).symlink_to(outside / "secret")
    with pytest.raises(HandoverBroken):
        read_handover(folder)
    (folder / "artifacts").symlink_to(outside)
    with pytest.raises(HandoverBroken):
        read_artifact(folder, "secret")
    (folder / "artifacts").unlink()
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "secret").symlink_to(outside / "secret")
    with pytest.raises(HandoverBroken):
        read_artifact(folder, "secret")
