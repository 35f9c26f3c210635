"""What an agent asks while it runs, and how the answer finds it (rule 8.3)."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.repositories import Repositories
from daemon.session.conversation import Conversation
from domain.handover import ANSWERS_FILE, HANDOVER_FILE, Answers, Handover, TaskContext
from domain.models import Question
from domain.names import task_branch
from domain.questions import question_id
from domain.spawn_task import CommandContext, MemoryChange, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import TASK, OneDaemon, RememberedDelivery, until


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


def talk(folder: Path, delivery: RememberedDelivery) -> AbstractAsyncContextManager[None]:
    context = TaskContext(task=TASK, kind=TaskKind.STEP, generation=1, context=CommandContext())
    return Conversation(folder, delivery, context, look_every=0.02, ask_every=0.05).going_on()


def question(text: str) -> Question:
    return Question(id=question_id(TASK, text), task=TASK, text=text)


def write(folder: Path, *questions: Question) -> None:
    fresh = folder / "fresh"
    fresh.write_text(Handover(questions=questions).model_dump_json())
    fresh.replace(folder / HANDOVER_FILE)


def answers(folder: Path) -> dict[str, str | None]:
    file = folder / ANSWERS_FILE
    told = Answers.model_validate_json(file.read_bytes()) if file.exists() else Answers()
    return {question.text: question.answer for question in told.questions}


@pytest.mark.rule("8.3")
async def test_each_question_is_told_once_and_its_answer_is_written_down(tmp_path: Path) -> None:
    delivery = RememberedDelivery()
    async with talk(tmp_path, delivery):
        write(tmp_path, question("Red?"))
        await until(lambda: answers(tmp_path) == {"Red?": None})
        write(tmp_path, question("Red?"), question("Blue?"))
        await until(lambda: answers(tmp_path) == {"Red?": None, "Blue?": None})
        delivery.replies["Blue?"] = "yes"
        await until(lambda: answers(tmp_path) == {"Red?": None, "Blue?": "yes"})
        delivery.replies["Red?"] = "no"
        await until(lambda: answers(tmp_path) == {"Red?": "no", "Blue?": "yes"})
    assert [asked.text for asked in delivery.asked] == ["Red?", "Blue?"]


@pytest.mark.rule("8.3")
async def test_a_core_that_is_away_is_told_later(tmp_path: Path) -> None:
    delivery = RememberedDelivery()
    delivery.away = True
    delivery.replies["Red?"] = "yes"
    async with talk(tmp_path, delivery):
        write(tmp_path, question("Red?"))
        await until(lambda: delivery.refused > 2)
        delivery.away = False
        await until(lambda: answers(tmp_path) == {"Red?": "yes"})
    assert len(delivery.asked) == 1


@pytest.mark.rule("8.3")
async def test_a_handover_that_makes_no_sense_does_not_end_the_conversation(tmp_path: Path) -> None:
    delivery = RememberedDelivery()
    async with talk(tmp_path, delivery):
        os.mkfifo(tmp_path / HANDOVER_FILE)
        (tmp_path / "bad").write_text("{")
        (tmp_path / "bad").replace(tmp_path / HANDOVER_FILE)
        write(tmp_path, question("Red?"))
        await until(lambda: bool(delivery.asked))


@pytest.mark.rule("8.3")
async def test_the_answer_is_never_written_through_a_link(tmp_path: Path) -> None:
    delivery, folder, outside = RememberedDelivery(), tmp_path / "task", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("precious")
    (folder / ANSWERS_FILE).symlink_to(outside)
    async with talk(folder, delivery):
        write(folder, question("Red?"))
        await until(lambda: not (folder / ANSWERS_FILE).is_symlink())
    assert outside.read_text() == "precious"


@pytest.mark.rule("8.3")
async def test_an_agent_gets_its_answer_while_it_runs(daemon: OneDaemon) -> None:
    daemon.delivery.replies["Which one?"] = "the red one"
    script = """
        answer=$(makima directive ask 'Which one?')
        makima directive add-step "$answer" --task-plan x
    """
    outcome = await daemon.does(script)
    assert outcome.plan and [step.name for step in outcome.plan.add] == ["the red one"]
    assert [asked.text for asked in daemon.delivery.asked] == ["Which one?"]


@pytest.mark.rule("5.3", "8.3")
async def test_an_attempt_that_waits_for_an_answer_goes_on_with_it(daemon: OneDaemon) -> None:
    """Nothing is published until it has ended, and what it wanted remembered is kept."""
    script = "makima directive memory-set seen it; makima directive ask 'Which one?' --wait-seconds 0 > chosen"
    command = {
        "step": uuid4(),
        "step_name": "Paint",
        "target_branch": task_branch("Paint", TASK),
        "base_commit": await daemon.base(),
    }
    context = CommandContext(memory_enabled=True)
    waiting = await daemon.does(script, TaskKind.STEP, **command, context=context)
    assert waiting.status is OutcomeStatus.WAITING
    assert [(asked.text, asked.answer) for asked in waiting.questions] == [("Which one?", None)]
    assert [change.key for change in waiting.memories] == ["seen"]
    assert not await daemon.published(TASK, 1)
    told = CommandContext(memory_enabled=True, answers=(question("Which one?").model_copy(update={"answer": "red"}),))
    done = await daemon.does(script, TaskKind.STEP, **command, context=told)
    assert (done.status, done.failure) == (OutcomeStatus.COMPLETED, None)
    assert done.work and done.work.files_changed == 1
    assert isinstance(done.memories[0], MemoryChange)
    assert await daemon.published(TASK, 1)


@pytest.mark.rule("5.3", "8.3")
async def test_an_answer_that_came_too_late_for_the_command_still_resumes_the_work(daemon: OneDaemon) -> None:
    """The agent has been told to end; that the answer is there by now must not look like its failure."""
    daemon.delivery.replies["Which one?"] = "red"
    script = """
        makima directive ask 'Which one?' --wait-seconds 0 || true
        until grep -q red "$MAKIMA_TASK_DIR/answers.json"; do sleep 0.05; done
        exit 75
    """
    outcome = await daemon.does(script)
    assert (outcome.status, outcome.failure) == (OutcomeStatus.WAITING, None)


@pytest.mark.rule("8.3")
async def test_giving_up_is_an_answer_of_the_agents_own(daemon: OneDaemon) -> None:
    script = "makima directive ask 'Which one?' --wait-seconds 0 || makima directive fail 'I must know'"
    outcome = await daemon.does(script)
    assert outcome.failure and outcome.failure.report == "gave up: I must know"
