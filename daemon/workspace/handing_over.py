"""What an agent hands over through its commands (rule 3.1), taken as what it is: files that anybody could write."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import ValidationError

from daemon import agent_files
from daemon.core.reporting import Core
from daemon.logs.masking import Masker
from daemon.sandbox.task_folder import TaskFolder
from domain.daemon_messages import MAX_ARTIFACT, Artifact
from domain.errors import HandoverBroken, NotReachable
from domain.handover import ARTIFACTS_FOLDER, HANDOVER_FILE, Handover, TaskContext, task_context
from domain.handover_check import checked
from domain.spawn_task import Outcome, SpawnTask

MAX_HANDOVER = 16 * 1024 * 1024
ARTIFACTS_WITHIN = 45.0
"""Seconds that the end of a task waits for its artifacts to arrive; they stay on this machine, too."""
RETRY_AFTER = 2.0


def read_handover(folder: Path) -> Handover:
    """What the agent has said so far; HandoverBroken where it wrote the file itself, and wrongly."""
    try:
        return Handover.model_validate_json(agent_files.read(folder, HANDOVER_FILE, MAX_HANDOVER))
    except FileNotFoundError:
        return Handover()
    except (OSError, ValidationError) as error:
        raise HandoverBroken(f"the agent has changed {HANDOVER_FILE} by hand: only `makima` may write it") from error


def taken_handover(folder: Path, context: TaskContext) -> Handover:
    """What the agent of this task has said so far: the only way in which the daemon takes it. HandoverBroken where it
    names what isn't the task's own."""
    return checked(read_handover(folder), context)


def read_artifact(folder: Path, name: str) -> str:
    """The text of an artifact; HandoverBroken where it is gone or no longer what `makima` has taken."""
    try:
        return agent_files.read(folder, f"{ARTIFACTS_FOLDER}/{name}", MAX_ARTIFACT).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HandoverBroken(f"artifact {name!r} is no longer the file that was handed over: {error}") from error


async def with_handover(
    outcome: Outcome,
    command: SpawnTask,
    folder: TaskFolder,
    core: Core,
    masker: Masker,
    within: float = ARTIFACTS_WITHIN,
) -> Outcome:
    """`outcome` with what the agent wants remembered; its artifacts are sent, without secrets, and a warning names
    those that can't be.
    """
    handover = await asyncio.to_thread(taken_handover, folder.path, task_context(command))
    missed = await _send_all(handover, command, folder, core, masker, within)
    return outcome.model_copy(
        update={
            "memories": handover.memories,
            "pull_request_url": handover.pull_request_url,
            "warnings": (*outcome.warnings, *missed.values()),
        }
    )


async def _send_all(
    handover: Handover, command: SpawnTask, folder: TaskFolder, core: Core, masker: Masker, within: float
) -> dict[str, str]:
    """Name → why it did not arrive; all of them together have the time `within`, in seconds."""
    missed = {name: f"artifact {name!r} did not arrive: the core did not answer" for name in handover.artifacts}
    try:
        async with asyncio.timeout(within):
            for name in handover.artifacts:
                try:
                    content = await asyncio.to_thread(read_artifact, folder.path, name)
                except HandoverBroken as broken:
                    missed[name] = str(broken)
                    continue
                masked = await asyncio.to_thread(masker.mask, content)
                await _send(core, _artifact(command, masker.mask(name), masked))
                del missed[name]
    except TimeoutError:
        pass  # what is left in `missed` says it
    return missed


async def _send(core: Core, artifact: Artifact) -> None:
    while True:
        try:
            return await core.put_artifact(artifact)
        except NotReachable:
            await asyncio.sleep(RETRY_AFTER)


def _artifact(command: SpawnTask, name: str, content: str) -> Artifact:
    return Artifact(directive=command.directive, task=command.task, attempt=command.attempt, name=name, content=content)
