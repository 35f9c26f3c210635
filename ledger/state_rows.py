"""The rows of a directive as its state: what a command that reads needs of the record's shapes, and no more."""

from __future__ import annotations

from dataclasses import dataclass

from domain.models import Directive, DirectiveRow, Memory, OpenQuestion, Question, State, Step, Task, Text
from domain.pull_request import PullRequest
from ledger.statements import DatabaseRow, fields_of, model_of


@dataclass(frozen=True)
class StateRows:
    """The rows that hold one directive's state, as the driver gives them."""

    directive: DatabaseRow
    """With its pull request as `pull_request_row`."""
    steps: list[DatabaseRow]
    tasks: list[DatabaseRow]
    memories: list[DatabaseRow]
    questions: list[DatabaseRow]


def state_of(rows: StateRows) -> State:
    """The state that these rows hold; all of it is validated at once, since each model by itself costs its building."""
    directive, pull_request = rows.directive, rows.directive["pull_request_row"]
    given = fields_of(Directive, directive) | {"text": fields_of(Text, directive)}
    return State(
        **fields_of(DirectiveRow, directive)
        | {
            "directive": given,
            "pull_request": fields_of(PullRequest, pull_request) if pull_request else None,
            "memories": {memory["key"]: fields_of(Memory, memory) for memory in rows.memories},
            "questions": {question["id"]: fields_of(Question, question) for question in rows.questions},
            "answered": dict(directive["answered"]),
            "steps": {step["id"]: fields_of(Step, step) for step in rows.steps},
            "tasks": {task["id"]: fields_of(Task, task) for task in rows.tasks},
        }
    )


def open_question_of(row: DatabaseRow) -> OpenQuestion:
    """A question with where it was asked."""
    return OpenQuestion(
        directive=row["directive_id"],
        workflow_id=row["workflow_id"],
        asked_at=row["asked_at"],
        question=model_of(Question, row),
    )
