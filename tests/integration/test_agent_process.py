"""Running a program for a task: its output, its limits, its end, and nothing of it left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from daemon.process.agent_process import PIECE_LIMIT, TAIL_LIMIT, Talk, run_agent
from daemon.process.program import AgentCommand, EndedBy, ProcessEnd
from domain.directive_settings import Limits
from tests.descriptors import open_descriptors

LONG = Limits(time=timedelta(minutes=1))


class Run:
    """One program's run; `said` is what it has printed so far."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.folder = folder
        self.stop = asyncio.Event()
        self.token = str(uuid4().int)[:12]

    async def __call__(
        self, script: str, *, stdin: bytes = b"", limits: Limits = LONG, talk: Talk | None = None
    ) -> ProcessEnd:
        command = AgentCommand(("sh", "-c", script, "sh", self.token), stdin, talks=talk is not None)
        env = {"PATH": os.environ["PATH"], "MAKIMA_TASK_DIR": str(self.folder)}
        return await run_agent(
            command, cwd=self.folder, env=env, sink=self.hear, limits=limits, stop=self.stop, grace=0.1, talk=talk
        )

    def hear(self, piece: str) -> None:
        self.said.append(piece)

    async def has_said(self, piece: str) -> None:
        async with asyncio.timeout(60):
            while piece not in self.said:
                await asyncio.sleep(0.01)

    def left(self) -> list[psutil.Process]:
        return processes_with(self.token)


def processes_with(token: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if token in (process.info["cmdline"] or ())]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """A runner that leaves neither a process nor a descriptor behind."""
    run, before = Run(tmp_path), open_descriptors()
    yield run
    await asyncio.sleep(0)  # closing a transport takes one turn of the loop
    assert not run.left()
    assert not open_descriptors() - before


async def test_output_and_errors_come_as_lines_in_one_stream(run: Run) -> None:
    end = await run("echo one; echo two >&2; printf three")
    assert run.said == ["one\n", "two\n", "three"]
    assert end == ProcessEnd(0, EndedBy.EXIT, "one\ntwo\nthree")


async def test_the_exit_code_is_the_programs_own(run: Run) -> None:
    assert (await run("exit 7")).exit_code == 7
    assert (await run("kill -TERM $$")).exit_code == 143


async def test_a_program_that_is_not_there_ends_with_127(run: Run) -> None:
    end = await run_agent(AgentCommand(("no-such-program",)), cwd=run.folder, env={}, sink=run.hear, limits=LONG)
    assert end.exit_code == 127
    assert "no-such-program" in end.tail


async def test_a_line_that_is_too_long_comes_in_pieces(run: Run) -> None:
    await run(f"printf '%0{2 * PIECE_LIMIT + 5}d\\nnext\\n' 0")
    assert [len(piece) for piece in run.said] == [PIECE_LIMIT, PIECE_LIMIT, 6, 5]
    assert "".join(run.said).endswith("0\nnext\n")


async def test_bytes_that_are_no_text_do_no_harm(run: Run) -> None:
    await run(r"printf 'a\377b\n\303'")
    assert run.said == ["a\ufffdb\n", "\ufffd"]


async def test_a_flood_arrives_whole_and_only_its_end_is_kept(run: Run) -> None:
    end = await run("yes 0123456789 | head -n 500000")
    assert len(run.said) == 500_000
    assert end.tail == ("0123456789\n" * 500)[-TAIL_LIMIT:]


async def test_the_prompt_is_on_stdin_and_need_not_be_read(run: Run) -> None:
    prompt = b"x" * 1_000_000
    assert (await run("wc -c", stdin=prompt)).tail.strip() == "1000000"
    assert (await run("echo done", stdin=prompt)).exit_code == 0
    assert (await run("cat")).exit_code == 0


@pytest.mark.rule("5.7")
async def test_the_time_limit_ends_it(run: Run) -> None:
    end = await run("while :; do echo on; sleep 0.02; done", limits=Limits(time=timedelta(seconds=0.3)))
    assert end.ended_by is EndedBy.TIME_LIMIT


@pytest.mark.rule("5.7")
async def test_silence_ends_it_and_output_keeps_it_alive(run: Run) -> None:
    limits = Limits(time=timedelta(minutes=1), no_output=timedelta(seconds=0.4))
    end = await run("for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; sleep 100", limits=limits)
    assert end.ended_by is EndedBy.NO_OUTPUT
    assert end.tail == "1\n2\n3\n4\n5\n6\n"


async def test_a_program_that_closes_its_output_is_waited_for(run: Run) -> None:
    assert (await run("exec >&- 2>&-; sleep 0.1; exit 3")).exit_code == 3


@pytest.mark.rule("6.10")
async def test_a_stop_ends_it_with_all_that_it_started(run: Run) -> None:
    running = asyncio.create_task(run("setsid sleep $1 & echo up; sleep $1"))
    await run.has_said("up\n")
    run.stop.set()
    assert (await running).ended_by is EndedBy.STOPPED


@pytest.mark.rule("6.10")
async def test_cancellation_comes_back_only_when_the_tree_is_gone(run: Run) -> None:
    running = asyncio.create_task(run('trap "" INT; setsid sleep $1 & echo up; while :; do sleep 1; done'))
    await run.has_said("up\n")
    running.cancel()
    await asyncio.sleep(0)  # it has heard of it, and nothing has ended yet
    assert run.left()
    running.cancel()  # a second one changes nothing
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not run.left()


