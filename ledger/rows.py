"""Models as rows, and what else a row is made of; a column has the name of its field."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from pydantic import BaseModel

from domain.daemon_messages import MAX_ARTIFACT
from domain.logged import LogPiece
from domain.models import DirectiveRow
from domain.names import workflow_id
from domain.record import AttemptEnded, Event, GoalRevision, ProgressWrite
from domain.spawn_task import Outcome, OutcomeStatus
from domain.usage import Usage
from ledger.pool import storable
from ledger.statements import DatabaseRow, Row, fields_of, model_of

_ATTEMPT_COLUMNS = frozenset(
    {"task", "attempt", "status", "summary", "failure", "work"}
    | {"base_commit", "plan", "wait_until", "warnings", "daemon", "account"}
)
"""The fields of an outcome that are columns of table attempts; all others, also those of later versions, lie in one."""
_EVENTS = UUID("0f6a7c52-55ab-4b1e-8d1c-3e0f5f1f7a11")
_MEMORIES_AND_QUESTIONS = UUID("b3d0f1de-7c2c-4f4c-9d0e-53a1a6a0c8f4")


def directive_row(write: ProgressWrite) -> Row:
    """The row of table directives: the directive, its text and where it stands, flat."""
    row, directive = write.row, write.row.directive
    flat = row.model_dump(mode="json", exclude={"directive", "pull_request", "memories", "questions"})
    return {
        **directive.model_dump(mode="json", exclude={"text"}),
        **directive.text.model_dump(mode="json"),
        **flat,
        # Pairs, since jsonb forgets the order of keys, and the oldest answer is the first that the workflow forgets.
        "answered": list(flat["answered"].items()),
        "fingerprint": str(fingerprint(row)),
        "pull_request": row.pull_request.branch if row.pull_request else None,
        "workflow_id": workflow_id(directive.text.title, directive.id),
        "run_id": write.run_id,
        "sequence": write.sequence,
    }


def fingerprint(row: DirectiveRow) -> UUID:
    """The same for the same memories and questions, which every write carries and few change."""
    return uuid5(_MEMORIES_AND_QUESTIONS, row.model_dump_json(include={"memories", "questions"}))


def plain_rows(values: Iterable[BaseModel]) -> list[Row]:
    """Rows of models whose fields are the columns."""
    return [value.model_dump(mode="json") for value in values]


def revision_row(revision: GoalRevision) -> Row:
    """The row of table goal_revisions."""
    return revision.model_dump(mode="json", exclude={"text"}) | revision.text.model_dump(mode="json")


def event_row(event: Event) -> Row:
    """The row of table events, with the fingerprint by which the same event is known again."""
    return event.model_dump(mode="json") | {"fingerprint": str(uuid5(_EVENTS, event.model_dump_json()))}


def pull_request_rows(write: ProgressWrite) -> list[Row]:
    """The rows of table pull_requests: of each branch the last that is told of it, and the current one after all."""
    told = (*write.facts.pull_requests, *filter(None, (write.row.pull_request,)))
    return list({each.branch: each.model_dump(mode="json") for each in told}.values())


def attempt_rows(ended: Iterable[AttemptEnded]) -> list[Row]:
    """The rows of table attempts of those that ended, one each, since a statement changes no row twice: its end, else
    what is told last while it waits.
    """
    last: dict[tuple[UUID, int], AttemptEnded] = {}
    for each in ended:
        key = (each.outcome.task, each.outcome.attempt)
        if key not in last or last[key].outcome.status is OutcomeStatus.WAITING:
            last[key] = each
    return [_attempt_row(each) for each in last.values()]


def _attempt_row(ended: AttemptEnded) -> Row:
    outcome = ended.outcome.model_dump(mode="json", exclude={"usage"})
    usage = ended.outcome.usage.model_dump(mode="json")
    columns = {name: value for name, value in outcome.items() if name in _ATTEMPT_COLUMNS}
    further = {name: value for name, value in outcome.items() if name not in _ATTEMPT_COLUMNS}
    agents = {name: used.model_dump(mode="json") for name, used in ended.agents.items()}
    return columns | usage | {"further": further, "ended_at": ended.at.isoformat(), "agents": agents}


def outcome_of(row: DatabaseRow) -> Outcome:
    """What was made a row by `attempt_row`; of a row from before `further` was kept, without what stands there."""
    fields = fields_of(Outcome, row) | (row["further"] or {})
    return Outcome(**fields, usage=model_of(Usage, row))


def artifact_text(content: str) -> str:
    """`content` as the record keeps it: without NUL, and of more than 1 MiB its beginning, with what is missing named.

    Cut and not refused: the task that handed it over has gone on, and a refusal would be tried again for ever.
    """
    kept = storable(content)
    size = len(kept.encode())
    if size <= MAX_ARTIFACT:
        return kept
    mark = f"\n… cut by Makima: the file has {size} bytes, the record keeps {MAX_ARTIFACT}\n"
    return kept.encode()[: MAX_ARTIFACT - len(mark.encode())].decode(errors="ignore") + mark


def log_pieces(chunks: Iterable[DatabaseRow], next_byte: int) -> tuple[list[LogPiece], int]:
    """What the chunks say from `next_byte` on, with a line where bytes are missing, and the byte behind it. What no
    daemon has said a time of was written by when it came.
    """
    pieces: list[LogPiece] = []
    for chunk in chunks:
        start, content, came = chunk["first_byte"], chunk["text"].encode(), chunk["received_at"]
        told = [(place - start, datetime.fromtimestamp(at, UTC)) for place, at in chunk["times"]]
        begins = [(0, came), *sorted((place, at) for place, at in told if 0 <= place < len(content))]
        of_chunk = [
            LogPiece(at, content[place:end].decode(errors="replace"))
            for (place, at), (end, _) in zip(begins, [*begins[1:], (len(content), came)], strict=True)
            if place < end
        ]
        if missing := max(0, start - next_byte):
            line = f"\n[… {missing} bytes are missing here: the whole log is on the daemon's machine …]\n"
            pieces.append(LogPiece(of_chunk[0].at if of_chunk else came, line))
        pieces += of_chunk
        next_byte = start + len(content)
    return pieces, next_byte
