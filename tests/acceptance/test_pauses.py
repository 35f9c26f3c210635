"""Every reason for a pause, met by real daemons at a real forge; its advice, typed as it stands, helps (rule 8.2)."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from domain.directive_settings import Settings
from domain.pausing import PauseReason
from tests.acceptance.coder import step
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, step_of
from tests.acceptance.stack import ROOT, Running, Servers, Site, until
from tests.acceptance.terminals import Terminal
from tests.acceptance.yard import Yard
from tests.agents.installed_stand_in import install, starts
from tests.agents.stand_in import Scene, Start
from tests.forge import ForgeRepository, ForgeUnderTest
from tests.needs import lack

pytestmark = [pytest.mark.rule("8.2"), pytest.mark.timeout(900)]
PUT_IN = {"NAME": "other", "COMMAND": "true", "USD": "5", "BUDGET": "1h", "N": "50", "…": "smaller steps"}
"""What a person puts in the place of words in capitals; the steps are those that the reason, or the person, names."""
ADDS = f"makima directive batch-add-steps --json {shlex.quote(json.dumps([step('Hut')]))} > /dev/null"
UNKNOWN = json.dumps({"steps": [{"name": "Hut", "task_plan": "x", "depends_on": ["nothing"]}]})
REPLANNED = ("replan", "resume")
OTHER_AGENT = ("edit", "resume")
DELIVERIES = Settings().max_deliveries


def daemon(site: Site, forge: ForgeUnderTest, more: str = "") -> Running:
    """One that serves agents whose planners meet trouble."""
    priced = install(
        site.folder / "priced",
        Scene(stream="claude_max_budget.jsonl", exit_code=1),
        Scene(script=ADDS, stream="claude_ok.jsonl"),
    )
    further = f"capacity = 8\n{more}{forge_settings(forge)}"
    for name in ("troubled", "other", "locked"):
        argv = json.dumps([sys.executable, "-m", "tests.acceptance.troubled", str(site.folder), name])
        auth = "auth = { exit_codes = [41] }\n" if name == "locked" else ""
        further += f'[agents.{name}]\nkind = "command"\nargv = {argv}\nenv = {{ PYTHONPATH = "{ROOT}" }}\n{auth}'
    further += f'[agents.priced]\nkind = "claude"\nprogram = "{priced}"\n'
    return site.daemon(further=further, planner="coder.py", also=["troubled", "other", "locked", "priced"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    forge = forge_of(servers)
    with Site(servers, tmp_path_factory.mktemp("pauses"), "pauses") as site:
        site.worker()
        daemon(site, forge)
        yield Yard(site, await Street.at(site, forge))


async def paused(house: House) -> str:
    async with house.told_where_it_fails():
        return (await house.until(lambda shown: shown.status == "paused", "the pause")).reason


async def follow(house: House, *steps: str) -> list[str]:
    """Type every command that the reason for the pause names, in its order; their names."""
    typed = []
    for line in re.findall(r"`starter\.py ([^`]+)`", await paused(house)):
        command, _, *words = shlex.split(line)
        for each in steps if "STEP" in words else ("",):
            await house.says(command, *(PUT_IN.get(word, each if word == "STEP" else word) for word in words))
        typed.append(command)
    return typed


async def shipped(house: House, *files: str) -> None:
    await house.pull(1)
    await house.until(is_idle, "rest")
    assert await house.files(1) == {*files}


async def planned_by(yard: Yard, name: str, script: str, agent: str = "troubled") -> House:
    """A directive whose planner runs this script."""
    await asyncio.to_thread((yard.site.folder / f"planner-{name}").write_text, script)
    return await yard.street.house(name, "--planner", agent)


async def operator(yard: Yard) -> None:
    house = await yard.house("by-hand", [yard.held("Hut")])
    await house.says("pause")
    await asyncio.to_thread(yard.gate("Hut").touch)
    assert await follow(house) == ["resume"]
    await shipped(house, "hut.txt")


async def no_steps(yard: Yard) -> None:
    nothing = "makima directive done --nothing-to-do 'it is all there'"
    script = f'case "$PROMPT" in *"smaller steps"*) {ADDS};; *) {nothing};; esac'
    house = await planned_by(yard, "nothing", script)
    assert (*await follow(house),) == REPLANNED
    await shipped(house, "hut.txt")


async def plan(yard: Yard) -> None:
    script = f'case "$PROMPT" in *"smaller steps"*) {ADDS};; *) echo {shlex.quote(UNKNOWN)};; esac'
    house = await planned_by(yard, "refused", script)
    assert "'nothing'" in await paused(house)
    assert (*await follow(house),) == REPLANNED
    await shipped(house, "hut.txt")


async def agent(yard: Yard) -> None:
    house = await planned_by(yard, "crashes", f'test "$AGENT" = other || exit 3\n{ADDS}')
    assert (*await follow(house),) == OTHER_AGENT
    await shipped(house, "hut.txt")


async def budget(yard: Yard) -> None:
    house = await yard.street.house("dear", "--planner", "priced", "--max-cost", "1")
    assert (*await follow(house),) == ("edit", "resume")
    await shipped(house, "hut.txt")
    first, second = await asyncio.to_thread(starts, yard.site.folder / "priced", Start)
    assert "--max-turns" not in first.argv
    assert second.argv[second.argv.index("--max-turns") + 1] == PUT_IN["N"]


async def spent(yard: Yard) -> None:
    """The time of two agents that run at once ends the budget: both are handed back, and go on in the same attempt."""
    house = await yard.house("spent", [yard.held("Barn"), yard.held("Mill")], "--budget", "0.1min")
    await house.question("0.1min")
    await paused(house)
    assert "of 6 s" in (await house.shown()).budget
    for step_name in ("Barn", "Mill"):
        await asyncio.to_thread(yard.gate(step_name).touch)
    refused = await yard.street.starter("resume", house.id)
    assert (refused.code, "--budget" in refused.err) == (2, True), refused
    assert await follow(house) == ["edit", "questions"]
    await shipped(house, "barn.txt", "mill.txt")
    assert {each.attempt for each in (await house.shown()).steps} == {1}


async def auth(yard: Yard) -> None:
    """A question to all directives that meet it, and no pause: the answer lets the waiting task go on."""
    key = yard.gate("key")
    house = await planned_by(yard, "locked", f"test -e {key} || exit 41\n{ADDS}", "locked")
    asked = await house.question("can't log in")
    await asyncio.to_thread(key.touch)
    await house.says("answer", str(asked.id), "logged in")
    await shipped(house, "hut.txt")


async def repository(yard: Yard) -> None:
    """It is not there; then it refuses what is pushed, which is a question."""
    forge, owner = yard.street.forge, yard.site.owner
    url = f"{forge.url}/{owner}/absent.git"
    house = House(yard.street, ForgeRepository(f"{owner}/absent", url, Path()))
    file = yard.site.folder / "plan-absent.json"
    await asyncio.to_thread(file.write_text, json.dumps({"steps": [step("Hut")]}))
    await yard.street.start(house, url, "--plan", str(file))
    await paused(house)
    made = await forge.make_repository(owner, "absent")
    await house.ann.commit("main", {"README.md": "# A house\n"})
    hook = made.path / "hooks" / "pre-receive"
    await asyncio.to_thread(hook.parent.mkdir, exist_ok=True)
    refuses = "#!/bin/sh\n! grep -q refs/heads/makima/directive || { echo 'closed for today'; exit 1; }\n"
    await asyncio.to_thread(hook.write_text, refuses)
    await asyncio.to_thread(hook.chmod, 0o755)
    assert await follow(house) == ["resume"]
    asked = await house.question("closed for today")
    await asyncio.to_thread(hook.unlink)
    await house.says("answer", str(asked.id), *asked.choices)
    await shipped(house, "hut.txt")


async def base_branch(yard: Yard) -> None:
    house = await yard.house("no-base", [step("Hut")], "--base-branch", "absent")
    await paused(house)
    await house.ann.git("push", "--quiet", "origin", "HEAD:refs/heads/absent")
    assert await follow(house) == ["questions", "resume"]
    await shipped(house, "hut.txt")


async def verify(yard: Yard) -> None:
    check = ("--verify", "test ! -e hut.txt || test ! -e shed.txt")
    house = await yard.house("unfit", [step("Hut"), step("Shed")], *check)
    assert await follow(house, "Shed") == ["edit", "retry-step", "resume"]
    await shipped(house, "hut.txt", "shed.txt")
    assert step_of(await house.shown(), "Shed").attempt == 2


async def conflict(yard: Yard) -> None:
    steps = [step("Hut", "echo hut > rooms.txt"), step("Shed", "echo shed > rooms.txt")]
    house = await yard.house("torn", steps, "--agent", "shell")
    assert await follow(house, "Shed") == ["edit", "retry-step", "resume"]
    await shipped(house, "hut.txt", "shed.txt", "rooms.txt")
    assert sorted(await house.rooms(1)) == ["+hut", "+shed", "-Rooms: cellar"]


async def unrelated(yard: Yard) -> None:
    house = await yard.house("replaced", [step("Hut"), yard.held("Mill")])
    await house.until(lambda shown: len(shown.steps) > 1 and step_of(shown, "Hut").status == "completed", "the hut")
    await house.ann.commit("fresh", {"README.md": "# Anew\n", "fresh.txt": "f\n"})
    await house.ann.git("push", "--quiet", "--force", "origin", "HEAD:refs/heads/main")
    await asyncio.to_thread(yard.gate("Mill").touch)
    assert await follow(house, "Hut", "Mill") == ["retry-step", "resume"]
    await shipped(house, "hut.txt", "mill.txt")
    await house.ann.git("fetch", "--quiet", "origin", "+refs/pull/1/head:pull")
    assert await house.ann.git("show", "pull:fresh.txt") == "f"


async def machine(yard: Yard) -> None:
    """The only daemon of an owner can't do anything with its own folder."""
    forge = yard.street.forge
    with Site(yard.site.servers, yard.site.folder / "odd", "odd") as site:
        tasks = site.folder / "one/daemon/one/tasks"

        running = daemon(site, forge)

        async def serves() -> bool:
            return "serves" in await asyncio.to_thread(lambda: running.err)

        await eventually(serves, "the daemon")
        await asyncio.to_thread(tasks.write_text, "in the way")
        odd = Yard(site, await Street.at(site, forge))
        house = await planned_by(odd, "odd", ADDS)
        assert "tasks" in await paused(house)
        await asyncio.to_thread(tasks.unlink)
        assert await follow(house) == ["resume"]
        await shipped(house, "hut.txt")