@pytest.mark.rule("6.10")
async def test_a_log_that_cannot_be_written_ends_it(run: Run) -> None:
    def full(piece: str) -> None:
        raise OSError("disk full")

    command = AgentCommand(("sh", "-c", "echo up; sleep $1", "sh", run.token))
    with pytest.raises(OSError, match="disk full"):
        await run_agent(command, cwd=run.folder, env={}, sink=full, limits=LONG, grace=0.1)


async def test_what_keeps_the_pipe_open_from_outside_does_not_hold_it_up(run: Run) -> None:
    """A service that was handed the pipe, which no keeper may end."""
    running = asyncio.create_task(run("echo $$; read line < $1.go", limits=LONG))
    os.mkfifo(run.folder / f"{run.token}.go")
    async with asyncio.timeout(60):
        while not run.said:
            await asyncio.sleep(0.01)
    outside = os.open(f"/proc/{run.said[0].strip()}/fd/1", os.O_WRONLY)
    try:
        (run.folder / f"{run.token}.go").write_text("\n")
        assert (await running).exit_code == 0
    finally:
        os.close(outside)


@pytest.mark.rule("6.10")
async def test_an_agent_that_stops_its_keeper_is_ended_all_the_same(run: Run) -> None:
    running = asyncio.create_task(run("kill -STOP $PPID; echo up; sleep $1"))
    await run.has_said("up\n")
    run.stop.set()
    async with asyncio.timeout(60):
        assert (await running).ended_by is EndedBy.STOPPED


@pytest.mark.rule("6.10")
@pytest.mark.parametrize("signal", ["KILL", "USR1"])
def test_an_agent_that_kills_its_keeper_is_ended_by_the_daemon(signal: str) -> None:
    """In a process of its own, since it is a subreaper and ends every child that it didn't start."""
    token = str(uuid4().int)[:12]
    cleared = f"env -i setsid sleep {token} & until grep -q sleep /proc/$!/comm; do sleep 0.01; done"
    script = f"{cleared}; setsid sleep {token} & kill -{signal} $PPID; sleep {token}"
    program = textwrap.dedent(f"""
        import asyncio, datetime, pathlib, subprocess
        from daemon.process import agent_process
        from daemon.process import keeper
        from daemon.process.program import AgentCommand
        from domain.directive_settings import Limits
        keeper.become_subreaper()
        bystander = subprocess.Popen(("sleep", "100"), process_group=0)
        end = asyncio.run(agent_process.run_agent(
            AgentCommand(("sh", "-c", {script!r})), cwd=pathlib.Path("/"), env={{"MAKIMA_TASK_DIR": "/nowhere"}},
            sink=[].append, limits=Limits(time=datetime.timedelta(minutes=1)), grace=0.1))
        print(end.exit_code, bystander.poll())
        bystander.kill()
        bystander.wait()
    """)
    said = subprocess.run((sys.executable, "-c", program), check=False, capture_output=True, text=True, timeout=30)
    assert said.stdout.split() == [{"KILL": "137", "USR1": "138"}[signal], "None"], said.stderr
    assert not processes_with(token)


async def test_a_program_that_is_written_to_reads_it_and_the_end(run: Run) -> None:
    complaints: list[str] = []
    talk = Talk(complaints.append)
    script = 'read a; echo "got $a"; read b; echo "got $b" >&2; cat'
    running = asyncio.create_task(run(script, stdin=b"one\n", talk=talk))
    await run.has_said("got one\n")
    talk.stdin.write(b"two\n")
    talk.stdin.write(b"x" * 300_000)
    talk.stdin.close()
    ended = await running
    assert ended.succeeded
    assert complaints == ["got two\n"]
    assert sum(map(len, run.said)) == len("got one\n") + 300_000


async def test_a_program_that_does_not_listen_stops_nobody(run: Run) -> None:
    talk = Talk(run.hear)
    running = asyncio.create_task(run("exec <&-; echo deaf; sleep 0.2", stdin=b"x" * 300_000, talk=talk))
    await run.has_said("deaf\n")
    talk.stdin.write(b"more")
    assert (await running).succeeded
    talk.stdin.write(b"too late")


async def test_a_program_that_says_it_is_done_and_does_not_end_is_ended(run: Run) -> None:
    talk = Talk(run.hear)
    running = asyncio.create_task(run("echo done; sleep 600", talk=talk))
    await run.has_said("done\n")
    talk.linger.start(60)
    talk.linger.cancel()
    talk.linger.start(0.2)
    assert (await running).ended_by is EndedBy.LINGERED
    assert not run.left()


SERVER = "import socket; s = socket.create_server(('127.0.0.1', 0)); print('serves', flush=True); s.accept()"


async def test_a_server_that_was_left_holds_nobody_and_other_work_in_the_background_does(run: Run) -> None:
    talk = Talk(run.hear)
    running = asyncio.create_task(run(f'sleep 600 & {sys.executable} -c "{SERVER}" & wait', talk=talk))
    await run.has_said("serves\n")
    talk.linger.start(600, beside_server=0.2)
    assert (await running).ended_by is EndedBy.LINGERED
    assert talk.linger.server
    assert not run.left()
    talk, long_enough = Talk(run.hear), 3.0
    running = asyncio.create_task(run("echo builds; sleep 600 & wait", talk=talk))
    await run.has_said("builds\n")
    talk.linger.start(long_enough, beside_server=0.1)
    assert (await running).ended_by is EndedBy.LINGERED
    assert not talk.linger.server
