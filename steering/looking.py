"""What can be seen of an owner's directives, in the shapes of `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steering.opened import Opened

if TYPE_CHECKING:
    from steering.closer import PlanShown, WhyAllShown
    from steering.shapes import CostsShown, ListShown, LogsShown, StatusShown
    from steering.shown import QuestionsShown


class Looking(Opened):
    """Each method raises Refused, in one line that says what to do, and NotReachable where the record is away."""

    async def list(self) -> ListShown:
        """The owner's directives, the latest changed first, and which of them are lost."""
        from steering.shapes import ListShown

        found, unknown = await self.summaries()
        return ListShown(directives=tuple(found), unknown=unknown)

    async def status(self, directive: str) -> StatusShown:
        """Where one stands, what it waits for, and what it asks."""
        from steering.shapes import status_shown

        return status_shown(await self.standing(directive))

    async def plan(self, directive: str, generation: int | None = None, *, diff: bool = False) -> PlanShown:
        """The plan of a generation, the newest one if not given; `diff`: with what differs from the one before."""
        from steering.closer import plan_shown

        async with self.recorded() as directives:
            state = await directives.state(directive)
            changes = await directives.record.plans(state.directive.id)
            done = await directives.record.steps_done(directives.owner, state.directive.repository)
        return plan_shown(state, changes, done, generation, diff=diff)

    async def why(self, directive: str, step: str | None = None) -> WhyAllShown:
        """Why a step isn't running, and what happens next; without a step, of all that aren't done, and why the pull
        request can't be merged.
        """
        from steering.closer import why_shown

        async with self.recorded() as directives:
            look = await directives.look_inside(directive)
            daemons = await directives.record.daemons(directives.owner)
        return why_shown(look, daemons, step)

    async def questions(self, directive: str | None = None) -> QuestionsShown:
        """What agents ask of people, of one directive or all of them."""
        from steering.shown import AskedQuestion, QuestionsShown

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
        from steering.shapes import CostsShown

        spent = await self.spent(directive)
        return CostsShown(directives=tuple(spent.directives), attempts=tuple(spent.attempts), total=spent.total)

    async def logs(self, directive: str, step: str | None = None) -> LogsShown:
        """A step's log, of all its attempts and deliveries; without a step, those of planning and completion."""
        from steering.following import TaskReader, tasks_of
        from steering.shapes import LogsShown, logged_task

        async with self.recorded() as directives:
            state = await directives.state(directive)
            readers = [
                (task, TaskReader(directives.record, state.directive.id, task.id)) for task in tasks_of(state, step)
            ]
            shown = [logged_task(task, [each async for each in reader.news()]) for task, reader in readers]
        return LogsShown(tasks=tuple(shown))
