"""A connection between a daemon and Temporal that is lost for longer than a heartbeat timeout (rule 5.4): no agent that
runs is stopped for it, and none goes on where nobody wants its work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psutil
import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import WorkflowHandle

from demo.demo_repository import git, make_origin
from domain.names import workflow_id
from tests.acceptance.stack import Running, Site, client_at, until
from tests.processes import has_ended
from tests.relay import ThreadedRelay, relay_to

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(900)]


class Counting:
    """A directive of one step. Its agent writes the next number into a file of the work, again and again, and notes its
    pid and its last number where no checkpoint reaches.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._folder = site.folder
        self.origin = make_origin(site.folder)
        script = (
            f"echo $$ >> {self._folder}/pids\n"
            "n=$(test ! -e count || tail -n 1 count)\n"
            f"until [ -e {self._folder}/go ]; do\n"
            f"  n=$((n + 1)); echo $n >> count; echo $n > {self._folder}/last-$$; echo number $n; sleep 0.1\n"
            "done\n"
        )
        plan = site.folder / "plan.json"
        plan.write_text(json.dumps({"steps": [{"name": "Count", "taskPlan": script}]}))
        given = ("--goal", "Counts", "--repo", str(self.origin), "--plan", str(plan), "--agent", "shell", "--on", "any")
        started = site.starter("start", "--title", "Counting", *given, "--timings", "fast", "--once", "--json")
        self.id = str(started.json()["id"])

    @property
    def pids(self) -> list[int]:
        """Of all agents that were started so far."""
        file = self._folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def last(self, pid: int) -> int:
        """The last number that this agent wrote."""
        file = self._folder / f"last-{pid}"
        return int(file.read_text() or 0) if file.exists() else 0

    def until_counting(self, starts: int) -> int:
        """Wait until that many agents were started, and the last of them counts; its pid."""
        until(lambda: len(self.pids) == starts, f"start {starts}")
        pid, before = self.pids[-1], self.last(self.pids[-1])
        until(lambda: self.last(pid) > before + 3, "an agent that counts")
        return pid

    def delivery(self) -> int:
        """Which delivery of the step's attempt the server wants or has; 0: none."""
        return asyncio.run(self._delivery())

    async def _delivery(self) -> int:
        told = (await (await self.handle()).describe()).raw_description
        return max((each.attempt for each in _steps(told)), default=0)

    def has_begun(self, delivery: int) -> bool:
        """Whether a daemon has taken that delivery."""
        return asyncio.run(self._has_begun(delivery))

    async def _has_begun(self, delivery: int) -> bool:
        told = (await (await self.handle()).describe()).raw_description
        begun = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        return any(each.attempt >= delivery and each.state == begun for each in _steps(told))

    async def handle(self) -> WorkflowHandle[Any, Any]:
        client = await client_at(self._site.servers)
        return client.get_workflow_handle(workflow_id("Counting", UUID(self.id)))

    def go(self) -> None:
        (self._folder / "go").touch()

    def shown(self) -> dict[str, Any]:
        return self._site.status(self.id)

    def until_over(self) -> dict[str, Any]:
        until(lambda: self.shown()["status"] == "completed", "the directive's end")
        return self.shown()

    def refs(self, below: str) -> list[str]:
        return git(self.origin, "for-each-ref", "--format=%(refname)", below).splitlines()

    def counted(self, ref: str) -> list[int]:
        return [int(line) for line in git(self.origin, "show", f"{ref}:count").split()]

    def is_saved(self, number: int) -> bool:
        """Whether a checkpoint holds all numbers up to this one, and no number twice."""
        saved = [self.counted(ref) for ref in self.refs("refs/makima/checkpoints")]
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in saved)
        return any(len(numbers) >= number for numbers in saved)

    def check_once(self, last: int) -> None:
        """The step's branch holds each number once, up to the last one that was written, in one commit."""
        [step] = self.shown()["steps"]
        assert self.counted(step["branch"]) == list(range(1, last + 1))
        assert git(self.origin, "rev-list", "--count", f"main..{step['branch']}").strip() == "1"
        assert len(self.refs("refs/makima/outcomes")) == 2, "the step's and the completion's"
        assert self.refs("refs/makima/checkpoints") == []


