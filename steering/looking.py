"""What can be seen of an owner's directives, in the shapes of `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain import names
from domain.errors import Refused
from domain.experience import estimate
from domain.generations import difference, lines, plan_of, planned_generations
from domain.lookup import find_step
from domain.models import State, Step
from domain.pull_requests.pull_request_view import blocked
from domain.reports import DaemonSeen
from domain.spending import AttemptSpent, total
from domain.why import why
from steering.following import TaskReader, tasks_of
from steering.opened import Opened
from steering.recorded import Found
from steering.shapes import (
    AskedQuestion,
    CostsShown,
    ListShown,
    LogsShown,
    PlanShown,
    QuestionsShown,
    StatusShown,
    WhyAllShown,
    WhyShown,
    logged_task,
    status_shown,
)


class Looking(Opened):
    """Each method raises Refused, in one line that says what to do, and NotReachable where the record is away."""

    async def list(self) -> ListShown:
        """The owner's directives, the latest changed first, and which of them are lost."""
        found, unknown = await self.summaries()
        return ListShown(directives=tuple(found), unknown=unknown)

    async def status(self, directive: str) -> StatusShown:
        """Where one stands, what it waits for, and what it asks."""
        return status_shown(await self.standing(directive))

    async def plan(self, directive: str, generation: int | None = None, *, diff: bool = False) -> PlanShown:
        """The plan of a generation, the newest one if not given; `diff`: with what differs from the one before."""
        async with self.recorded() as directives:
            state = await directives.state(directive)
            changes = await directives.record.plans(state.directive.id)
            done = await directives.record.steps_done(directives.owner, state.directive.repository)
        planned = planned_generations(state)
        if not planned:
            raise Refused("there is no plan yet")
        wanted = generation or planned[-1]
        plan = plan_of(state, changes, wanted)
        before = max((each for each in planned if each < wanted), default=None) if diff else None
        older = plan_of(state, changes, before) if before else {}
        planned_lines = lines(state, plan)
        return PlanShown(
            generation=wanted,
            waits_for_approval=bool(state.proposal and state.proposal.generation == wanted),
            steps=planned_lines,
            estimate=estimate(sum(not each.status.is_finished for each in planned_lines), done),
            against=before,
            difference=difference(state, older, plan) if diff else None,
        )

    async def why(self, directive: str, step: str | None = None) -> WhyAllShown:
        """Why a step isn't running, and what happens next; without a step, of all that aren't done, and why the pull
        request can't be merged.
        """
        async with self.recorded() as directives:
            look = await directives.look_inside(directive)
            daemons = await directives.record.daemons(directives.owner)
        asked = _undone(look.seen) if step is None else [find_step(look.seen, step)]
        told = (
            WhyShown(step=each.id, name=each.name, status=each.status, why=_reason(look, each, daemons))
            for each in asked
        )
        pull_request = look.seen.pull_request if step is None else None
        blocks = blocked(look.seen, pull_request) if pull_request else ()
        return WhyAllShown(steps=tuple(told), directive_status=look.seen.status, blocked=blocks)

    async def questions(self, directive: str | None = None) -> QuestionsShown:
        """What agents ask of people, of one directive or all of them."""
        async with self.recorded() as directives:
            if directive is None:
                found = await directives.record.open_questions(directives.owner)
                asked = [(each.directive, each.question) for each in found]
            else:
                state = await directives.state(directive)
                asked = [(state.directive.id, each) for each in state.questions.values() if each.is_open]
        shown = (AskedQuestion(**each.model_dump(), directive=whose) for whose, each in asked)
        return QuestionsShown(questions=tuple(shown))

    async def costs(self, directive: str | None = None) -> CostsShown:
        """Time, tokens and cost by directive, or of one with its attempts."""
        async with self.recorded() as directives:
            spent = await directives.record.spent(directives.owner)
            attempts: tuple[AttemptSpent, ...] = ()
            if directive is not None:
                whose = (await directives.find(directive)).id
                spent = [each for each in spent if each.id == whose]
                attempts = tuple(await directives.record.attempts(whose))
        return CostsShown(directives=tuple(spent), attempts=attempts, total=total(spent))

    async def logs(self, directive: str, step: str | None = None) -> LogsShown:
        """A step's log, of all its attempts and deliveries; without a step, those of planning and completion."""
        async with self.recorded() as directives:
            state = await directives.state(directive)
            readers = [
                (task, TaskReader(directives.record, state.directive.id, task.id)) for task in tasks_of(state, step)
            ]
            shown = [logged_task(task, [each async for each in reader.news()]) for task, reader in readers]
        return LogsShown(tasks=tuple(shown))


def _undone(state: State) -> Sequence[Step]:
    return [step for step in state.ordered_steps() if not step.status.satisfies and not step.removed]


def _reason(look: Found[State], step: Step, daemons: Sequence[DaemonSeen]) -> str:
    if look.lost:
        return f"the directive is lost: {look.lost}; `recover` goes on"
    told = why(look.seen, step, daemons, datetime.now(UTC))
    task = look.seen.tasks.get(names.step_task(step.id))
    if failing := look.held_up.get(task.name) if task else "":
        told = f"{told}; what it does fails and is tried again: {failing}"
    return told if look.live else f"{told} (from the record: no worker answers, start worker.py)"
