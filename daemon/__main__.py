"""Composition root 2: one daemon: settings → Temporal → runner → a worker for each of its queues."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.client import Client
from temporalio.worker import Worker

from activities.completion import CompletionActivities
from activities.issues import IssueActivities
from activities.planning import PlanningActivities
from activities.presence import alone_of_its_name, answer_presence
from activities.pull_requests import PullRequestActivities
from activities.start_checks import AT_ONCE, StartCheckActivities
from activities.steps import StepActivities
from daemon.commands import build_app
from daemon.core.slots import SharedSlots
from daemon.core.temporal_core import TemporalCore
from daemon.doctor.checks import Wanted
from daemon.doctor.examination import Examination
from daemon.doctor.start_checks import StartChecker
from daemon.forges.api import ApiTimings
from daemon.forges.registry import Forges
from daemon.home import Home, House, masker_of, open_home, search_path_in
from daemon.logs.log_sender import LogBacklog
from daemon.logs.masking import Masker
from daemon.machine import Machine
from daemon.process import keeper
from daemon.pull_requests.issue_reading import IssueDesk
from daemon.pull_requests.shepherding import PullRequestShepherd
from daemon.runner import MEGABYTE, Runner, nothing_more
from daemon.saving.housekeeping import CLEAN_EVERY
from daemon.saving.rescue import Rescue
from daemon.settings import DaemonSettings, load_daemon_settings
from daemon.tasks.attempts import STOP_WITHIN
from domain import names
from domain.daemon_messages import DaemonReport
from domain.errors import MakimaError, SettingsError
from domain.health_report import Health
from domain.protocol import DaemonFeature
from domain.version import VERSION
from runtime.chores import beside, repeat
from runtime.command_line import run_typed
from runtime.connection import check_temporal, connect_temporal
from runtime.exit import FAILED, leave, print_error, run
from runtime.health import health_at
from runtime.logs import set_up_logging
from runtime.masked_failures import with_masked_failures
from runtime.private_memory import keep_memory_private
from runtime.serving import stop_or_leave
from runtime.shared_settings import SharedSettings, load_settings
from runtime.telemetry import telemetry
from runtime.terminal import guard

REPORT_EVERY = timedelta(seconds=30)
"""Seconds between two reports of a daemon (design 4)."""
HEARTBEAT_THROTTLE = timedelta(seconds=5)
"""Bounds how late a cancel arrives (design 11)."""
LIGHT = 4
"""Slots for what needs no agent (design 10)."""

logger = logging.getLogger("daemon")


class Environment(BaseSettings):
    """What only the daemon reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="MAKIMA_", env_ignore_empty=True, frozen=True, extra="ignore")

    daemon_config: Path | None = None
    forge_url: str = ""
    """The forge of the stack that has started this daemon: it is known without a line in the daemon's file."""
    forge_token_file: Path | None = None
    test_hold_after_outcome: Path | None = None
    """Tests only: having published an outcome, make this file and wait to be killed, between push and report."""
    test_heartbeat_throttle: float = HEARTBEAT_THROTTLE.total_seconds()
    test_forge_pace: float = ApiTimings().write
    """Tests only: the fake forge takes nothing for abuse."""


def build_runner(
    settings: SharedSettings,
    environment: Environment,
    home: Home,
    core: TemporalCore,
    backlog: LogBacklog,
    masker: Masker,
) -> Runner:
    """The daemon's own git, caches and agents behind the port of the activities."""
    own = home.own
    hold = environment.test_hold_after_outcome
    machine = Machine(
        name=own.name,
        owner=settings.owner,
        tasks_folder=home.tasks,
        repositories=home.repositories,
        agents=own.served(),
        identity=home.identity,
        sandbox=home.sandbox,
        core=core,
        min_free_disk=own.min_free_disk_mb * MEGABYTE,
        max_task_memory=own.max_task_memory_mb * MEGABYTE,
        after_outcome=(lambda: hold_for_ever(hold)) if hold else nothing_more,
        copy_files=own.copy_files,
        allow_secrets=own.allow_secrets,
        masker=masker,
        backlog=backlog,
        forges=Forges(own.forges, os.environ, masker.learn, ApiTimings(write=environment.test_forge_pace)),
        network=own.reach,
        tools=home.tools,
    )
    return Runner(machine)