async def killed(yard: Yard) -> None:
    """Its daemon dies under the planner as often as a task is delivered: what is said then helps."""
    forge = yard.street.forge
    with Site(yard.site.servers, yard.site.folder / "dying", "dying") as site:
        running = daemon(site, forge)
        dying = Yard(site, await Street.at(site, forge))
        runs = site.folder / "runs"
        script = f"echo run >> {runs}; test -e {dying.gate('calm')} || exec sleep 600; {ADDS}"
        house = await planned_by(dying, "killed", script)
        for times in range(1, DELIVERIES + 1):

            def begun(times: int = times) -> bool:
                return runs.exists() and len(runs.read_text().splitlines()) >= times

            await eventually(partial(asyncio.to_thread, begun), f"run {times}")
            await asyncio.to_thread(running.kill)
            running = daemon(site, forge)
        reason = await paused(house)
        assert f"lost its daemon {DELIVERIES} times" in reason
        await asyncio.to_thread(dying.gate("calm").touch)
        assert await follow(house) == ["resume"]
        await shipped(house, "hut.txt")


async def full_disk(yard: Yard) -> None:
    """The disk of the daemon's home fills while a step runs: it waits, says why, and goes on once there is room."""
    home = yard.site.folder / "full" / "one"
    await asyncio.to_thread(home.mkdir, parents=True)
    with mounted(home, megabytes=96), Site(yard.site.servers, home.parent, "full") as site:
        daemon(site, yard.street.forge, "min_free_disk_mb = 16\n")
        full = Yard(site, await Street.at(site, yard.street.forge))
        house = await full.house("full", [full.held("Hut")])
        filler = home / "filler"

        held = Path(f"{full.gate('Hut')}-reached")

        async def is_held() -> bool:
            return await asyncio.to_thread(held.exists)

        await eventually(is_held, "the step")
        await asyncio.to_thread(fill, filler)
        await asyncio.to_thread(full.gate("Hut").touch)
        await house.history("the disk of one is ")
        await house.until(lambda shown: "disk" in str(shown), "the reason in its view")
        await asyncio.to_thread(filler.unlink)
        await shipped(house, "hut.txt")
        assert step_of(await house.shown(), "Hut").attempt == 1


