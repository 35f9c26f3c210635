"""Models as rows and rows as models; a column has the name of its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel

from domain.models import Directive, PullRequest, State, Step, Task, Text
from domain.names import workflow_id
from domain.record import AttemptEnded, DirectiveRow, Event, GoalRevision, ProgressWrite, restored

Row = dict[str, Any]
DatabaseRow = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)

_EVENTS = UUID("0f6a7c52-55ab-4b1e-8d1c-3e0f5f1f7a11")


def directive_row(write: ProgressWrite) -> Row:
    """The row of table directives: the directive, its text and where it stands, flat."""
    row, directive = write.row, write.row.directive
    return {
        **directive.model_dump(mode="json", exclude={"text"}),
        **directive.text.model_dump(mode="json"),
        **row.model_dump(mode="json", exclude={"directive", "pull_request"}),
        "pull_request": row.pull_request.branch if row.pull_request else None,
        "workflow_id": workflow_id(directive.text.title, directive.id),
        "run_id": write.run_id,
        "sequence": write.sequence,
    }


def plain_rows(values: Iterable[BaseModel]) -> list[Row]:
    """Rows of models whose fields are the columns."""
    return [value.model_dump(mode="json") for value in values]


def revision_row(revision: GoalRevision) -> Row:
    """The row of table goal_revisions."""
    return revision.model_dump(mode="json", exclude={"text"}) | revision.text.model_dump(mode="json")


def event_row(event: Event) -> Row:
    """The row of table events, with the fingerprint by which the same event is known again."""
    return event.model_dump(mode="json") | {"fingerprint": str(uuid5(_EVENTS, event.model_dump_json()))}


def attempt_row(ended: AttemptEnded) -> Row:
    """The row of table attempts of an attempt that ended."""
    outcome = ended.outcome.model_dump(mode="json", exclude={"usage"})
    usage = ended.outcome.usage.model_dump(mode="json")
    return outcome | usage | {"ended_at": ended.at.isoformat()}


def state_of(
    directive: Mapping[str, Any], steps: Iterable[Mapping[str, Any]], tasks: Iterable[Mapping[str, Any]]
) -> State:
    """The state that these rows hold; `directive` carries its pull request as `pull_request_row`."""
    pull_request = directive["pull_request_row"]
    row = DirectiveRow(
        **_fields(DirectiveRow, directive)
        | {
            "directive": Directive(**_fields(Directive, directive), text=Text(**_fields(Text, directive))),
            "pull_request": PullRequest(**_fields(PullRequest, pull_request)) if pull_request else None,
        }
    )
    return restored(row, tuple(model_of(Step, step) for step in steps), tuple(model_of(Task, task) for task in tasks))


def model_of(model: type[Model], row: DatabaseRow) -> Model:
    """The model whose fields `row` has as columns; further columns are the record's own."""
    return model(**_fields(model, row))


def _fields(model: type[BaseModel], row: DatabaseRow) -> Row:
    return {name: row[name] for name in model.model_fields if name in row.keys()}  # noqa: SIM118 - a driver's row iterates values
