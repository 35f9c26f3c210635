"""An intake's own story (rules 7.7, 7.8): real Temporal and directives, a daemon that sees what it is told to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import RetryPolicy
from temporalio.testing import WorkflowEnvironment

from domain.errors import ForgeRefused, ForgeUnreachable
from domain.intake.taken import LeftAlone
from domain.protocol import SignalName
from domain.requests import Archive, Reject
from tests.workflows.scripted import planned, until
from tests.workflows.scripted_intake import NOON, IntakeWorld, intake_world, issue
from workflows.directive import DirectiveWorkflow
from workflows.intake import told_again


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[IntakeWorld]:
    async with intake_world(temporal_server.client, require_approval=True) as made:
        yield made


@pytest.mark.rule("7.7")
async def test_each_look_is_told_what_is_taken_and_an_issue_seen_again_is_started_with_the_same_id(
    world: IntakeWorld,
) -> None:
    world.issues.left = (LeftAlone(number=9, why="labelled by mallory"),)
    world.issues.fails = [ForgeUnreachable("does not answer")]
    world.issues.forgets, world.issues.labelled = True, [issue(7)]

    async def started_again() -> bool:
        return len(world.issues.started) > 1

    await until(started_again)
    world.issues.forgets = False
    world.issues.labelled.append(issue(8))
    state = await world.until(lambda state: len(state.taken) == 2)
    assert [each.number for each in state.taken] == [7, 8]
    assert state.left == world.issues.left
    seven, again, eight = world.issues.started[0], world.issues.started[1], world.issues.started[-1]
    assert seven.directive.id == again.directive.id != eight.directive.id
    assert seven.directive.settings.closes == ("#7",) and "So." in seven.directive.text.goal

    async def told() -> bool:
        return world.issues.looks[-1].taken == (7, 8)

    await until(told)


@pytest.mark.rule("7.7")
async def test_one_that_is_removed_ends_though_it_waits_for_news(world: IntakeWorld) -> None:
    async def looks() -> bool:
        return len(world.issues.looks) > 1

    await until(looks)
    await world.handle.signal(SignalName.INTAKE_REMOVED, "operator")
    ended = await asyncio.wait_for(world.handle.result(), 120)
    assert ended.taken == ()


@pytest.mark.rule("7.7")
async def test_a_refusal_of_the_forge_is_told_and_goes_by_itself(world: IntakeWorld) -> None:
    world.issues.trouble = "forge.invalid refuses us: set a token"
    await world.until(lambda state: "set a token" in state.trouble)
    world.issues.trouble = ""
    await world.until(lambda state: not state.trouble)


@pytest.mark.rule("7.8")
async def test_an_approval_is_about_the_plan_that_could_be_read_when_it_was_written(world: IntakeWorld) -> None:
    world.directives.daemon.plans = [planned(("cellar", [])), planned(("floor", []))]
    world.issues.labelled = [issue(7)]
    await world.until_told(7, "A plan waits for approval", "cellar")
    await world.until(lambda state: state.followed[0].plan.since)
    cellar = (await world.followed(7)).plan
    assert cellar.since and cellar.since > NOON
    (taken,) = (await world.state()).taken
    directive = world.handle_of(taken.workflow)
    await directive.execute_update(DirectiveWorkflow.reject, Reject(comment="no cellar"))
    await world.until_told(7, "A plan waits for approval", "floor")
    floor = (await world.until(lambda state: state.followed[0].plan.name not in ("", cellar.name))).followed[0].plan
    assert floor.since and floor.since > cellar.since
    world.issues.hears(7, "approve", comment=1, at=cellar.since)
    await world.until_told(7, f"refused: it was written before plan {floor.name}")
    world.issues.hears(7, f"approve {cellar.name}", comment=2)
    await world.until_told(7, f"plan {cellar.name} waits no more")
    assert (await directive.query(DirectiveWorkflow.status)).proposal
    world.issues.hears(7, "approve", comment=3)
    await world.until_told(7, "approve: done")
    await world.until_told(7, "floor | completed")


@pytest.mark.rule("7.8")
async def test_a_plan_that_could_not_be_shown_is_approved_by_its_name_alone(world: IntakeWorld) -> None:
    world.directives.daemon.plans = [planned(("floor", []))]
    world.issues.refuses_to_tell = ForgeRefused("the issue is locked")
    world.issues.labelled = [issue(7)]
    plan = (await world.until(lambda state: state.followed and state.followed[0].plan.name)).followed[0].plan
    assert plan.since is None and not world.issues.told
    world.issues.refuses_to_tell = None
    world.issues.hears(7, "approve", comment=1)
    await world.until_told(7, "refused: it was written before plan")
    world.issues.hears(7, f"approve {plan.name}", comment=2)
    await world.until_told(7, f"approve {plan.name}: done")


@pytest.mark.rule("7.7")
async def test_what_an_intake_knows_goes_on_in_its_next_run_and_no_issue_is_taken_or_told_twice(
    temporal_server: WorkflowEnvironment,
) -> None:
    async with intake_world(temporal_server.client, rest_at_events=100) as world:
        world.directives.daemon.plans = [planned(("floor", []))] * 40
        first = world.handle.first_execution_run_id
        world.issues.left = (LeftAlone(number=99, why="labelled"),)
        world.issues.labelled = [issue(number) for number in range(1, 31)]
        state = await world.until(lambda state: len(state.taken) == 30)
        assert [each.number for each in state.taken] == list(range(1, 31))
        assert len({each.directive.id for each in world.issues.started}) == 30
        assert (await world.handle.describe()).run_id != first
        for number in range(1, 31):
            await world.until_told(number, "floor | completed")
        world.issues.hears(30, "replan more", comment=7)
        await world.until_told(30, "replan more: done")
        assert world.issues.last_said(30).count("replan more") == 1
        bodies = [(each.number, each.body) for each in world.issues.told]
        assert state.left and len(bodies) == len(set(bodies)), "nothing is told twice"


@pytest.mark.rule("7.8")
async def test_a_directive_that_is_over_is_told_of_once_more_and_its_issue_hears_nothing_after_that(
    world: IntakeWorld,
) -> None:
    world.directives.daemon.plans = [planned(("floor", []))]
    world.issues.labelled = [issue(7)]
    await world.until_told(7, "A plan waits for approval")
    (taken,) = (await world.state()).taken
    await world.handle_of(taken.workflow).execute_update(DirectiveWorkflow.archive, Archive())
    await world.until_told(7, "**archived**")
    assert (await world.until(lambda state: not state.followed)).taken == (taken,)
    count, looks = len(world.issues.told), len(world.issues.looks)
    world.issues.hears(7, "approve", comment=1)

    async def looked() -> bool:
        return len(world.issues.looks) > looks + 2

    await until(looked)
    assert len(world.issues.told) == count


@pytest.mark.rule("7.7")
@pytest.mark.parametrize("every", [timedelta(seconds=1), timedelta(minutes=10), timedelta(hours=1)])
def test_however_seldom_it_looks_temporal_takes_how_it_tells(every: timedelta) -> None:
    """One that looked every hour failed each workflow task from its first issue on."""
    told_again(every).apply_to_proto(RetryPolicy())
