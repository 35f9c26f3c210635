"""Exactly once (rule 6.8): a delivery begins by looking for its attempt's outcome and ends by publishing one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from pydantic import ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_exponential_jitter

from daemon.core.reporting import Heartbeat
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import BRANCHES, checkpoints_name, in_all_places
from daemon.saving.outcome_commits import StoredOutcome
from daemon.saving.outcomes import Outcomes, outcome_ref
from daemon.saving.signed_outcomes import signed_outcome
from daemon.tasks.held_up import BROKEN, SOMEBODY_ELSE, UNSIGNED, held_up
from domain.errors import (
    GitError,
    LeaseLost,
    NotReachable,
    PlaceTaken,
    RefRefused,
    RemoteBroken,
    RepositoryError,
    SigningFailed,
)
from domain.failures import FailureCategory
from domain.models import Question, Work
from domain.outcome_check import problem_of
from domain.questions import question_id
from domain.spawn_task import Delivery, Outcome, OutcomeStatus, SpawnTask, failed, refuse_other_run
from domain.statuses import TaskKind

PUBLISH_WITHIN = 3600.0
"""Seconds for which finished work is offered to a remote that doesn't answer, and for which a server that doesn't is
asked whether it may be, before the delivery is given up."""


REPAIRED_WITHIN = 5.0
"""Seconds for which it is offered to a remote that answers and can't take it; then a person is told."""


def _may_pass(error: BaseException) -> bool:
    """The same push may succeed later; a remote that won't have it, or a branch that moved, stays so."""
    return isinstance(error, GitError | NotReachable) and not isinstance(error, LeaseLost | RefRefused)


def _is_long_enough(tried: RetryCallState) -> bool:
    failure = tried.outcome.exception() if tried.outcome else None
    return stop_after_delay(REPAIRED_WITHIN if isinstance(failure, RemoteBroken) else PUBLISH_WITHIN)(tried)


Ship = Callable[[Outcome], Awaitable[Outcome]]
"""What comes after the push, however often it is done: the same outcome with what it led to."""


