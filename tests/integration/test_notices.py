"""Notices: each event is told at least once and by one worker alone, and a kind is quiet for its minute."""

from __future__ import annotations

import asyncio
import shlex
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from domain.errors import NoticeFailed
from domain.events import EventName
from domain.folding import fold_outcome
from domain.models import PlanChanges, State, Work
from domain.notices import Notice, NoticeKind, notice
from domain.plan import PlannedStep, add_steps
from domain.pull_request import PullRequest, PullRequestState, Shipped, Sighting
from domain.pull_requests.shepherd import fold_sighting
from domain.record import Facts, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from ledger.outbox import Outbox, follow
from ledger.pool import Database
from ledger.writer import PostgresLedger
from runtime import notifying
from runtime.shared_settings import SharedSettings
from tests.unit.directives import BASE, dispatchable, ended, planned_state
from tests.values import NOON, directive_with, event

pytestmark = pytest.mark.rule("8.3")


async def happen(ledger: PostgresLedger, state: State, sequence: int, *whats: EventName) -> None:
    facts = Facts(events=tuple(event(what, why=f"reason {sequence}") for what in whats))
    await ledger.record(snapshot(state, facts, f"run-{sequence}", sequence))


class Told:
    """Takes notices, and refuses the first `refusals` of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.notices: list[Notice] = []
        self._refusals = refusals

    async def send(self, sent: Notice) -> None:
        if self._refusals:
            self._refusals -= 1
            raise NoticeFailed("nobody is there")
        self.notices.append(sent)

    @property
    def kinds(self) -> list[NoticeKind]:
        return [sent.kind for sent in self.notices]


async def test_an_event_is_told_once_and_what_came_before_never(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    await happen(ledger, state, 1, EventName.DIRECTIVE_PAUSED)
    outbox = Outbox(pool, "me", timedelta())
    await outbox.open()
    await happen(ledger, state, 2, EventName.QUESTION_ASKED, EventName.STEP_ADDED)
    for _ in range(3):
        await outbox.empty(told.send)
    assert [sent.text for sent in told.notices] == [
        "Add auth: question asked: reason 2 — answer it: starter.py questions, then starter.py answer "
        f"{state.directive.id.hex[:8]} …"
    ]


async def test_a_kind_is_quiet_for_its_time_and_then_tells_all_at_once(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    slow = Outbox(pool, "me", timedelta(hours=1))
    await slow.open()
    for sequence in (1, 2, 3):
        await happen(ledger, state, sequence, EventName.DIRECTIVE_PAUSED)
        await slow.empty(told.send)
    await happen(ledger, state, 4, EventName.PLAN_PROPOSED)
    await slow.empty(told.send)
    assert told.kinds == [NoticeKind.PAUSE, NoticeKind.APPROVAL]
    await Outbox(pool, "me", timedelta()).empty(told.send)
    assert [len(sent.happenings) for sent in told.notices] == [1, 1, 2]


async def test_a_notice_that_fails_stays_and_holds_up_no_other_kind(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told(refusals=1)
    outbox = Outbox(pool, "me", timedelta())
    await outbox.open()
    await happen(ledger, state, 1, EventName.QUESTION_ASKED, EventName.DIRECTIVE_FAILED)
    with pytest.raises(NoticeFailed):
        await outbox.empty(told.send)
    assert told.kinds == [NoticeKind.FAILED]
    await outbox.empty(told.send)
    assert told.kinds == [NoticeKind.FAILED, NoticeKind.QUESTION]


async def test_of_many_workers_one_tells(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    await Outbox(pool, "me", timedelta()).open()
    await happen(ledger, state, 1, EventName.DIRECTIVE_IDLE)
    await asyncio.gather(*(Outbox(pool, "me", timedelta()).empty(told.send) for _ in range(5)))
    assert told.kinds == [NoticeKind.DONE]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, PullRequestState.OPEN),
        (None, PullRequestState.DRAFT),
        (PullRequestState.DRAFT, PullRequestState.OPEN),
        (PullRequestState.OPEN, PullRequestState.MERGED),
        (PullRequestState.OPEN, PullRequestState.CLOSED),
    ],
)
async def test_what_becomes_of_a_pull_request_is_told(
    before: PullRequestState | None, now: PullRequestState, pool: Database, ledger: PostgresLedger
) -> None:
    """Its event is written by the rules themselves."""
    told, outbox = Told(), Outbox(pool, "default", timedelta())
    await outbox.open()
    made = PullRequest(branch="b", head="c" * 40, base="main", url="https://example.invalid/r/pull/7", number=7)
    if before is None:
        state = done()
        (task,) = dispatchable(state)
        ending = {"work": Work(branch="b", base=BASE, head="c" * 40, commits=1)}
        shipped = Shipped(pull_request=made.model_copy(update={"state": now}))
        outcome = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.COMPLETED, shipped=shipped, **ending)
        change = fold_outcome(state, task, outcome, NOON)
    else:
        known = made.model_copy(update={"state": before})
        state = idle(known)
        change = fold_sighting(state, Sighting(pull_request=known.model_copy(update={"state": now})), NOON)
    await ledger.record(snapshot(change.state, change.changed.facts, "run", 1))
    await outbox.empty(told.send)
    (sent,) = [each for each in told.notices if each.kind is NoticeKind.PULL_REQUEST]
    assert made.url in sent.text


def done() -> State:
    """A directive whose only step is done, and whose completion may start."""
    changes = add_steps(
        PlanChanges(), [PlannedStep(name="a", task_plan="x")], generation=1, known=(), new_id=lambda: UUID(int=1)
    )
    state = planned_state(changes)
    (task,) = dispatchable(state)
    return ended(state, task)


def idle(known: PullRequest) -> State:
    """The same, with its work in the pull request `known`."""
    state = done()
    (task,) = dispatchable(state)
    return ended(state, task, shipped=Shipped(pull_request=known))


async def test_another_owners_events_are_not_told(pool: Database, ledger: PostgresLedger) -> None:
    told = Told()
    outbox = Outbox(pool, "me", timedelta())
    await outbox.open()
    await happen(ledger, directive_with(owner="you"), 1, EventName.DIRECTIVE_IDLE)
    await outbox.empty(told.send)
    assert told.notices == []


async def test_who_watches_sees_what_happens_from_then_on(pool: Database, ledger: PostgresLedger) -> None:
    state = directive_with()
    await happen(ledger, state, 1, EventName.DIRECTIVE_PAUSED)
    watching = follow(pool, "me")
    first = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    while not first.done():  # it may not have begun to watch when an event comes
        await happen(ledger, state := directive_with(), 1, EventName.DIRECTIVE_IDLE)
        await asyncio.wait({first}, timeout=0.5)
    assert first.result().kind is NoticeKind.DONE
    await watching.aclose()


async def test_a_command_gets_the_notice_on_stdin_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKIMA_DATABASE_URL", "postgresql://user:hunter2@h/d")
    line = shlex.join(["sh", "-c", f"cat > {tmp_path}/in; env > {tmp_path}/env"])
    sent = notice(NoticeKind.DONE, "me", [])
    await notifying.send(sent, SharedSettings(notify_command=line))
    assert Notice.model_validate_json((tmp_path / "in").read_text()) == sent
    environment = (tmp_path / "env").read_text()
    assert "MAKIMA_NOTICE_KIND=done" in environment
    assert "hunter2" not in environment


async def test_a_way_that_fails_is_tried_again_and_then_told_without_secrets(tmp_path: Path) -> None:
    line = shlex.join(["sh", "-c", f"echo x >> {tmp_path}/tries; echo broken >&2; exit 3"])
    with pytest.raises(NoticeFailed, match="exit code 3: broken"):
        await notifying.send(notice(NoticeKind.DONE, "me", []), SharedSettings(notify_command=line), try_for=1.5)
    assert len((tmp_path / "tries").read_text().split()) > 1
    with pytest.raises(NoticeFailed, match="does not answer") as failed:
        hook = SecretStr("http://127.0.0.1:1/secret")
        await notifying.send(notice(NoticeKind.DONE, "me", []), SharedSettings(notify_webhook=hook), try_for=0)
    assert "secret" not in str(failed.value)
