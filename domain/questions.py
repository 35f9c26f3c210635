"""Questions of agents to people (rule 8.3): asked once, answered once, remembered for the attempt that asks again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from domain.change import Draft
from domain.errors import Refused
from domain.events import EventName
from domain.models import Question, State, TaskStatus
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
    if len(open_questions(draft.state)) >= MAX_OPEN:
        # Answered at once: dropped, the task would wait for nobody and be dispatched again without end.
        no_more = f"nobody can be asked: {MAX_OPEN} questions are open already; decide yourself"
        asked = asked.model_copy(update={"answer": asked.default or no_more, "answered_by": BY_MAKIMA})
    draft.set(questions={**draft.state.questions, asked.id: asked})
    draft.event(EventName.QUESTION_ASKED, asked.text[:500], task=asked.task)


def answer_question(draft: Draft, request: AnswerQuestion) -> Question:
    """Answer one by a person, and wake the task that waits for it; Refused for an unknown or answered one."""
    wanted = request.question.lower().replace("-", "")
    found = [question for question in draft.state.questions.values() if question.id.hex.startswith(wanted)]
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
        draft.task(task.id, wait_until=draft.now)
    return answered