async def hold_for_ever(mark: Path) -> None:
    """Tests only: say that the moment has come, and wait to be killed. Once: a second daemon passes by."""
    if not await asyncio.to_thread(mark.exists):
        await asyncio.to_thread(mark.touch)
        await asyncio.Event().wait()


def build_workers(
    client: Client, settings: SharedSettings, home: Home, runner: Runner, throttle: timedelta
) -> list[Worker]:
    """One worker a queue: the slots of those for agents are shared, the light one has its own (design 10)."""
    own = home.own
    slots = SharedSlots(own.capacity)
    planning = PlanningActivities(runner, client, own.name)
    steps = StepActivities(runner, client, own.name)
    completion = CompletionActivities(runner, client, own.name)
    with_agents = (planning.plan_directive, steps.execute_step, completion.complete_directive)
    machine = runner.machine
    shepherd = PullRequestActivities(
        PullRequestShepherd(settings.owner, machine.repositories, machine.forges, machine.masker), own.name
    )
    issues = IssueActivities(IssueDesk(settings.owner, machine.forges, machine.masker))
    without_agents = (
        planning.plan_directive, shepherd.watch_pull_request, shepherd.tidy_pull_request, issues.read_issue,
        issues.look_at_issues, issues.tell_issue,
    )  # fmt: skip
    build = partial(
        Worker,
        client,
        max_heartbeat_throttle_interval=throttle,
        graceful_shutdown_timeout=timedelta(seconds=STOP_WITHIN),
    )
    presence = names.presence_queue(settings.owner, own.name)
    looking = StartCheckActivities(StartChecker(home, machine.masker))
    asked: list[Callable[..., Any]] = [answer_presence, looking.look_before_start]
    return [
        # Those that look, one that is told that too many do, and presence, which waits for no remote.
        build(task_queue=presence, activities=asked, max_concurrent_activities=AT_ONCE + 2, identity=home.seen_as),
        build(task_queue=names.light_queue(settings.owner), activities=without_agents, max_concurrent_activities=LIGHT),
        *(
            build(task_queue=queue, activities=with_agents, tuner=slots.tuner(), interceptors=[slots])
            for queue in (
                queue
                for prefix in ("", names.AUTHENTICATED)
                for queue in (
                    names.daemons_queue(settings.owner, prefix),
                    names.daemon_queue(settings.owner, own.name, prefix),
                    *(names.label_queue(settings.owner, label, prefix) for label in own.labels),
                )
            )
        ),
    ]


async def report(core: TemporalCore, settings: SharedSettings, own: DaemonSettings, runner: Runner) -> None:
    """Tell the core that this daemon is there (design 4)."""
    await core.report(
        DaemonReport(
            owner=settings.owner,
            name=own.name,
            version=VERSION,
            agents=tuple(own.served()),
            labels=own.labels,
            capacity=own.capacity,
            running=tuple(sorted(runner.running)),
            sandbox=runner.sandbox,
            parked=runner.parking.now_parked(),
            features=tuple(DaemonFeature),
        )
    )


def own_settings(environment: Environment) -> DaemonSettings:
    if environment.daemon_config is None:
        raise SettingsError("MAKIMA_DAEMON_CONFIG is not set: it names the daemon's TOML file")
    own = load_daemon_settings(environment.daemon_config)
    return own.also_at(environment.forge_url, environment.forge_token_file)


async def open_house() -> House:
    """For `gc`, `restore` and `parked`, which work without Temporal and beside the daemon."""
    home = await open_home(load_settings().data_dir, own_settings(Environment()), is_daemon=False)
    return home.house