def _steps(told: Any) -> list[Any]:
    assert isinstance(told, DescribeWorkflowExecutionResponse)
    return [each for each in told.pending_activities if each.activity_type.name == "execute_step"]


@pytest.fixture
def relay(site: Site) -> Iterator[ThreadedRelay]:
    with relay_to(site.servers.addresses.temporal_address) as between:
        yield between


def one_slot(site: Site, relay: ThreadedRelay) -> Running:
    """A daemon that runs one agent at a time, behind the relay."""
    return site.daemon("one", further="capacity = 1", TEMPORAL_ADDRESS=relay.address)


def test_an_agent_works_through_an_outage_and_is_never_started_again(site: Site, relay: ThreadedRelay) -> None:
    site.worker()
    one_slot(site, relay)
    counting = Counting(site)
    pid = counting.until_counting(1)
    began = psutil.Process(pid).create_time()
    relay.freeze()
    until(lambda: counting.delivery() >= 2, "the loss of the first delivery")
    relay.thaw()
    until(lambda: counting.has_begun(2), "the next delivery")
    assert counting.until_counting(1) == pid
    assert psutil.Process(pid).create_time() == began
    counting.go()
    shown = counting.until_over()
    assert counting.pids == [pid]
    assert [(step["daemon"], step["attempt"]) for step in shown["steps"]] == [("one", 1)]
    counting.check_once(counting.last(pid))
    lines = until(lambda: _whole_log(site, counting, pid), "the whole log").splitlines()
    numbers = [line for line in lines if line.startswith("number ")]
    assert len(numbers) == len(set(numbers)) == counting.last(pid), "each line of the log was sent once"


def _whole_log(site: Site, counting: Counting, pid: int) -> str:
    text = site.starter("logs", counting.id, "Count").out
    return text if f"number {counting.last(pid)}\n" in text else ""


def test_where_another_daemon_gets_the_next_delivery_the_first_ones_agent_is_stopped_and_its_work_saved(
    site: Site, relay: ThreadedRelay
) -> None:
    site.worker()
    one_slot(site, relay)
    counting = Counting(site)
    first = counting.until_counting(1)
    [ref] = until(lambda: counting.refs("refs/makima/checkpoints"), "a checkpoint")
    site.daemon("two", further="capacity = 1")
    relay.freeze()
    second = counting.until_counting(2)
    assert not has_ended(first), "without word from the server it goes on"
    done = counting.last(first)
    relay.thaw()
    until(lambda: has_ended(first), "the end of the first agent")
    until(lambda: len(counting.counted(ref)) >= done, "the first agent's work, saved")
    counting.go()
    shown = counting.until_over()
    assert counting.pids == [first, second]
    assert [(step["daemon"], step["attempt"]) for step in shown["steps"]] == [("two", 1)]
    until(lambda: counting.refs("refs/makima/checkpoints") == [], "no checkpoint is left")
    counting.check_once(counting.last(second))


@pytest.mark.rule("2.9")
@pytest.mark.parametrize("how", ["pause", "archive", "terminate"])
def test_what_is_called_back_during_an_outage_is_saved_and_stopped(site: Site, relay: ThreadedRelay, how: str) -> None:
    site.worker()
    one_slot(site, relay)
    counting = Counting(site)
    pid = counting.until_counting(1)
    relay.freeze()
    if how == "terminate":
        asyncio.run(_terminated(counting))
    else:
        assert site.starter(how, counting.id, {"pause": "--now", "archive": "--yes"}[how]).code == 0
        until(lambda: counting.delivery() == 0, "the server gives the delivery up")
    assert not has_ended(pid)
    done = counting.last(pid)
    relay.thaw()
    until(lambda: has_ended(pid), "the agent's end")
    until(lambda: counting.is_saved(done), "its work, saved")
    assert counting.refs("refs/heads") == ["refs/heads/main"]
    assert counting.pids == [pid]
    if how == "pause":
        assert site.starter("resume", counting.id).code == 0
        again = counting.until_counting(2)
        counting.go()
        counting.until_over()
        counting.check_once(counting.last(again))


async def _terminated(counting: Counting) -> None:
    await (await counting.handle()).terminate()
