"""A completion: the finished steps' commits on one branch, merged by git where it can, and verified (rule 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from daemon.agents.base import AgentResult
from daemon.git.bridges import bridge, peoples, under
from daemon.git.worktrees import Conflict, Incoming
from daemon.pull_requests.opening import PushTarget, Shipping
from daemon.saving.checkpoints import Checkpoint
from daemon.session.continuing import Ask
from daemon.tasks.beginning import Beginning, without_agent
from daemon.tasks.start import Start, TaskParts
from daemon.tasks.work import AgentWork
from daemon.workspace.project import Commands
from domain.errors import LeaseLost, RepositoryError, UnrelatedHistories
from domain.failures import Failure
from domain.handover import Handover
from domain.models import Work
from domain.names import PREFIX
from domain.prompts import merge_note
from domain.spawn_task import Outcome, OutcomeStatus

ROUNDS = 5
"""How often it is merged anew because people pushed, merged or closed meanwhile."""


class CompletionWork(AgentWork):
    """Does a completion task. The recorded commits are merged, whatever their branches are at by now."""

    def __init__(self, parts: TaskParts, shipping: Shipping, carried: str = "") -> None:
        """`carried`: what was merged for this attempt before, in the cache; empty: nothing was."""
        super().__init__(parts)
        self._shipping = shipping
        self._carried = carried
        self._base = self._command.base_branch
        self._is_checked_out = False
        self._not_merged: tuple[UUID, ...] = ()
        self._warnings: tuple[str, ...] = ()

    async def outcome(self) -> Outcome:
        """The merged and verified work, on top of what its branch held a moment ago; may be called again where it went
        on since. Also raises LeaseLost where it goes on for ever; ForgeUnreachable, ForgeRefused.
        """
        for _ in range(ROUNDS):
            target = await self._shipping.target()
            start = await self._start_at(target)
            outcome = await self._merged(start)
            if outcome.status is not OutcomeStatus.COMPLETED or outcome.work is None:
                return outcome
            await self._saver.take(outcome.work.head)
            self._carried = outcome.work.head
            if await self._is_current(target, start):
                warnings = (*outcome.warnings, *self._warnings)
                return outcome.model_copy(update={"warnings": warnings, "not_merged": self._not_merged})
        raise LeaseLost(f"{target.branch} was pushed to, or its pull request closed, {ROUNDS} times during the merge")

    async def _is_current(self, target: PushTarget, start: Start) -> bool:
        """Whether the pull request is neither over nor retargeted (rule 7.3), and nobody has pushed since."""
        at = await self._cache.on_remote(f"refs/heads/{start.branch}") or ""
        now = await self._shipping.target()
        return at == start.replaces and (now.branch, now.base) == (target.branch, target.base)

    async def _start_at(self, target: PushTarget) -> Start:
        """On the branch as people left it; on a new one from the base branch, joined with what was merged before."""
        command, cache = self._command, self._cache
        settled = await cache.prepare(target.base, command.branch_prefix or PREFIX)
        if target.base != self._base:
            # What was merged before holds another base branch, which is nothing of the pull request's any more.
            self._base, self._carried = target.base, ""
        is_other = target.base != command.base_branch
        self._not_merged = tuple([one.task for one in command.merge if is_other and one.merges])
        at = await cache.branch_commit(target.branch) or ""
        known = command.pull_request.known if command.pull_request else None
        held = known.head if known and known.branch == target.branch else ""
        # A branch that is gone though nobody has closed anything is made again; what a person has rewritten stays so.
        base = at or held or settled
        if at and await self._holds_any(at, command.taken_back):
            base = held if held and not await self._holds_any(held, command.taken_back) else settled
            self._warnings = await self._made_anew(target.branch, at, (base, settled))
        incoming = self._incoming(target, settled)
        await cache.ensure([base, *(one.commit for one in incoming)])
        await self._refuse_unrelated(base, incoming, target)
        merged = (*command.bridges, *target.merged, *((held,) if held else ()))
        joined = await under(cache, base, merged, [one.commit for one in incoming])
        independent = await cache.independent([one.commit for one in incoming])
        return Start(
            base=await bridge(cache, base, joined),
            replaces=at,
            settled=settled,
            incoming=tuple(one for one in incoming if one.commit in independent),
            branch=target.branch,
            joined=joined,
            merged=merged,
        )

    async def _refuse_unrelated(self, base: str, incoming: Sequence[Incoming], target: PushTarget) -> None:
        """git merges nothing that has no commit in common: all that is so is named at once."""
        *work, settled = [(one, await self._cache.local("merge-base", base, one.commit, also=(1,))) for one in incoming]
        if settled[1].exit_code == 1:
            raise RepositoryError(
                f"the base branch {target.base!r} has no commit in common with {target.branch}: its history was "
                f"replaced. Give it back, or choose another one with `edit --base-branch`, or close the pull request, "
                f"answer 'open a new one', and do its steps again with `retry-step`"
            )

        names = list(dict.fromkeys(one.name for one, common in work if common.exit_code == 1))
        if names:
            listed = ", ".join(map(repr, names))
            raise UnrelatedHistories(f"the work of {listed} has no commit in common with what it is merged into")

    async def _holds_any(self, head: str, commits: Sequence[str]) -> bool:
        return any([await self._cache.holds(head, each) for each in commits])

    async def _made_anew(self, branch: str, at: str, bases: Sequence[str]) -> tuple[str, ...]:
        """What to say of a branch that was pushed with work that is taken back by now, before anybody was told of it.

        Raises RepositoryError where people have pushed to it since: theirs is not thrown away.
        """
        ours = [one.commit for one in self._command.merge]
        unknown = await peoples(self._cache, at, (*bases, *ours, *self._command.taken_back))
        if unknown:
            raise RepositoryError(
                f"{branch} holds work that was taken back, and below or on top of it commits of people "
                f"({', '.join(unknown[:3])}): take it out of the branch by hand, or delete the branch, then resume"
            )
        return (f"{branch} was at {at}, with work that was taken back: it was begun anew",)

    def _incoming(self, target: PushTarget, settled: str) -> list[Incoming]:
        """In this order: what would be lost with a closed pull request, the steps, the base branch in case it moved."""
        closed = [Incoming(head, "a closed pull request") for head in target.closed]
        carried = [Incoming(self._carried, "what was merged before")] if self._carried else []
        steps = [Incoming(one.commit, one.name) for one in self._command.merge if one.task not in self._not_merged]
        return [*closed, *carried, *steps, Incoming(settled, f"branch {target.base}")]

    async def _fits(self, start: Start, checkpoint: Checkpoint) -> bool:
        """It holds what people left on the branch; on a new one, it was joined with what was merged, and holds nothing
        else of it, as one from the branch before would. And what was in conflict is still to be merged.
        """
        cache, head = self._cache, checkpoint.head
        if self._base != self._command.base_branch:
            return False  # it may hold the branch that the pull request was to be merged into before
        base = start.base
        if not start.replaces:
            shared = (await cache.local("merge-base", start.settled, head, also=(1,))).text or start.settled
            if not {*start.joined}.issuperset(await under(cache, shared, start.merged, [head])):
                return False
            base = await bridge(cache, shared, start.joined)
        wanted = [await cache.holds(one.commit, checkpoint.merging) for one in start.incoming if checkpoint.merging]
        return await cache.holds(head, base) and (any(wanted) or not checkpoint.merging)

    async def _merged(self, start: Start) -> Outcome:
        is_new = not self._is_checked_out
        begun = await (self._begin(start) if is_new else self._begin_again(start))
        self._is_checked_out = True
        project = await self._project(start)
        if is_new:
            by_agent = begun.conflict or begun.restored
            await self._prepare(begun, project.setup if by_agent or project.verify else ())
        while begun.conflict or begun.restored:
            outcome = await self._resolved(begun, start, project.verify)
            if outcome.status is not OutcomeStatus.COMPLETED:
                return outcome
            left = begun.conflict.remaining if begun.conflict and not begun.restored else start.incoming
            begun = await self._merge(left)
        return await self._sound(begun, start, None, project.verify)

    async def _resolved(self, begun: Beginning, start: Start, verify: Commands) -> Outcome:
        """A conflict, or what an agent was at when it was interrupted, done by the agent; all else is done by git."""
        by_agent = begun.conflict or self._follows_prompts
        return await self._sound(begun, start, await self._ask(begun, verify) if by_agent else None)

    async def _begin_again(self, start: Start) -> Beginning:
        """In the worktree of the round before, with what setup has made there."""
        worktree = self._workspace.agents_worktree
        await worktree.bring_back(start.base, await worktree.untracked())
        return await self._merge(start.incoming)

    async def _merge(self, incoming: Sequence[Incoming]) -> Beginning:
        """Go on merging where an agent may have been."""
        worktree = self._workspace.agents_worktree
        conflict = await worktree.merge(incoming)
        began, merging = await worktree.head(), conflict.incoming.commit if conflict else ""
        await self._saver.watch(worktree, began, began, merging)
        self._workspace.note(began=began, merging=merging)
        return Beginning(worktree, began, conflict)

    async def _ask(self, begun: Beginning, verify: Commands) -> Ask:
        told = replace(begun, conflict=None).ask(self._command)
        if begun.conflict is None:
            return told
        note = await self._note(begun.conflict, verify)
        return Ask(f"{note}\n{told.whole}", note)

    async def _note(self, conflict: Conflict, verify: Commands) -> str:
        worktree, incoming = self._workspace.agents_worktree, conflict.incoming
        ours, theirs = await worktree.both_sides(incoming.commit, conflict.files)
        return merge_note(incoming.name, incoming.commit, conflict.files, ours=ours, theirs=theirs, verify=verify)

    async def _run_agent(self, begun: Beginning, ask: Ask) -> AgentResult:
        if begun.conflict and not self._follows_prompts:
            return without_agent(begun.conflict)
        return await super()._run_agent(begun, ask)

    def _held(self, begun: Beginning, start: Start) -> tuple[Incoming, ...]:
        """Both parents of a conflict; in the end all that was to be merged."""
        incoming = () if begun.restored else start.incoming
        if begun.conflict:
            incoming = (begun.conflict.incoming,)
        return (Incoming(begun.began, "what was merged before"), *incoming)

    def _nothing_done(self, work: Work, begun: Beginning, said: Handover) -> Failure | None:
        """A completion that changes nothing is one that git has done."""
        return None

    def _since(self, begun: Beginning, start: Start) -> str:
        return start.base

    def _subject(self, begun: Beginning) -> str:
        return f"Merge {begun.conflict.incoming.name}" if begun.conflict else super()._subject(begun)