class Publisher:
    """The outcome of one attempt, as its deliveries share it on the remote."""

    def __init__(
        self,
        outcomes: Outcomes,
        command: SpawnTask,
        delivery: Delivery,
        heartbeat: Heartbeat,
        daemon: str,
        cache: RepositoryCache,
        ship: Ship,
    ) -> None:
        self._outcomes = outcomes
        self._heartbeat = heartbeat
        self._command = command
        self._delivery = delivery
        self._daemon = daemon
        self._sign = partial(signed_outcome, cache, command)
        self._ship = ship
        self.seen: Mapping[str, str] = {}
        """Where refs were on the remote when the delivery began: the task's branch, the attempt's checkpoints."""

    async def earlier(self) -> StoredOutcome | None:
        """What an earlier delivery of this attempt has published, if only by the branch that it pushed."""
        command = self._command
        task, attempt, branch = str(command.task), command.attempt, f"refs/heads/{command.target_branch}"
        saved = in_all_places(f"{checkpoints_name(task, attempt)}*")
        stored, seen = await self._outcomes.look(task, attempt, branch, *saved)
        self.seen = self.seen or seen
        head = seen.get(branch)
        return stored or (await self._ended_in(head) if head and command.kind is TaskKind.STEP else None)

    async def finished(self) -> StoredOutcome | None:
        """What an earlier delivery of this attempt had finished on this machine when it lost the attempt."""
        return await self._outcomes.finished(str(self._command.task), self._command.attempt)

    async def recorded(self, cache: RepositoryCache) -> StoredOutcome | None:
        """What the record knows of the attempt's end, where neither the remote nor this machine knows it.

        Raises AttemptGone where the record has not been asked; RepositoryError where its work is nowhere any more: then
        a person decides, and no agent does it again.
        """
        refuse_other_run(self._command, self._delivery)
        outcome = self._command.recorded
        if outcome is None:
            return None
        head = outcome.work.head if outcome.work else None
        if head and not await cache.within_reach(head):
            raise RepositoryError(
                f"the record knows that this attempt has ended, and its work, commit {head}, is nowhere any more: push "
                f"it to {outcome.work.branch if outcome.work else ''} again, or retry the step for it to be done anew"
            )
        return StoredOutcome(outcome.model_dump_json().encode(), head, "", is_published=False)

    async def is_decided(self) -> bool:
        """Whether the attempt has an outcome, whosever it is."""
        return await self.earlier() is not None

    async def publish(self, outcome: Outcome, take: Callable[[str], Awaitable[None]]) -> Outcome:
        """Make `outcome` the attempt's one, unless another delivery was first: then return that one. Where the remote
        can't take it, wait without the slot: the next delivery on this daemon finds it, and runs no agent.

        `take` brings the work's commit into the cache. Raises AttemptGone if the attempt is no longer this delivery's,
        LeaseLost if its branch went on without the work.
        """
        head = outcome.work.head if outcome.work else None
        if head:
            await take(head)
        own = outcome.model_copy(update={"delivery": self._delivery.name})
        task, attempt = str(self._command.task), self._command.attempt
        await self._outcomes.keep_finished(task, attempt, own.model_dump_json().encode(), head)
        return await self._signed_and_published(own)

    async def take_up(self, stored: StoredOutcome) -> Outcome:
        """What an earlier delivery has left, as the attempt's outcome; no agent runs. Raises like `publish`."""
        if stored.is_published:
            return await self.settle(outcome_in(stored))
        outcome = outcome_in(stored)
        return await (self._published_and_forgotten(outcome) if stored.is_told else self._signed_and_published(outcome))

    async def settle_new(self, outcome: Outcome) -> Outcome:
        """Like `settle`, for work on top of what the attempt has published, which nobody has pushed yet."""
        try:
            return await self.settle(await self._sign(outcome))
        except SigningFailed as failure:
            return held_up(self._command, outcome, self._daemon, UNSIGNED, failure)

    async def settle(self, stored: Outcome) -> Outcome:
        """The attempt's outcome, once the branch that it names holds its work, which must be in the cache; no agent
        runs. Raises like `publish`.
        """
        return await self._persistently(lambda: self._settled(stored), stored)

    async def _signed_and_published(self, outcome: Outcome) -> Outcome:
        """Of what somebody has been told, the commits stay as they are."""
        try:
            signed = await self._sign(outcome)
        except SigningFailed as failure:
            return held_up(self._command, outcome, self._daemon, UNSIGNED, failure)
        return await self._published_and_forgotten(signed)

    async def _published_and_forgotten(self, outcome: Outcome) -> Outcome:
        head = outcome.work.head if outcome.work else None
        settled = await self._persistently(lambda: self._published(outcome, head), outcome)
        if settled.status is OutcomeStatus.WAITING:
            return settled
        task, attempt = str(self._command.task), self._command.attempt
        if self._command.secret:
            kept = settled.work.head if settled.work else None
            await self._outcomes.keep_published(task, attempt, settled.model_dump_json().encode(), kept)
        await self._outcomes.forget_finished(task, attempt)
        return settled

    async def _persistently(self, work: Callable[[], Awaitable[Outcome]], outcome: Outcome) -> Outcome:
        try:
            return await self._again_and_again(work)
        except RemoteBroken as failure:
            return held_up(self._command, outcome, self._daemon, BROKEN, failure)
        except SigningFailed as failure:
            return held_up(self._command, outcome, self._daemon, UNSIGNED, failure)

    async def _again_and_again(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        tries = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_exponential_jitter(multiplier=0.5, max=30),
            stop=_is_long_enough,
            reraise=True,
        )

        async def confirmed() -> Outcome:
            # Asked afresh at each try: a delivery that was replaced while the remote was away must not win late.
            await self._delivery.confirm()
            return await work()

        return await self._heartbeat.tried(tries, confirmed)

    async def _ended_in(self, head: str) -> StoredOutcome | None:
        """The outcome of an attempt of which only the branch arrived: its daemon was lost before it could report."""
        command = self._command
        if not await self._outcomes.ended_in(head, command.target_branch, str(command.task), command.attempt):
            return None
        base = command.continue_from.commit if command.continue_from else command.base_commit
        outcome = Outcome(
            task=command.task,
            attempt=command.attempt,
            status=OutcomeStatus.COMPLETED,
            work=await self._outcomes.work_in(command.target_branch, base, head),
            warnings=("the daemon was lost after it had pushed the branch: what its agent wanted remembered is gone",),
        )
        return StoredOutcome(outcome.model_dump_json().encode(), head, head)

    async def _published(self, outcome: Outcome, head: str | None) -> Outcome:
        task, attempt = str(self._command.task), self._command.attempt
        payload = outcome.model_dump_json().encode()
        try:
            published = await self._outcomes.publish_outcome(task, attempt, payload, head, self._with_branch(outcome))
        except RefRefused as refusal:
            # The agent has done its work: a remote that takes nothing but branches must not make it run again.
            if outcome.work and not outcome.failure and self._command.kind is TaskKind.STEP:
                # Nothing else on this remote can tell another machine that the attempt has ended.
                work = await self._outcomes.with_trailers(outcome.work, task, attempt)
                payload, head = outcome.model_copy(update={"work": work}).model_dump_json().encode(), work.head
            kept = await self._outcomes.keep_outcome(task, attempt, payload, head)
            warning = f"the outcome is saved on {self._daemon} only: {refusal}"
            try:
                settled = await self._settled(outcome_in(kept), warning)
            except RemoteBroken:
                await self._outcomes.forget_outcome(task, attempt)  # nothing of it is there: it may still be published
                raise
            return self._asking(settled) if isinstance(refusal, PlaceTaken) else settled
        warning = f"the remote takes no refs/makima/: the outcome is in branch {published.ref}"
        outcome = outcome_in(published.outcome)
        if published.with_branch:
            return await self._ship(outcome)
        return await self._settled(outcome, warning if published.ref.startswith(BRANCHES) else "")

    def _with_branch(self, outcome: Outcome) -> Work | None:
        """The work whose branch may be pushed with the outcome: of a step that has succeeded."""
        work = outcome.work if self._command.kind is TaskKind.STEP and not outcome.failure else None
        return work if work and work.branch and not problem_of(self._command, outcome) else None

    def _asking(self, outcome: Outcome) -> Outcome:
        """The same, and its operator is asked; the work goes on without the answer."""
        task = self._command.task
        found = self._outcomes.foreign_at(outcome_ref(str(task), self._command.attempt)).found
        text = "\n".join((SOMEBODY_ELSE.format(daemon=self._daemon), *found))[:4096]
        asked = Question(id=question_id(task, f"{outcome.attempt} {SOMEBODY_ELSE}"), task=task, text=text)
        return outcome.model_copy(update={"questions": (*outcome.questions, asked)})

    async def _settled(self, outcome: Outcome, warning: str = "") -> Outcome:
        if problem := problem_of(self._command, outcome):
            return failed(self._command, FailureCategory.INTERNAL, f"its outcome can't be this attempt's: {problem}")
        if warning:
            outcome = outcome.model_copy(update={"warnings": (*outcome.warnings, warning)})
        if not (outcome.work and outcome.work.branch) or outcome.failure:
            return outcome
        work = outcome.work
        try:
            await self._outcomes.push_branch(work.branch, work.head, work.replaces or None)
        except LeaseLost:
            if not await self._outcomes.branch_holds(work.branch, work.head):  # it was there, and has gone on since
                raise
        return await self._ship(outcome)


async def problem_with(cache: RepositoryCache, command: SpawnTask, stored: StoredOutcome) -> str:
    """Why what is stored can't be the outcome of the command's attempt, its work being in the cache; empty: it can."""
    try:
        outcome = outcome_in(stored)
    except ValidationError:
        return "it can't be read"
    if problem := problem_of(command, outcome):
        return problem
    work = outcome.work
    if (work.head if work else None) != stored.head:
        return "it names another commit than it holds"
    if work is None or outcome.failure:
        return ""
    merged = [each.commit for each in command.merge]
    # Where nothing proves who wrote it; an agent of ours may have rewritten what it began from.
    began = [] if command.secret else [work.base]
    for commit in (*began, *merged):
        if not await cache.holds(work.head, commit):
            return f"its work doesn't hold {commit}, which it builds on"
    return ""


def outcome_in(stored: StoredOutcome) -> Outcome:
    """What an outcome on the remote says; raises pydantic's ValidationError."""
    return Outcome.model_validate_json(stored.payload)
