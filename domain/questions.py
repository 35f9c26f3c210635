"""Questions of agents to people (rule 8.3): asked once, answered once, remembered for the attempt that asks again."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from domain.change import Draft
from domain.errors import Refused
from domain.events import EventName
from domain.models import Question, State
from domain.statuses import TaskStatus

if TYPE_CHECKING:  # reading a directive needs no requests, and their models take time to build
    from domain.requests import AnswerQuestion

AGAIN = "try again"
LEAVE = "leave it as a branch"
SHIPPING_CHOICES = (AGAIN, LEAVE)
"""Where a completion's pull request is refused."""
PUSHING_CHOICES = (AGAIN,)
"""Where its branch is."""
ALLOW, DENY = "allow", "deny"
"""Where an agent asks for leave to use a tool."""
GIVE_UP = "give up"
SECRET_CHOICES = (AGAIN, GIVE_UP)
"""Where an agent leaves a secret in its commits."""
WITHOUT, PUT_IN = "go on without them", "put them in"
LEFT_CHOICES = (WITHOUT, PUT_IN, GIVE_UP)
"""Where it leaves commits beside its work."""
OWN_CHOICES = (SHIPPING_CHOICES, PUSHING_CHOICES, (ALLOW, DENY), SECRET_CHOICES, LEFT_CHOICES)
"""Of questions whose answers daemons act upon: no agent may ask one with these, least of all with a default."""
BY_DEFAULT, BY_MAKIMA = "default", "makima"
"""Who has answered a question, where it was no person."""
MAX_OPEN = 20
"""A directive's; an agent that asks more is told to go on without."""
MAX_ANSWERED, MAX_ANSWERED_BYTES = 100, 128 * 1024
"""That a directive remembers, and as JSON."""


def question_id(task: UUID, text: str) -> UUID:
    """The same question of the same task has the same id, however often the agent is started again."""
    return uuid5(task, " ".join(text.split()))


def permission_id(task: UUID, text: str) -> UUID:
    """The same for the question whether an agent may use a tool. No question that the agent asks itself can have this
    id: it would give itself the answer, by a default."""
    return uuid5(uuid5(task, "permission"), " ".join(text.split()))


def is_a_persons_answer(question: Question) -> bool:
    """Whether it was answered, and neither by its default nor by Makima."""
    return question.answer is not None and question.answered_by not in (BY_DEFAULT, BY_MAKIMA)


def open_questions(state: State) -> list[Question]:
    """Those that nobody has answered, oldest deadline first."""
    return [question for question in state.questions.values() if question.is_open]


def ask(draft: Draft, asked: Question) -> None:
    """Remember a new question of a task; one that is known stays as it is."""
    if asked.id in draft.state.questions or asked.task not in draft.state.tasks or asked.topic:
        return  # with a topic it would be Makima's own, which no daemon asks
    asked = asked.model_copy(update={"answer": None, "answered_by": ""})
    if len(open_questions(draft.state)) >= MAX_OPEN:
        # Answered at once: dropped, the task would wait for nobody and be dispatched again without end.
        no_more = f"nobody can be asked: {MAX_OPEN} questions are open already; decide yourself"
        asked = asked.model_copy(update={"answer": asked.default or no_more, "answered_by": BY_MAKIMA})
    remember(draft, asked)
    draft.event(EventName.QUESTION_ASKED, asked.text[:500], task=asked.task)


def remember(draft: Draft, asked: Question) -> None:
    """Keep a question, and of answered ones only so many: an agent, or a forge that changes its mind, asks without end,
    and the state has to fit one payload (design 6). The record keeps them all. The first to go are those that no task
    will ask again, then those of the task that has asked most.
    """
    questions = {**draft.state.questions, asked.id: asked}
    answered = [each for each in questions.values() if not each.is_open]
    asked_by = Counter(each.task for each in answered)

    def goes_last(each: Question) -> tuple[bool, bool, int]:
        return each.id == asked.id, _may_ask_again(draft.state, each), -asked_by[each.task]

    count, size = len(answered), sum(map(_size, answered))
    for each in sorted(answered, key=goes_last):
        if count <= MAX_ANSWERED and size <= MAX_ANSWERED_BYTES:
            break
        del questions[each.id]
        count, size = count - 1, size - _size(each)
    draft.set(questions=questions)


def _may_ask_again(state: State, question: Question) -> bool:
    task = state.tasks.get(question.task)
    return task is not None and task.status.is_live


def _size(question: Question) -> int:
    return len(question.model_dump_json())


def answer_question(draft: Draft, request: AnswerQuestion) -> Question:
    """Answer one by a person, and wake the task that waits for it; Refused for an unknown or answered one."""
    wanted = request.question.lower().replace("-", "")
    found = [each for each in draft.state.questions.values() if wanted and each.id.hex.startswith(wanted)]
    if len(found) != 1:
        raise Refused(f"{request.question!r} means {len(found)} questions; `status` lists the open ones")
    (question,) = found
    if not question.is_open:
        raise Refused(f"the question was answered by {question.answered_by}: {question.answer}")
    if question.choices and request.answer not in question.choices:
        raise Refused(f"the answer is one of: {', '.join(question.choices)}")
    return settle(draft, question, request.answer, request.actor)


def answer_by_default(draft: Draft) -> None:
    """Questions whose deadline is over are answered by their default."""
    for question in open_questions(draft.state):
        if question.deadline and question.deadline <= draft.now:
            settle(draft, question, question.default, BY_DEFAULT)


def next_deadline(state: State) -> datetime | None:
    """When the first open question answers itself."""
    return min((question.deadline for question in open_questions(state) if question.deadline), default=None)


def settle(draft: Draft, question: Question, answer: str, by: str) -> Question:
    """Answer it, and wake the task that waits for nothing else."""
    answered = question.model_copy(update={"answer": answer, "answered_by": by})
    draft.set(questions={**draft.state.questions, question.id: answered})
    task = draft.state.tasks.get(question.task)
    draft.event(EventName.QUESTION_ANSWERED, f"{by}: {answer}"[:500], task=task.id if task else None)
    waits_for_more = any(other.task == question.task for other in open_questions(draft.state))
    if task and task.status is TaskStatus.WAITING and not waits_for_more:
        draft.task(task.id, wait_until=draft.now, agents=task.agents.asked_again())
    return answered