@contextmanager
def mounted(folder: Path, *, megabytes: int) -> Iterator[None]:
    """A small disk of its own there."""
    mount = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        lack("no right to mount a tmpfs here")
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(file: Path) -> None:
    """To the last byte that the disk has."""
    with suppress(OSError), file.open("wb", buffering=0) as filling:
        while filling.write(bytes(64 * 1024)):
            pass


async def edited(yard: Yard) -> None:
    """What is edited while a step runs holds from the next task on: planner, setup, approval, memory, branches."""
    house = await yard.house("edited", [yard.held("First")], "--planner", "troubled")
    script = step("Hut", "test -e set-up.txt", "makima directive memory-set colour red")
    adds = f"makima directive batch-add-steps --json {shlex.quote(json.dumps([script]))}"
    plan = yard.site.folder / "planner-edited"
    await asyncio.to_thread(plan.write_text, f'test "$AGENT" = other\n{adds}\n')
    await house.until(lambda shown: step_of(shown, "First").status == "running" if shown.steps else None, "the first")
    edits = ("--planner", "other", "--setup", "echo s > set-up.txt", "--require-approval", "--memory")
    more = ("--branch-prefix", "feature/", "--no-shepherd", "--on", "one", "--completion", "all", "--max-parallel", "1")
    assert "First keep what they have" in await house.says("edit", *edits, *more)
    await house.says("replan", "--comment", "a hut")
    proposed = await house.until(lambda shown: shown.proposal, "a plan that waits for approval")
    assert proposed.proposal and proposed.proposal.steps == ("Hut",)
    name, asked = proposed.proposal.name, "Carry it out? [y/N]:"
    for answer, said in (("n", "nothing was changed"), ("y", ", generation ")):
        with Terminal(yard.site, "approve", house.id) as terminal:
            await asyncio.to_thread(until, lambda terminal=terminal: asked in terminal.text, "it asks")
            assert f"Plan {name} of generation 2:" in terminal.text and "  + Hut" in terminal.text
            terminal.types(f"{answer}\n")
            await asyncio.to_thread(terminal.wait)
            assert said in terminal.text, terminal.text
    await asyncio.to_thread(yard.gate("First").touch)
    await shipped(house, "first.txt", "hut.txt")
    shown = await house.shown()
    assert step_of(shown, "First").branch.startswith("makima/")
    assert step_of(shown, "Hut").branch.startswith("feature/")
    assert shown.memories == 1
    assert shown.pr and not shown.pr.watched


