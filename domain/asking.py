"""What Makima itself asks the operator, mostly about pull requests (rule 7.5): never the same thing twice."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID, uuid5

from domain.change import Draft
from domain.events import EventName
from domain.models import Question, State
from domain.questions import MAX_OPEN, open_questions, remember, settle

MAX_TOPIC = 300


class Topic(StrEnum):
    CLOSED = "closed"
    """The pull request of a version was closed without being merged."""
    ROUNDS = "rounds"
    """All rounds of fixes are used up."""
    TROUBLE = "trouble"
    """The forge refuses us."""
    BASE = "base"
    """The base branch is not there; the answer is the name of another one."""
    BUDGET = "budget"
    """The directive's budget is used up; the answer is another one, or to finish."""
    ACTION = "action"
    """A check waits for a person at the forge."""
    NO_AGENT = "no agent"
    """There is something to fix, and no agent that takes prompts."""


def ask_operator(draft: Draft, topic: Topic, occasion: str, text: str, choices: tuple[str, ...]) -> UUID:
    """Ask once for every `occasion`, and return the question's id; where too much is asked already, only the event list
    is told.
    """
    directive = draft.state.directive.id
    identity = uuid5(directive, f"{topic}:{occasion}")
    if identity in draft.state.questions:
        return identity
    draft.event(EventName.QUESTION_ASKED, text[:500])
    if len(open_questions(draft.state)) < MAX_OPEN:
        about = f"{topic}:{occasion}"
        asked = Question(id=identity, task=directive, topic=about[:MAX_TOPIC], text=text[:4096], choices=choices)
        remember(draft, asked)
    return identity


def anew(draft: Draft) -> str:
    """An occasion that has not been before."""
    return f"{draft.now.isoformat()} {len(draft.state.questions)}"


def asked_now(state: State, topic: Topic) -> list[Question]:
    """The open questions on a topic."""
    return [question for question in open_questions(state) if topic_of(question) is topic]


def topic_of(question: Question) -> Topic | None:
    """None: an agent asks."""
    return Topic(question.topic.partition(":")[0]) if question.topic else None


def settle_topic(draft: Draft, topic: Topic, answer: str) -> None:
    """Answer what has answered itself."""
    for question in asked_now(draft.state, topic):
        settle(draft, question, answer, "makima")
