"""Composition root 2: one daemon: settings → Temporal → runner → a worker for each of its queues."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.client import Client
from temporalio.worker import Worker

from activities.completion import CompletionActivities
from activities.planning import PlanningActivities
from activities.steps import StepActivities
from daemon import keeper
from daemon.environment import GitIdentity
from daemon.git import Git
from daemon.repositories import Repositories
from daemon.runner import Machine, Runner, nothing_more
from daemon.settings import DaemonSettings, load_daemon_settings
from daemon.slots import SharedSlots
from daemon.temporal_core import TemporalCore
from domain import names
from domain.errors import NotReachable, SettingsError
from domain.record import DaemonReport
from runtime.connection import connect_temporal
from runtime.exit import leave, run
from runtime.settings import Settings, load_settings

REPORT_EVERY = 30.0
"""Seconds between two reports of a daemon (DESIGN 4)."""
HEARTBEAT_THROTTLE = timedelta(seconds=5)
"""Bounds how late a cancel arrives (DESIGN 11)."""

logger = logging.getLogger("daemon")


class Environment(BaseSettings):
    """What only the daemon reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="MAKIMA_", env_ignore_empty=True, frozen=True, extra="ignore")

    daemon_config: Path | None = None
    test_hold_after_outcome: Path | None = None
    """Tests only: having published an outcome, make this file and wait to be killed, between push and report."""
    test_heartbeat_throttle: float = HEARTBEAT_THROTTLE.total_seconds()


async def build_runner(settings: Settings, own: DaemonSettings, environment: Environment, client: Client) -> Runner:
    """The daemon's own git, caches and agents behind the port of the activities."""
    home = settings.data_dir / "daemon" / own.name
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    git = Git(home / "git", dict(os.environ), allow_local=own.allow_local_repositories)
    await git.prepare()
    hold = environment.test_hold_after_outcome
    machine = Machine(
        name=own.name,
        owner=settings.owner,
        tasks_folder=home / "tasks",
        repositories=Repositories(git, home / "repositories"),
        agents=own.served(),
        identity=GitIdentity(own.committer_name, own.committer_email),
        core=TemporalCore(client),
        after_outcome=(lambda: hold_for_ever(hold)) if hold else nothing_more,
    )
    return Runner(machine)


async def hold_for_ever(mark: Path) -> None:
    """Tests only: say that the moment has come, and wait to be killed. Once: a second daemon passes by."""
    if not await asyncio.to_thread(mark.exists):
        await asyncio.to_thread(mark.touch)
        await asyncio.Event().wait()


def build_workers(
    client: Client, settings: Settings, own: DaemonSettings, runner: Runner, throttle: timedelta
) -> list[Worker]:
    """One worker a queue, the slots shared (DESIGN 10)."""
    slots = SharedSlots(own.capacity)
    planning = PlanningActivities(runner, client, own.name)
    steps = StepActivities(runner, client, own.name)
    completion = CompletionActivities(runner, client, own.name)
    return [
        Worker(
            client,
            task_queue=queue,
            activities=[planning.plan_directive, steps.execute_step, completion.complete_directive],
            tuner=slots.tuner(),
            interceptors=[slots],
            identity=f"daemon:{own.name}",
            max_heartbeat_throttle_interval=throttle,
        )
        for queue in (names.daemons_queue(settings.owner), names.daemon_queue(settings.owner, own.name))
    ]


async def report_for_ever(core: TemporalCore, settings: Settings, own: DaemonSettings, runner: Runner) -> None:
    """Tell the core every 30 s that this daemon is there (DESIGN 4); a core that is away is told again later."""
    while True:
        report = DaemonReport(
            owner=settings.owner,
            name=own.name,
            version=version("makima"),
            agents=tuple(own.served()),
            capacity=own.capacity,
            running=tuple(sorted(runner.running)),
        )
        try:
            await core.report(report)
        except NotReachable as error:
            logger.warning("%s", error)
        await asyncio.sleep(REPORT_EVERY)


async def main() -> int:
    settings = load_settings()
    environment = Environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if environment.daemon_config is None:
        raise SettingsError("MAKIMA_DAEMON_CONFIG is not set: it names the daemon's TOML file")
    own = load_daemon_settings(environment.daemon_config)
    keeper.become_subreaper()
    client = await connect_temporal(settings, identity=f"daemon:{own.name}")
    runner = await build_runner(settings, own, environment, client)
    throttle = timedelta(seconds=environment.test_heartbeat_throttle)
    workers = build_workers(client, settings, own, runner, throttle)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    reporting = asyncio.create_task(report_for_ever(TemporalCore(client), settings, own, runner))
    running = [asyncio.create_task(worker.run()) for worker in workers]
    logger.info("daemon %s of owner %s serves %s", own.name, settings.owner, ", ".join(own.served()) or "no agent")
    await asyncio.wait([*running, reporting, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(worker.shutdown() for worker in workers))
    await asyncio.gather(*running)
    return 0


if __name__ == "__main__":
    leave(run(main))