async def examine(wanted: Wanted) -> Health:
    """For `doctor`: everything that a daemon needs to serve."""
    settings, own = load_settings(), own_settings(Environment())
    logging.basicConfig(level=logging.CRITICAL)  # what there is to say stands in its lines
    connect = partial(connect_temporal, settings, identity=f"doctor:{own.name}", quiet=True)
    path = search_path_in(settings.data_dir / "daemon" / own.name)
    if path is not None:
        os.environ["PATH"] = path  # what this shell finds says nothing about what the daemon finds
    examination = Examination(own, settings.data_dir, os.environ, connect)
    return await examination.examine(wanted, daemon_runs=path is not None)


async def main() -> int:
    settings = load_settings()
    environment = Environment()
    own = own_settings(environment)
    who = f"daemon:{own.name}"
    masker = masker_of(own, os.environ)
    set_up_logging(settings, who, masker.mask)
    keeper.become_subreaper()
    connected = await connect_temporal(settings, identity=who, seen_by=telemetry(own.metrics, "daemon"))
    client = with_masked_failures(connected, masker.outward)
    home, core = await open_home(settings.data_dir, own, is_daemon=True), TemporalCore(client)
    turn = await alone_of_its_name(client, settings.owner, own.name, home.seen_as)
    backlog = LogBacklog(core)
    backlog.load(home.tasks)
    runner = build_runner(settings, environment, home, core, backlog, masker)
    workers = build_workers(client, settings, home, runner, timedelta(seconds=environment.test_heartbeat_throttle))
    stop = asyncio.Event()
    # The first signal hands the tasks back; at the second one, which ends the daemon, the keepers end their agents.
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop_or_leave, stop)
    rescue = Rescue(runner.machine)
    runner.rescued = rescue.of
    chores = (
        turn.give(),
        rescue.run(),
        backlog.send_for_ever(),
        home.look_at_tools(),
        repeat(home.housekeeper.clean_and_log, CLEAN_EVERY),
        repeat(partial(report, core, settings, own, runner), REPORT_EVERY),
    )
    running = [asyncio.create_task(worker.run()) for worker in workers]
    serves = ", ".join(own.served()) or "no agent"
    logger.info("daemon %s of owner %s serves %s, sandbox: %s", own.name, settings.owner, serves, runner.sandbox)
    async with health_at(own.health, {"temporal": partial(check_temporal, client)}), beside(*chores):
        await asyncio.wait([*running, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    return await hand_back(runner, workers, running)


async def hand_back(runner: Runner, workers: list[Worker], running: list[asyncio.Task[None]]) -> int:
    """Stop polling and hand every task back with its work saved (rule 6.10); the exit code.

    A worker that has failed gives its error, once the tasks of the others are handed back, too. One that doesn't end
    (seen with the SDK) must not keep the process alive.
    """
    logger.info("the daemon stops; tasks to hand back: %d; a second signal ends it at once", len(runner.running))
    runner.stop()
    shutdowns = (worker.shutdown() for worker in workers)
    ending = asyncio.gather(*running, *shutdowns, runner.all_ended(), return_exceptions=True)
    try:
        async with asyncio.timeout(STOP_WITHIN):
            errors = [each for each in await ending if isinstance(each, BaseException)]
    except TimeoutError:
        logger.error("the daemon did not end within %g s; its tasks are delivered again", STOP_WITHIN)
        return FAILED
    if errors:
        raise errors[0]
    return 0


def serve_or_command() -> NoReturn:
    """What was typed: a command, or nothing, which serves."""
    keep_memory_private()
    guard()
    try:
        code = run_typed(build_app(main, open_house, examine, lambda chosen: leave(run(chosen))), default=())
    except MakimaError as error:
        code = print_error(error)
    leave(code)


if __name__ == "__main__":
    serve_or_command()
