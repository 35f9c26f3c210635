"""`starter.py doctor`: the servers, the worker and the daemons as the operator reaches them, and this machine's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import DoctorShown
from cli.operator.printing import print_json, print_lines
from domain import names
from domain.errors import MakimaError
from domain.health_report import Check, Health, all_of, failed, good, warning
from domain.reports import DaemonSeen

POLLS_WITHIN = 90.0
"""Seconds: a poll waits for 60 before it is made anew."""


class DoctorCommand(Commands):
    """Looks at everything, and goes on where something is missing."""

    def add_to(self, app: typer.Typer) -> None:
        app.command("doctor")(self.doctor)

    def doctor(
        self,
        repository: Annotated[
            str, typer.Option(metavar="URL", help="Also: may the daemon of this machine push there?")
        ] = "",
        push: Annotated[
            bool,
            typer.Option("--push", help="Push a branch and a ref there for a moment: hooks answer nothing else."),
        ] = False,
        branch_prefix: Annotated[
            str, typer.Option(help="What branches are to begin with; else what .makima.toml there says, else makima/.")
        ] = "",
        base_branch: Annotated[str, typer.Option(help="Whose .makima.toml counts; else the default branch's.")] = "",
        as_json: Json = False,
    ) -> None:
        """Look at everything that is needed: a line each, with the remedy. Nothing is spent; 0: all is there.

        Example: starter.py doctor --repository git@example.com:team/shop.git
        """
        given = {"--repository": repository, "--branch-prefix": branch_prefix, "--base-branch": base_branch}
        # Joined: a text that begins with a dash is no option.
        options = [f"{name}={value}" for name, value in given.items() if value] + ["--push"] * push
        self.run(self._doctor(repository, options, as_json=as_json))

    async def _doctor(self, repository: str, options: Sequence[str], *, as_json: bool) -> int:
        own = [*await self._servers(), *await self._recorded(), *await self.connections.notice_checks()]
        local = await self.connections.local_daemon(options)
        health = all_of([*own, *local_checks(local, {check.about for check in own}, repository)])
        if as_json:
            print_json(DoctorShown(checks=health.checks))
        else:
            print_lines(health.lines())
        return 0 if health.is_good else 1

    async def _servers(self) -> list[Check]:
        try:
            client = await self.connections.temporal()
            return [good("Temporal", client.service_client.config.target_host), await _worker(client)]
        except MakimaError as error:
            return [failed("Temporal", str(error))]

    async def _recorded(self) -> list[Check]:
        try:
            async with self.connections.record() as record:
                daemons = await record.daemons(self.connections.owner)
        except MakimaError as error:
            return [failed("Postgres", str(error))]
        return [good("Postgres", "answers, and holds the record"), *daemon_checks(daemons)]


async def _worker(client: Client) -> Check:
    queue = TaskQueue(name=names.DIRECTIVES_QUEUE)
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    asked = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
    try:
        pollers = (await client.workflow_service.describe_task_queue(asked)).pollers
    except RPCError as error:
        return failed("worker", f"Temporal does not say: {error}", "look at Temporal's log")
    lately = {each.identity for each in pollers if time.time() - each.last_access_time.seconds < POLLS_WITHIN}
    if not lately:
        return failed("worker", "none has asked for work lately", "start one: python worker.py, or starter.py up")
    return good("worker", ", ".join(sorted(lately)))


def daemon_checks(daemons: Sequence[DaemonSeen]) -> list[Check]:
    """The owner's daemons that have reported lately; pure."""
    lately = [daemon for daemon in daemons if daemon.reported_lately]
    if not lately:
        return [failed("daemons", "none has reported lately", "start one: python -m daemon, or starter.py up")]
    return [_daemon(each) for each in lately]


def local_checks(local: Health | None, shown: set[str], repository: str) -> list[Check]:
    """What the daemon of this machine says of itself, without what is `shown` already; pure."""
    if local is None:
        where = "run `python -m daemon doctor --repository URL` where a daemon runs"
        return [failed("repository", "this machine has no daemon's settings", where)] if repository else []
    return [check for check in local.checks if check.about not in shown]


def _daemon(daemon: DaemonSeen) -> Check:
    about = f"daemon {daemon.name}"
    agents = ", ".join(daemon.agents) or "no agent"
    found = f"serves {agents}; {daemon.free} of {daemon.capacity} slots free; sandbox: {daemon.sandbox}"
    return warning(about, found, "; ".join(daemon.parked)) if daemon.parked else good(about, found)
