"""An attempt's log, from what an agent prints to what the record keeps (rule 6.11, design 4)."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.logs import log_sender, task_log
from daemon.logs.log_sender import NOTE, LogBacklog, Way
from daemon.logs.log_times import MARKS, Marks
from daemon.logs.log_window import CHUNK_BYTES, ArrivedPieces, Piece
from daemon.logs.masking import MASK, Masker
from daemon.logs.task_log import TaskLog
from daemon.process.agent_process import run_agent
from daemon.process.program import AgentCommand
from domain.daemon_messages import (
    LATEST,
    LOG_BYTES,
    LOG_HEAD_BYTES,
    LOG_TAIL_BYTES,
    MAX_TIMES,
    Artifact,
    DaemonReport,
    LogChunk,
    UsageReport,
    UsedBeside,
)
from domain.directive_settings import Limits
from domain.errors import NotReachable
from domain.spawn_task import SpawnTask
from domain.statuses import TaskKind
from ledger.pool import Database
from ledger.reader import Record
from ledger.writer import PostgresLedger
from steering.following import LOOK_EVERY, TaskReader
from tests.integration.deliveries import until
from tests.integration.records import log_of

pytestmark = pytest.mark.rule("6.11")
MIB = 1024 * 1024
SECRET = "ghp_" + "a1B2" * 9


class LedgerAsCore:
    """The record behind the daemon's port; while it is `away` nothing arrives. Counts what went over the line."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger
        self.away = False
        self.bytes = 0
        self.tried = 0

    async def append_log(self, chunk: LogChunk) -> None:
        self.tried += 1
        if self.away:
            raise NotReachable("nobody takes it")
        await self._ledger.append_log(chunk)
        self.bytes += len(chunk.text.encode())

    async def put_artifact(self, artifact: Artifact) -> None:
        raise NotReachable("no artifact is put here")

    async def report(self, report: DaemonReport) -> None:
        raise NotReachable("nothing is reported here")

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        raise NotReachable("nothing is reported here")


@pytest.fixture
def core(ledger: PostgresLedger) -> LedgerAsCore:
    return LedgerAsCore(ledger)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait between two tries, so that a test takes no longer than its work."""
    monkeypatch.setattr(log_sender, "SEND_EVERY", 0.02)
    monkeypatch.setattr(log_sender, "RETRY_AFTER", 0.02)


class Task:
    """One delivery's log in a folder of its own."""

    def __init__(self, tasks: Path, core: LedgerAsCore) -> None:
        self.id = uuid4()
        self.core = core
        self.tasks = tasks
        self.folder = tasks / str(self.id)
        self.file = self.folder / "task" / "log.txt"
        self.file.parent.mkdir(parents=True)

    @asynccontextmanager
    async def log(self, backlog: LogBacklog | None = None) -> AsyncIterator[TaskLog]:
        log = TaskLog(self.file, command(self.id), "d1", self.core, Masker(["own-secret-of-it"]), backlog)
        async with log.sending():
            yield log

    @property
    def whole(self) -> str:
        return self.file.read_text()


@pytest.fixture
def task(tmp_path: Path, core: LedgerAsCore) -> Task:
    return Task(tmp_path / "tasks", core)


def command(task: UUID) -> SpawnTask:
    return SpawnTask(
        task=task,
        name="a step",
        kind=TaskKind.STEP,
        attempt=1,
        owner="me",
        directive=uuid4(),
        directive_title="A house",
        generation=1,
        prompt="build",
        repository="/r",
        base_branch="main",
        limits=Limits(time=timedelta(minutes=5)),
    )


