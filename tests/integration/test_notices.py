"""The outbox of notices: each channel is told of each event by one worker alone, and a kind is quiet for its minute."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr

from domain.answer_links import read
from domain.errors import NoticeFailed, NotReachable, RecordError
from domain.events import EventName
from domain.folding import fold_outcome
from domain.models import PlanChanges, Proposal, State, Work
from domain.notices import Notice, NoticeKind
from domain.plan import PlannedStep, add_steps
from domain.pull_request import PullRequest, PullRequestState, Shipped, Sighting
from domain.pull_requests.shepherd import fold_sighting
from domain.record import Facts, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from ledger.migrate import migrate, shipped
from ledger.outbox import Outbox, begin, follow
from ledger.pool import Database, open_pool
from ledger.writer import PostgresLedger
from runtime.notifying import linking
from runtime.shared_settings import SharedSettings
from tests.unit.directives import BASE, dispatchable, ended, planned_state
from tests.values import NOON, asking, directive_with, event, question

pytestmark = pytest.mark.rule("8.4")
OWNER, WEBHOOK = "me", "webhook"
CHANNELS = {WEBHOOK: tuple(NoticeKind), "phone": (NoticeKind.QUESTION,)}


def outbox_of(pool: Database, channel: str = WEBHOOK, *, owner: str = OWNER, most: int | None = None) -> Outbox:
    return Outbox(pool, owner, channel, CHANNELS[channel], most, at_most_every=timedelta())


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
    outbox = outbox_of(pool)
    await begin(pool, OWNER, CHANNELS)
    await happen(ledger, state, 2, EventName.QUESTION_ASKED, EventName.STEP_ADDED)
    for _ in range(3):
        await outbox.empty(told.send)
    assert [sent.text for sent in told.notices] == [
        "Add auth: question asked: reason 2 — answer it: starter.py questions, then starter.py answer "
        f"{state.directive.id.hex[:8]} …"
    ]


async def test_each_channel_is_told_of_its_kinds_whatever_another_one_does(
    pool: Database, ledger: PostgresLedger
) -> None:
    state, webhook, phone = directive_with(), Told(refusals=2), Told()
    await begin(pool, OWNER, CHANNELS)
    await happen(ledger, state, 1, EventName.QUESTION_ASKED, EventName.DIRECTIVE_PAUSED)
    for _ in range(3):
        with suppress(NoticeFailed):
            await outbox_of(pool).empty(webhook.send)
        await outbox_of(pool, "phone").empty(phone.send)
    assert phone.kinds == [NoticeKind.QUESTION]
    assert sorted(webhook.kinds) == [NoticeKind.PAUSE, NoticeKind.QUESTION]


async def test_what_the_record_lost_after_a_channel_said_yes_is_not_sent_again(
    pool: Database, ledger: PostgresLedger
) -> None:
    state, told, outbox = directive_with(), Told(), outbox_of(pool)
    await begin(pool, OWNER, CHANNELS)
    await happen(ledger, state, 1, EventName.QUESTION_ASKED)

    async def send(sent: Notice) -> None:
        await told.send(sent)
        if len(told.notices) == 1:
            await pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and state = 'idle in transaction'"
            )

    with pytest.raises((NotReachable, RecordError)):
        await outbox.empty(send)
    await outbox.empty(send)
    await happen(ledger, state, 2, EventName.QUESTION_ASKED)
    await outbox.empty(send)
    assert [[each.why for each in sent.happenings] for sent in told.notices] == [["reason 1"], ["reason 2"]]


async def test_what_does_not_fit_into_a_notice_follows_in_the_next(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    await begin(pool, OWNER, CHANNELS)
    for sequence in range(1, 6):
        await happen(ledger, state, sequence, EventName.QUESTION_ASKED)
    long = Facts(events=(event(EventName.QUESTION_ASKED, why="x" * 5000),))
    await ledger.record(snapshot(state, long, "run-6", 6))
    for _ in range(6):
        await outbox_of(pool, most=300).empty(told.send)
    assert [each.number for sent in told.notices for each in sent.happenings] == sorted(
        each.number for sent in told.notices for each in sent.happenings
    )
    assert sum(len(sent.happenings) for sent in told.notices) == 6
    assert all(len(sent.text) <= 300 for sent in told.notices)
    assert "answer it:" in told.notices[-1].text, "what to do is kept, whatever an agent has written"


async def test_what_was_due_before_channels_had_names_is_told_and_what_was_told_is_not(
    empty_database: str,
) -> None:
    """An upgrade in the middle of things."""
    before = [each for each in shipped() if each.name < "0018"]
    state, told = directive_with(), Told()
    async with await open_pool(empty_database) as pool:
        await migrate(pool, before)
        await pool.execute("insert into notice_kinds (owner, kind) select 'me', unnest($1::text[])", list(NoticeKind))
        ledger = PostgresLedger(pool)
        for sequence in (1, 2):
            await happen(ledger, state, sequence, EventName.QUESTION_ASKED)
        await pool.execute("insert into noticed (event) select min(number) from events")
        await migrate(pool)
        await begin(pool, OWNER, CHANNELS)
        await outbox_of(pool).empty(told.send)
        await outbox_of(pool, "phone").empty(told.send)
        assert [[each.why for each in sent.happenings] for sent in told.notices] == [["reason 2"]]
        await begin(pool, OWNER, {"command": tuple(NoticeKind)})
        await Outbox(pool, OWNER, "command", at_most_every=timedelta()).empty(told.send)
        assert len(told.notices) == 1, "a channel of later begins with what happens from then on"


@pytest.mark.rule("8.5")
async def test_a_notice_leads_to_its_question_and_to_its_plan_as_long_as_no_later_one_waits(
    pool: Database, ledger: PostgresLedger
) -> None:
    settings = SharedSettings(owner=OWNER, answer_url="https://m.example/a/", answer_key=SecretStr("k" * 32))
    told = Told()
    outbox = Outbox(pool, OWNER, WEBHOOK, at_most_every=timedelta(), linked=linking(settings, WEBHOOK))
    await begin(pool, OWNER, CHANNELS)
    state = directive_with()
    task = next(iter(state.tasks))
    first, second = question(task, "Which port?"), question(task, "x" * 600)
    state = asking(state, first, second)
    whys = (event(EventName.QUESTION_ASKED, why=each.text[:500], task=task) for each in (first, second))
    await ledger.record(snapshot(state, Facts(events=tuple(whys)), "run", 1))
    await outbox.empty(told.send)
    links = [each.link for each in told.notices[0].happenings]
    assert all(link.startswith("https://m.example/a/") for link in links)
    opened = [read(link.rpartition("/")[2], b"k" * 32, OWNER, datetime.now(UTC)) for link in links]
    assert [each.question for each in opened] == [first.id, second.id]
    assert {each.channel for each in opened} == {WEBHOOK}
    assert not any(link in told.notices[0].text for link in links), "what is logged"
    assert all(link in told.notices[0].for_chat for link in links)

    plans = [Proposal(generation=1, base_commit=base * 40) for base in "ab"]
    for sequence, plan in enumerate(plans, 2):
        facts = Facts(events=(event(EventName.PLAN_PROPOSED, why=f"plan {sequence}"),))
        await ledger.record(snapshot(state.model_copy(update={"proposal": plan}), facts, "run", sequence))
    await outbox.empty(told.send)
    older, newer = told.notices[1].happenings
    assert older.link == "", "the plan that it tells of does not wait any more"
    assert read(newer.link.rpartition("/")[2], b"k" * 32, OWNER, datetime.now(UTC)).plan == plans[1].identity


async def test_a_kind_is_quiet_for_its_time_and_then_tells_all_at_once(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    slow = Outbox(pool, "me", WEBHOOK, at_most_every=timedelta(hours=1))
    await begin(pool, OWNER, CHANNELS)
    for sequence in (1, 2, 3):
        await happen(ledger, state, sequence, EventName.DIRECTIVE_PAUSED)
        await slow.empty(told.send)
    await happen(ledger, state, 4, EventName.PLAN_PROPOSED)
    await slow.empty(told.send)
    assert told.kinds == [NoticeKind.PAUSE, NoticeKind.APPROVAL]
    await outbox_of(pool).empty(told.send)
    assert [len(sent.happenings) for sent in told.notices] == [1, 1, 2]


async def test_a_notice_that_fails_stays_and_holds_up_no_other_kind(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told(refusals=1)
    outbox = outbox_of(pool)
    await begin(pool, OWNER, CHANNELS)
    await happen(ledger, state, 1, EventName.QUESTION_ASKED, EventName.DIRECTIVE_FAILED)
    with pytest.raises(NoticeFailed):
        await outbox.empty(told.send)
    assert told.kinds == [NoticeKind.FAILED]
    await outbox.empty(told.send)
    assert told.kinds == [NoticeKind.FAILED, NoticeKind.QUESTION]


async def test_of_many_workers_one_tells(pool: Database, ledger: PostgresLedger) -> None:
    state, told = directive_with(), Told()
    await begin(pool, OWNER, CHANNELS)
    await happen(ledger, state, 1, EventName.DIRECTIVE_IDLE)
    await asyncio.gather(*(outbox_of(pool).empty(told.send) for _ in range(5)))
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
    told, outbox = Told(), outbox_of(pool, owner="default")
    await begin(pool, "default", CHANNELS)
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
    outbox = outbox_of(pool)
    await begin(pool, OWNER, CHANNELS)
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
