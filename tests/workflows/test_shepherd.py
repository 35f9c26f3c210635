"""A pull request is looked after until it is merged or closed: real Temporal, a forge that shows what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from domain import names, requests
from domain.models import State
from domain.policy import QUEUED
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState
from domain.spawn_task import SpawnTask
from domain.statuses import DirectiveStatus, StepStatus
from domain.timings import Timings
from tests.workflows.scripted import Handle, Surroundings, planned, surroundings, until
from workflows.directive import DirectiveWorkflow


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        made.daemon.opens_pull_requests = True
        yield made


async def state_of(handle: Handle) -> State:
    return await handle.query(DirectiveWorkflow.state_now)


async def until_watched(
    world: Surroundings, handle: Handle, number: int, after: PullRequest | None = None
) -> PullRequest:
    """The pull request of this number, once it is looked at as it now is; `after`: what it was before a push."""
    former = after.head if after else ""

    async def watched() -> bool:
        known = (await state_of(handle)).pull_request
        is_it = known is not None and known.number == number and known.head != former
        return is_it and bool(world.forge.looks) and world.forge.looks[-1].pull_request == known

    await until(watched)
    known = (await state_of(handle)).pull_request
    assert known
    return known


async def opened(world: Surroundings, **settings: object) -> tuple[Handle, PullRequest]:
    """A directive of one step whose pull request is watched."""
    world.daemon.plans.insert(0, planned(("floor", [])))
    handle = await world.start(world.directive(**settings))
    return handle, await until_watched(world, handle, 11)


def check(number: int) -> Finding:
    return Finding(id=f"check:{number}", kind=FindingKind.CHECK, title=f"tests: step {number}", text="1 failed")


def commands(world: Surroundings, name: str) -> list[SpawnTask]:
    return [command for command in world.daemon.commands if command.step_name.startswith(name)]


def completions(world: Surroundings) -> list[SpawnTask]:
    return [command for command in world.daemon.commands if command.kind.value == "completion"]


async def until_completions(world: Surroundings, count: int) -> None:
    async def there() -> bool:
        return len(completions(world)) >= count

    await until(there)


@pytest.mark.rule("7.2")
@pytest.mark.rule("7.3")
async def test_merged_work_is_not_shipped_again_and_new_work_gets_a_pull_request_of_its_own(
    world: Surroundings,
) -> None:
    world.daemon.plans = [planned(("pool", ["floor"]))]
    handle, first = await opened(world)
    world.forge.shows(first, state=PullRequestState.MERGED)

    async def merged() -> bool:
        return all(step.status is StepStatus.MERGED for step in (await state_of(handle)).steps.values())

    await until(merged)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="A pool"))
    second = await until_watched(world, handle, 12)
    assert (second.version, second.branch) == (2, first.branch + "-v2")
    (pool,) = commands(world, "pool")
    assert pool.continue_from is None, "the base branch holds what it depends on"
    completion = completions(world)[-1]
    assert [one.name for one in completion.merge] == ["pool"]
    assert (completion.target_branch, completion.pull_request and completion.pull_request.known) == (
        second.branch,
        first.model_copy(update={"state": PullRequestState.MERGED}),
    )


@pytest.mark.rule("7.5")
@pytest.mark.parametrize("end", [PullRequestState.OPEN, PullRequestState.MERGED], ids=["put out", "merged"])
async def test_what_is_finished_while_it_waits_in_the_merge_queue_is_pushed_once_that_has_decided(
    world: Surroundings, end: PullRequestState
) -> None:
    world.daemon.plans = [planned(("pool", ["floor"]))]
    handle, first = await opened(world)
    world.forge.queued = True

    async def is_known() -> bool:
        return (await state_of(handle)).shepherding.queued

    await until(is_known)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="A pool"))

    async def waits() -> bool:
        return (await state_of(handle)).reason == QUEUED

    await until(waits)
    assert len(commands(world, "pool")) == 1 and len(completions(world)) == 1
    world.forge.queued = False
    world.forge.shows(first, state=end)
    await until_completions(world, 2)
    branch = first.branch if end is PullRequestState.OPEN else f"{first.branch}-v2"
    assert (await until_watched(world, handle, 11 if end is PullRequestState.OPEN else 12, first)).branch == branch
    assert not (await state_of(handle)).reason


@pytest.mark.rule("7.5")
async def test_what_was_merged_is_deleted_on_the_remote_unless_it_is_to_be_kept(world: Surroundings) -> None:
    handle, first = await opened(world)
    world.forge.shows(first, state=PullRequestState.MERGED)

    async def tidied() -> bool:
        return bool(world.forge.tidied) and not (await state_of(handle)).merged.untidied

    await until(tidied)
    (tidying,) = world.forge.tidied
    (floor,) = (await state_of(handle)).steps.values()
    assert floor.work
    assert tidying.branches == (floor.work.branch,)
    assert [one.branch for one in tidying.pull_requests] == [first.branch]
    kept, second = await opened(world, keep_branches=True)
    world.forge.shows(second, state=PullRequestState.MERGED)

    async def merged() -> bool:
        return (await state_of(kept)).merged.generation == 1

    await until(merged)
    assert not (await state_of(kept)).merged.untidied


@pytest.mark.rule("7.5")
async def test_failed_checks_become_one_step_whose_work_is_pushed(world: Surroundings) -> None:
    handle, first = await opened(world)
    world.forge.shows(first, check(1), check(2))
    await until_completions(world, 2)
    (fix,) = commands(world, "Fix failed checks")
    assert fix.continue_from and fix.continue_from.commit == first.head
    assert fix.agent and fix.agent.name == "planner"
    assert fix.script == "", "nothing runs what a log says"
    assert "1 failed" in fix.prompt
    assert [one.name for one in completions(world)[-1].merge] == [fix.step_name]
    again = await until_watched(world, handle, 11, after=first)
    assert {"check:1", "check:2"} in [set(look.seen) for look in world.forge.looks if look.pull_request == again]


@pytest.mark.rule("7.5")
async def test_reviewers_are_answered_after_the_push(world: Surroundings) -> None:
    handle, first = await opened(world)
    comment = Finding(id="comment:5", kind=FindingKind.COMMENT, title="ann on floor.py:3", text="Oak, please")
    world.forge.shows(first, comment)
    await until_completions(world, 2)
    wanted = completions(world)[-1].pull_request
    (fix,) = commands(world, "Answer the review")
    assert wanted and [reply.comment for reply in wanted.replies] == ["comment:5"]
    steps = {step.name: step for step in (await state_of(handle)).steps.values()}
    work = steps[fix.step_name].work
    assert work and work.head in wanted.replies[0].text


@pytest.mark.rule("7.5")
async def test_a_conflict_with_the_base_branch_becomes_a_merge_step(world: Surroundings) -> None:
    _, first = await opened(world)
    world.forge.shows(first, Finding(id="conflict:a:b", kind=FindingKind.CONFLICT, title="conflict with main"))
    await until_completions(world, 2)
    (merge,) = commands(world, "Merge the base branch")
    assert merge.continue_from and merge.continue_from.commit == first.head
    assert [(one.name, one.commit) for one in merge.merge] == [("main", "e" * 40)]


@pytest.mark.rule("7.5")
async def test_after_the_last_round_an_operator_is_asked_whether_to_go_on(world: Surroundings) -> None:
    handle, known = await opened(world, shepherd_rounds=2)
    for number in (1, 2):
        world.forge.shows(known, check(number))
        await until_completions(world, 1 + number)
        known = await until_watched(world, handle, 11, after=known)
    world.forge.shows(known, check(3))

    async def asked() -> bool:
        return any(question.is_open for question in (await state_of(handle)).questions.values())

    await until(asked)
    (question,) = (await state_of(handle)).questions.values()
    assert "2 rounds" in question.text
    assert question.choices == ("yes", "no")
    answer = requests.AnswerQuestion(question=str(question.id), answer="yes")
    await handle.execute_update(DirectiveWorkflow.answer, answer)

    async def read_anew() -> bool:
        return "check:3" not in world.forge.looks[-1].seen

    await until(read_anew)
    world.forge.shows(known, check(3))
    await until_completions(world, 4)
    assert len(commands(world, "Fix failed checks")) == 3


@pytest.mark.rule("7.5")
async def test_a_closed_pull_request_is_asked_about_and_opened_anew(world: Surroundings) -> None:
    handle, first = await opened(world)
    world.forge.shows(first, state=PullRequestState.CLOSED)

    async def asked() -> bool:
        return bool((await state_of(handle)).questions)

    await until(asked)
    (question,) = (await state_of(handle)).questions.values()
    assert "closed without being merged" in question.text
    assert (await state_of(handle)).status is DirectiveStatus.IDLE
    answer = requests.AnswerQuestion(question=str(question.id), answer="open a new one")
    await handle.execute_update(DirectiveWorkflow.answer, answer)
    second = await until_watched(world, handle, 12)
    assert second.version == 2
    assert [one.name for one in completions(world)[-1].merge] == ["floor"]


@pytest.mark.rule("7.5")
async def test_a_poke_looks_at_once_and_is_refused_where_there_is_nothing_to_see(world: Surroundings) -> None:
    handle, first = await opened(world)
    before = len(world.forge.looks)
    for _ in range(3):
        await handle.execute_update(DirectiveWorkflow.poke, requests.Poke())

    async def looked() -> bool:
        return len(world.forge.looks) > before

    await until(looked, seconds=5)
    world.forge.shows(first, state=PullRequestState.MERGED)

    async def merged() -> bool:
        known = (await state_of(handle)).pull_request
        return known is not None and known.state is PullRequestState.MERGED

    await until(merged)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(DirectiveWorkflow.poke, requests.Poke())
    assert "the pull request is merged" in str(refused.value.cause)


@pytest.mark.rule("7.5")
async def test_polls_without_news_leave_no_trace_and_grow_apart(world: Surroundings) -> None:
    handle, _ = await opened(world)

    async def recorded() -> bool:
        state, written = await state_of(handle), world.ledger.rows
        return bool(written) and world.ledger.state(state.directive.id) == state

    await until(recorded)

    async def quiet() -> bool:
        raw = (await handle.describe()).raw_description
        return not raw.HasField("pending_workflow_task") and len(raw.pending_activities) == 1

    await until(quiet)
    before, looks = (await handle.describe()).history_length, len(world.forge.looks)

    async def polled() -> bool:
        return len(world.forge.looks) >= looks + 3

    await until(polled)
    assert (await handle.describe()).history_length == before
    (pending,) = (await handle.describe()).raw_description.pending_activities
    assert pending.activity_type.name == "watch_pull_request"
    assert pending.heartbeat_details.payloads[0].data != b"0", "how many there were goes on with the attempts"


@pytest.mark.rule("7.5")
async def test_a_look_whose_daemon_was_killed_is_found_by_its_heartbeat(temporal_server: WorkflowEnvironment) -> None:
    world = Surroundings(temporal_server.client)
    world.daemon.opens_pull_requests = True
    world.daemon.plans = [planned(("floor", []))]
    async with world.core_worker(), world.daemon_worker():
        handle = await world.start(world.directive(timings=Timings.fast()))
        taken = await world.client.workflow_service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace=world.client.namespace,
                task_queue=TaskQueue(name=names.light_queue(world.owner)),
                identity="a daemon that is killed",
            )
        )
        assert taken.activity_type.name == "watch_pull_request"
        async with world.light_worker():
            await until(lambda: found(world), seconds=100)  # without a heartbeat it is lost for five minutes
            assert (await state_of(handle)).pull_request


async def found(world: Surroundings) -> bool:
    return bool(world.forge.looks)


@pytest.mark.rule("7.5")
async def test_a_look_that_takes_longer_than_a_heartbeat_is_not_lost(world: Surroundings) -> None:
    world.forge.slow = timedelta(seconds=5)
    world.daemon.plans.insert(0, planned(("floor", [])))
    timings = Timings.fast().model_copy(update={"heartbeat": timedelta(seconds=2)})
    handle = await world.start(world.directive(timings=timings))

    async def polled() -> bool:
        return len(world.forge.looks) >= 2

    await until(polled)
    (pending,) = (await handle.describe()).raw_description.pending_activities
    assert "nothing has happened" in pending.last_failure.message, "the first look came to its end"


async def test_the_watch_goes_on_in_the_next_run(world: Surroundings) -> None:
    world.daemon.plans = [planned(*((str(n), [str(n - 1)] if n else []) for n in range(12)))]
    handle, first = await opened(world)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="more"))
    known = await until_watched(world, handle, 11, after=first)
    assert handle.first_execution_run_id
    world.forge.shows(known, state=PullRequestState.MERGED)

    async def merged() -> bool:
        return all(step.status is StepStatus.MERGED for step in (await state_of(handle)).steps.values())

    await until(merged)


async def test_a_run_continues_as_new_with_a_watch_under_way(world: Surroundings) -> None:
    world.daemon.plans = [planned(*((f"{n}", [f"{n - 1}"] if n else []) for n in range(14)))]
    handle, first = await opened(world, rest_at_events=100)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="more"))
    await until_completions(world, 2)

    async def next_run() -> bool:
        description = await handle.describe()
        return description.run_id != handle.first_execution_run_id and description.history_length < 100

    await until(next_run)
    known = await until_watched(world, handle, 11, after=first)
    world.forge.shows(known, check(1))
    await until_completions(world, 3)


async def test_an_archived_directive_is_closed_though_its_pull_request_is_watched(world: Surroundings) -> None:
    handle, _ = await opened(world)
    await handle.execute_update(DirectiveWorkflow.archive, requests.Archive())
    result = await asyncio.wait_for(handle.result(), 60)
    assert result.status is DirectiveStatus.ARCHIVED


@pytest.mark.rule("7.5")
async def test_no_shepherd_means_that_nothing_looks(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    handle = await world.start(world.directive(shepherd=False))

    async def idle() -> bool:
        return (await state_of(handle)).status is DirectiveStatus.IDLE

    await until(idle)
    assert not world.forge.looks
    raw = (await handle.describe()).raw_description
    assert not [each for each in raw.pending_activities if each.activity_type.name == "watch_pull_request"]