def lines(bytes_wanted: int, word: str = "größe") -> str:
    line = f"{{:08}} {word}\n"
    return "".join(line.format(number) for number in range(bytes_wanted // len(line.format(0).encode()) + 1))


@pytest.mark.usefixtures("quick")
async def test_a_short_log_arrives_whole(task: Task, record: Record) -> None:
    async with task.log() as log:
        log.append("one\n")
        log.append("nul \0, half a line")
        log.add_line("the agent has ended")
        log.append("three\n")
    assert task.whole == "one\nnul \ufffd, half a line[makima] the agent has ended\nthree\n"
    assert await log_of(record, task.id) == task.whole
    assert not (task.folder / NOTE).exists()


async def test_a_line_can_be_followed_while_the_agent_works_within_four_seconds(task: Task, record: Record) -> None:
    async with task.log() as log:
        reader = TaskReader(record, uuid4(), task.id)
        for number in range(2):
            log.append(f"line {number}\n")
            heard = ""
            async with asyncio.timeout(60):
                while not heard:
                    heard = "".join([piece.text async for _, pieces in reader.news() for piece in pieces])
                    await asyncio.sleep(0.02)
            assert heard == f"line {number}\n"
    assert log_sender.SEND_EVERY + LOOK_EVERY < 4


@pytest.mark.usefixtures("quick")
async def test_what_is_written_has_the_second_in_which_it_was_also_where_it_arrives_much_later(
    task: Task, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_log, "LAST_CHUNKS_WITHIN", 0.1)
    task.core.away = True
    began = datetime.now(UTC).replace(microsecond=0)
    async with task.log() as log:
        log.append("eins und zwölf\n")
        await until(lambda: datetime.now(UTC) > began + timedelta(seconds=2))
        log.append("zwei\n")
    ended = datetime.now(UTC)
    task.core.away = False
    backlog = LogBacklog(task.core)  # of the next daemon
    backlog.load(task.tasks)
    sending = asyncio.create_task(backlog.send_for_ever())
    await until(lambda: not (task.folder / NOTE).exists())
    ((_, (one, two)),) = [each async for each in TaskReader(record, uuid4(), task.id).news()]
    assert (one.text, two.text) == ("eins und zwölf\n", "zwei\n")
    assert began <= one.at < two.at <= ended
    sending.cancel()
    await asyncio.wait({sending})


@pytest.mark.usefixtures("quick")
async def test_a_log_whose_times_are_nowhere_or_damaged_arrives_whole(task: Task, record: Record) -> None:
    (task.folder / MARKS).mkdir()
    async with task.log() as log:
        log.append("one\n")
    marks = Marks(task.folder / "damaged")
    marks.note(0)
    (task.folder / "damaged").write_bytes(b"\xff" * 40)
    assert marks.of(Piece(0, 4)) == ()
    (task.folder / "damaged").write_bytes(b"\xff" * 16)
    assert all(at <= LATEST for _, at in marks.of(Piece(0, 4)))
    marks.close()
    assert await log_of(record, task.id) == "one\n"


def test_of_very_many_times_a_chunk_has_only_some(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    (tmp_path / "marks").write_bytes(b"".join(struct.pack(">QQ", 2 * at, at) for at in range(20_000)))
    times = marks.of(Piece(11, 39_000))
    assert times[:1] == ((11, 5),)
    assert 500 < len(times) <= MAX_TIMES
    assert marks.of(Piece(11, 12)) == ((11, 5),)
    marks.close()


async def test_a_full_chunk_goes_at_once(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_sender, "SEND_EVERY", 3600)
    async with task.log() as log:
        log.append(lines(CHUNK_BYTES))
        await until(lambda: task.core.bytes >= CHUNK_BYTES)


@pytest.mark.usefixtures("quick")
async def test_a_log_of_eight_mib_is_kept_whole(task: Task, record: Record) -> None:
    async with task.log() as log:
        log.append(lines(LOG_BYTES - 100))
    assert await log_of(record, task.id) == task.whole


@pytest.mark.usefixtures("quick")
async def test_of_a_long_log_the_beginning_and_the_end_are_kept_and_the_missing_bytes_are_counted(
    task: Task, record: Record, pool: Database
) -> None:
    async with task.log() as log:
        for number in range(24):
            log.append(lines(MIB, f"grün {number}"))
            tried = task.core.tried
            await until(lambda: task.core.tried > tried)  # noqa: B023
    kept, whole = await log_of(record, task.id), task.whole.encode()
    first, rest = kept.split("\n[… ")
    missing, last = rest.split(" bytes are missing here: the whole log is on the daemon's machine …]\n")
    assert abs(len(first.encode()) - LOG_HEAD_BYTES) < 4
    assert LOG_TAIL_BYTES - CHUNK_BYTES <= len(last.encode()) <= LOG_TAIL_BYTES
    assert int(missing) == len(whole) - len(first.encode()) - len(last.encode())
    assert whole.startswith(first.encode())
    assert whole.endswith(last.encode())
    stored = await pool.fetchval("select sum(octet_length(text)) from task_logs where task = $1", task.id)
    assert stored <= LOG_BYTES
    # What is sent while it runs is bounded by a rate, not by what the agent prints.
    assert task.core.bytes < len(whole)


async def test_the_deliveries_of_an_attempt_share_its_limit(ledger: PostgresLedger, pool: Database) -> None:
    task, directive = uuid4(), uuid4()
    for delivery in ("d1", "d2"):
        for offset in range(0, 5 * MIB, CHUNK_BYTES):
            text = f"{delivery} ".ljust(CHUNK_BYTES, ".")
            await ledger.append_log(
                LogChunk(directive=directive, task=task, attempt=1, delivery=delivery, offset=offset, text=text)
            )
    query = "select delivery, sum(octet_length(text))::int from task_logs where task = $1 group by 1 order by 1"
    assert [tuple(row) for row in await pool.fetch(query, task)] == [("d1", 3 * MIB), ("d2", 5 * MIB)]


@pytest.mark.usefixtures("quick")
async def test_while_the_core_is_away_nothing_is_lost_that_the_limit_keeps(task: Task, record: Record) -> None:
    async with task.log() as log:
        task.core.away = True
        log.append(lines(3 * MIB))
        await until(lambda: task.core.tried > 5)
        log.append(lines(MIB, "later"))
        task.core.away = False
    assert await log_of(record, task.id) == task.whole


@pytest.mark.usefixtures("quick")
async def test_what_is_left_at_the_end_of_a_task_goes_when_the_core_is_back(
    task: Task, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_log, "LAST_CHUNKS_WITHIN", 0.1)
    backlog = LogBacklog(task.core)
    sending = asyncio.create_task(backlog.send_for_ever())
    task.core.away = True
    async with task.log(backlog) as log:
        log.append(lines(MIB))
    assert await log_of(record, task.id) == ""
    task.core.away = False
    await until(lambda: not (task.folder / NOTE).exists())
    assert await log_of(record, task.id) == task.whole
    sending.cancel()
    await asyncio.wait({sending})


@pytest.mark.usefixtures("quick")
async def test_the_next_daemon_sends_what_one_has_left_that_was_killed(
    task: Task, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_log, "LAST_CHUNKS_WITHIN", 0.1)
    async with task.log() as log:
        log.append(lines(MIB))
        await until(lambda: task.core.bytes > 2 * CHUNK_BYTES)
        task.core.away = True
        log.append(lines(MIB, "later"))
    task.core.away = False
    assert len(await log_of(record, task.id)) < len(task.whole)
    for broken in ("gone", "linked"):
        shutil.copytree(task.folder, task.tasks / broken)
        (task.tasks / broken / "task" / "log.txt").unlink()
    (task.tasks / "linked" / "task" / "log.txt").symlink_to(__file__)
    backlog = LogBacklog(task.core)
    backlog.load(task.tasks)
    sending = asyncio.create_task(backlog.send_for_ever())
    await until(lambda: not (task.folder / NOTE).exists())
    assert await log_of(record, task.id) == task.whole
    assert not list(task.tasks.glob(f"*/{NOTE}"))
    sending.cancel()
    await asyncio.wait({sending})


@pytest.mark.usefixtures("quick")
async def test_a_chunk_of_which_nobody_knows_if_it_has_arrived_goes_again_as_it_was(
    task: Task, record: Record, ledger: PostgresLedger
) -> None:
    task.file.write_text("first second\n")
    told = {"directive": uuid4(), "task": task.id, "attempt": 1, "delivery": "d1"}
    # The daemon was killed after the ledger had it, and before it heard so; its agent had gone on.
    await ledger.append_log(LogChunk.model_validate({**told, "offset": 0, "text": "first "}))
    way = Way.model_validate({**told, "under_way": Piece(0, 6)})
    (task.folder / NOTE).write_text(way.model_dump_json())
    backlog = LogBacklog(task.core)
    backlog.load(task.tasks)
    sending = asyncio.create_task(backlog.send_for_ever())
    await until(lambda: not (task.folder / NOTE).exists())
    assert await log_of(record, task.id) == "first second\n"
    sending.cancel()
    await asyncio.wait({sending})


@pytest.mark.usefixtures("quick")
async def test_no_secret_leaves_the_machine_nor_stands_in_a_heartbeat(task: Task, record: Record) -> None:
    async with task.log() as log:
        for piece in ("token ", SECRET[:9], f"{SECRET[9:]}\n", "and own-sec", "ret-of-it at the end"):
            log.append(piece)
            assert SECRET not in log.last_line
        assert log.tail(1000) == f"token {MASK}\nand {MASK} at the end"
        assert log.last_line == f"and {MASK} at the end"
    assert await log_of(record, task.id) == f"token {MASK}\nand {MASK} at the end"


@pytest.mark.usefixtures("quick")
async def test_the_tail_of_a_program_does_not_show_what_was_printed_before_it(task: Task) -> None:
    async with task.log() as log:
        log.append("setup\n")
        begun = log.size
        log.append("the program: größe\n")
        assert log.tail(100, since=begun) == "the program: größe\n"
        assert log.tail(4, since=begun) == "ße\n"[-3:]


async def test_a_hundred_mb_of_output_take_little_memory_and_the_agent_never_waits(task: Task, record: Record) -> None:
    line = "a line of output " * 15
    script = f"yes '{line}' | head -c {100 * MIB}"
    async with task.log() as log:
        reset_peak()
        before = memory("VmRSS")
        await run_agent(
            AgentCommand(("sh", "-c", script)),
            cwd=task.folder,
            env={"PATH": os.environ["PATH"], "MAKIMA_TASK_DIR": str(task.folder)},
            sink=log.append,
            limits=Limits(time=timedelta(minutes=2)),
        )
    assert task.file.stat().st_size == 100 * MIB
    assert memory("VmHWM") - before < 32 * MIB
    assert len(await log_of(record, task.id)) <= LOG_BYTES + 200


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) * 1024


def test_a_log_that_has_used_up_its_rate_goes_on_at_its_newest_end() -> None:
    sent = ArrivedPieces((Piece(0, LOG_BYTES),), LOG_BYTES)
    assert sent.next_live(20 * MIB) == Piece(20 * MIB - CHUNK_BYTES, 20 * MIB)
    assert sent.next_live(LOG_BYTES + CHUNK_BYTES) == Piece(LOG_BYTES, LOG_BYTES + CHUNK_BYTES)
    assert ArrivedPieces((Piece(0, MIB),), MIB).next_live(20 * MIB) == Piece(MIB, MIB + CHUNK_BYTES)


@pytest.mark.parametrize("size", [0, 1, LOG_HEAD_BYTES, LOG_BYTES, LOG_BYTES + 1, 40 * MIB])
@pytest.mark.parametrize("live", [(0, 0), (3 * MIB, 5), (40 * MIB, 200)])
def test_in_the_end_the_first_and_the_last_bytes_have_arrived(size: int, live: tuple[int, int]) -> None:
    sent, until_size, rounds = ArrivedPieces(), *live
    for each in range(rounds):
        if piece := sent.next_live(min(size, until_size * each // rounds)):
            sent = sent.plus(piece)
    while piece := sent.next_last(size):
        assert piece.end - piece.start <= CHUNK_BYTES
        sent = sent.plus(piece)
    arrived = missing_in(sent)
    assert not arrived(Piece(0, min(size, LOG_HEAD_BYTES)))
    assert not arrived(Piece(max(0, size - LOG_TAIL_BYTES), size))


def missing_in(sent: ArrivedPieces) -> Callable[[Piece], bool]:
    def missing(wanted: Piece) -> bool:
        within = any(piece.start <= wanted.start and wanted.end <= piece.end for piece in sent.pieces)
        return wanted.start < wanted.end and not within

    return missing
