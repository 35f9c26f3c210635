"""The workflow replays every history that was kept: a change that breaks one would strand running directives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.histories.intake_scenarios import INTAKES
from tests.histories.scenarios import SCENARIOS
from workflows.directive import DirectiveWorkflow
from workflows.intake import IntakeWorkflow
from workflows.scheduled_start import ScheduledStartWorkflow

WORKFLOWS = [DirectiveWorkflow, IntakeWorkflow, ScheduledStartWorkflow]
FOLDER = Path(__file__).parents[1] / "histories"


@pytest.mark.parametrize(
    "runner", [SandboxedWorkflowRunner(), UnsandboxedWorkflowRunner()], ids=["in the sandbox", "as the worker does"]
)
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
async def test_a_kept_history_is_replayed(file: Path, runner: WorkflowRunner) -> None:
    history = WorkflowHistory.from_json(file.stem, await asyncio.to_thread(file.read_text))
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner)
    await replayer.replay_workflow(history)


def test_every_scenario_has_a_history() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} >= {*SCENARIOS, *INTAKES}