async def live(yard: Yard) -> None:
    """What a running step has used, which tells nothing of its cost, is seen meanwhile."""
    house = await yard.house("live", [yard.held("Silo")])

    async def seen() -> bool:
        costs = json.loads(await house.says("costs", "--json"))
        return any(each["runs"] and each["estimated_usd"] > 0.005 for each in costs["attempts"])

    await eventually(seen, "an estimate of what the step has cost so far")
    told, shown = await house.says("costs"), await house.says("status")
    assert "under way" in told and "that nobody tells" in told, told
    assert "so far" in shown and "that nobody tells" in shown, shown
    await asyncio.to_thread(yard.gate("Silo").touch)
    await shipped(house, "silo.txt")


MET: Mapping[str, Callable[[Yard], Awaitable[None]]] = {
    PauseReason.OPERATOR: operator,
    PauseReason.NO_STEPS: no_steps,
    PauseReason.PLAN: plan,
    PauseReason.REPOSITORY: repository,
    PauseReason.BASE_BRANCH: base_branch,
    PauseReason.UNRELATED: unrelated,
    PauseReason.CONFLICT: conflict,
    PauseReason.VERIFY: verify,
    PauseReason.BUDGET: budget,
    PauseReason.SPENT: spent,
    PauseReason.AUTH: auth,
    PauseReason.AGENT: agent,
    PauseReason.MACHINE: machine,
}


EDITED = "edited"
LIVE = "live"
FURTHER = {"killed": killed, "full disk": full_disk}
AT_ONCE = 5


def test_every_reason_is_met() -> None:
    assert {*MET} == {*PauseReason}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def met(yard: Yard) -> Mapping[str, asyncio.Future[None]]:
    """Some of them at the same time: each mostly waits, and on a loaded machine all at once wait too long."""
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(meet: Callable[[Yard], Awaitable[None]]) -> None:
        async with room:
            await meet(yard)

    cases: dict[str, Callable[[Yard], Awaitable[None]]] = {**MET, **FURTHER, EDITED: edited, LIVE: live}
    return {case: asyncio.ensure_future(in_turn(meet)) for case, meet in cases.items()}


@pytest.mark.parametrize("reason", PauseReason)
async def test_the_advice_helps(met: Mapping[str, asyncio.Future[None]], reason: PauseReason) -> None:
    await met[reason]


@pytest.mark.parametrize("what", FURTHER)
async def test_what_a_machine_goes_through_is_told_and_over_once_it_is(
    met: Mapping[str, asyncio.Future[None]], what: str
) -> None:
    await met[what]


async def test_what_is_edited_while_a_step_runs_holds_from_the_next_task_on(
    met: Mapping[str, asyncio.Future[None]],
) -> None:
    await met[EDITED]


@pytest.mark.rule("2.10")
async def test_what_a_step_has_used_is_seen_while_it_runs(met: Mapping[str, asyncio.Future[None]]) -> None:
    await met[LIVE]
