"""A completion's pull request: which branch it comes from, and what becomes of it after the push (rule 7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from daemon.core.reporting import Heartbeat
from daemon.forges.port import Forge, ForgesByUrl
from daemon.git.bridges import left_behind
from daemon.git.repository_cache import RepositoryCache
from daemon.pull_requests.template import read_named_template, read_template
from daemon.workspace.project import FILE, read_project
from domain.errors import ForgeRefused, ForgeUnreachable, LeaseLost, NotReachable, RefRefused, RepositoryError
from domain.models import Question, Work
from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest, PullRequestState, PullRequestWanted, Shipped
from domain.questions import AGAIN, PUSHING_CHOICES, SHIPPING_CHOICES, question_id
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask

T = TypeVar("T")

RETRY_FOR = 3600.0
"""Seconds for which finished work is offered to a forge that doesn't take it."""


_growing = wait_exponential_jitter(multiplier=0.5, max=60)


@dataclass(frozen=True)
class PushTarget:
    """The branch that a completion's work goes to at this moment."""

    branch: str
    base: str
    """What it is merged into: the pull request's own base, where there is one."""

    version: int = 1
    over: tuple[PullRequest, ...] = ()
    """The pull requests that were found merged or closed, and whose place this one takes; oldest first."""

    open: PullRequest | None = None
    """The one that there is for it."""

    news: frozenset[str] = frozenset()
    """The branches of those whose end is news."""

    @property
    def merged(self) -> tuple[str, ...]:
        """The heads whose content is in the base branch, though perhaps not as these commits."""
        return tuple(each.head for each in self.over if each.state is PullRequestState.MERGED and each.head)

    @property
    def closed(self) -> tuple[str, ...]:
        """The heads whose content would be lost. Not of those that are known to be closed: there a person has been
        asked, and the steps say what is wanted of them.
        """
        closed = [each for each in self.over if each.state is PullRequestState.CLOSED and each.head]
        return tuple(each.head for each in closed if each.branch in self.news)


class Shipping:
    """Reads the pull request before the work and before the push, and opens or updates it after the push."""

    def __init__(
        self,
        command: SpawnTask,
        cache: RepositoryCache,
        forges: ForgesByUrl,
        confirm: Callable[[], Awaitable[None]],
        heartbeat: Heartbeat,
    ) -> None:
        """`confirm` raises AttemptGone where this delivery must do nothing more."""
        self._command = command
        self._cache = cache
        self._forges = forges
        self._confirm = confirm
        self._heartbeat = heartbeat
        self._is_left = _is_left(command)

    async def target(self) -> PushTarget:
        """The first branch without a merged or closed pull request (rule 7.3), as the forge says now.

        Raises ForgeUnreachable, ForgeRefused; RepositoryError where there is none.
        """
        wanted = self._command.pull_request
        if wanted is None:
            return PushTarget(self._command.target_branch, self._command.base_branch)
        over: list[PullRequest] = []
        if self._command.base_branch in _branches(wanted):
            # It has the name of a pull request's branch; nothing of ours is ever pushed to it.
            raise RepositoryError(f"the pull request comes from the base branch {self._command.base_branch!r}")
        for version, ours in enumerate(_branches(wanted), start=wanted.known.version if wanted.known else 1):
            found = await self._found(wanted, ours)
            is_named = wanted.known is not None and wanted.known.is_unseen and version == wanted.known.version
            branch = self._named(found) if found and is_named else ours
            if found is None or not found.state.is_over:
                known = {wanted.known.branch} if wanted.known and wanted.known.state.is_over else set()
                news = frozenset(each.branch for each in over) - known
                found, base = await self._retargeted(wanted, found), self._base_after(over, news)
                base = found.base if found and found.number and found.base else base
                if base == branch:
                    raise RepositoryError(f"the pull request of {branch!r} is to be merged into its own branch")
                return PushTarget(branch, base, version, tuple(over), found, news)
            over.append(found.model_copy(update={"version": version}))
        raise RepositoryError(f"the pull requests of {', '.join(each.branch for each in over)} are all over")

    def _base_after(self, over: Sequence[PullRequest], news: frozenset[str]) -> str:
        """Where the next one goes: on to where a person has merged the one before, if that was retargeted."""
        last = over[-1] if over else None
        wanted = self._command.pull_request
        is_news = last is not None and last.state is PullRequestState.MERGED and last.branch in news
        retarget = wanted.retarget if wanted else ""
        return last.base if last and last.base and is_news and not retarget else self._command.base_branch

    async def _retargeted(self, wanted: PullRequestWanted, found: PullRequest | None) -> PullRequest | None:
        """The open one, brought to the base branch that an operator has chosen."""
        if found is None or not found.number or self._is_left or wanted.retarget in ("", found.base):
            return found
        forge = await self._forge()
        return await self._retried(partial(forge.retarget, found, wanted.retarget))

    def _named(self, found: PullRequest) -> str:
        """The branch of the one that an operator has named and nobody has looked at yet."""
        if found.branch == self._command.base_branch:
            raise RepositoryError(f"the pull request {found.url} comes from the base branch {found.branch!r}")
        return found.branch

    async def ship(self, outcome: Outcome) -> Outcome:
        """`outcome`, whose work is pushed, with the pull request that holds it: opened, brought up to date, or merged
        already. Raises LeaseLost where the one of its branch was over before the push; ForgeUnreachable, ForgeRefused.
        """
        wanted, work = self._command.pull_request, outcome.work
        if wanted is None or work is None:
            return outcome
        target, warnings = await self.target(), list[str]()
        if target.branch == work.branch:
            shipped = await self._opened(wanted, work, target, warnings)
        else:
            shipped = await self._over(work, target.over)
        unmerged = await self._unmerged(wanted, shipped.over)
        shipped = shipped.model_copy(update={"unmerged": unmerged})
        return outcome.model_copy(update={"shipped": shipped, "warnings": (*outcome.warnings, *warnings)})

    async def _opened(self, wanted: PullRequestWanted, work: Work, target: PushTarget, warnings: list[str]) -> Shipped:
        """`warnings` gets a line for each thing that the repository wants of its pull requests, and this one lacks."""
        branch, base = work.branch, target.base
        head = await self._cache.on_remote(f"refs/heads/{branch}") or work.head
        known = {"branch": branch, "base": base, "head": head, "version": target.version}
        if self._is_left:
            made = _known(wanted, branch) or PullRequest(branch=branch, base=base, head=head)
            return Shipped(pull_request=made.model_copy(update=known), over=target.over)
        forge = await self._forge()
        policy = (await self._policy(base, warnings)).with_choice(wanted.opening)
        if target.open is None and policy.template:
            template = await self._template(forge, policy, base, warnings)
            wanted = wanted.model_copy(update={"template": template})
        wanted = policy.applied_to(wanted)
        made = await self._retried(partial(forge.open_or_update, wanted, branch, base, target.open))
        if made.state.is_over:  # since a moment ago, and perhaps with a head that the forge had seen by then
            return await self._over(work, (*target.over, made.model_copy(update={"version": target.version})))
        if made.number and not _is_told(wanted, made):  # given once: what people take away afterwards stays away
            warnings += await self._retried(partial(forge.furnish, made, policy))
        url = forge.compare_url(branch, base) if made.state is PullRequestState.PUSHED else ""
        return Shipped(pull_request=made.model_copy(update=known), over=target.over, compare_url=url)

    async def _over(self, work: Work, over: tuple[PullRequest, ...]) -> Shipped:
        """The pull request was merged or closed with the work in it, while nobody was there to say that it was open."""
        for position, each in enumerate(over):
            if each.branch == work.branch and await self._holds(each.head, work.head):
                return Shipped(pull_request=each, over=over[:position])
        raise LeaseLost(f"the pull request of {work.branch} was merged or closed before {work.head} was pushed")

    async def _unmerged(self, wanted: PullRequestWanted, over: tuple[PullRequest, ...]) -> tuple[str, ...]:
        """What was pushed before for the known one, and that it was merged without."""
        for each in over:
            if each.state is PullRequestState.MERGED and wanted.known and each.version == wanted.known.version:
                return await left_behind(self._cache, each.head, wanted.pushed)
        return ()

    async def _found(self, wanted: PullRequestWanted, branch: str) -> PullRequest | None:
        known = _known(wanted, branch)
        if self._is_left:
            return known
        forge = await self._forge()
        if known and known.number:
            return await self._retried(partial(forge.read, known))
        return await self._retried(partial(forge.find, branch, self._command.base_branch)) or known

    async def _policy(self, base: str, warnings: list[str]) -> OpeningPolicy:
        """What the repository wants of its pull requests, as its base branch says: never as an agent's does."""
        try:
            return (await read_project(self._cache, await self._cache.base(base))).pull_request
        except RepositoryError as error:
            warnings.append(f"what {FILE} wants of pull requests is not known: {error}")
            return OpeningPolicy()

    async def _template(self, forge: Forge, policy: OpeningPolicy, base: str, warnings: list[str]) -> str:
        try:
            commit = await self._cache.base(base)
            if isinstance(policy.template, str):
                return await read_named_template(self._cache, commit, forge.template_folders, policy.template)
            return await read_template(self._cache, commit, forge.templates)
        except RepositoryError as error:
            warnings.append(f"the pull request was opened without the repository's template: {error}")
            return ""

    async def _forge(self) -> Forge:
        return await self._retried(partial(self._forges.at, self._cache.url))

    async def _holds(self, head: str, commit: str) -> bool:
        await self._cache.ensure([head, commit])
        return await self._cache.holds(head, commit)

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call`, however often it takes. Before each further try it is confirmed that the attempt is
        still this delivery's: AttemptGone. Raises ForgeUnreachable after an hour, or at once where the forge wants a
        longer wait.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception_type((ForgeUnreachable, NotReachable)),
            wait=_pause,
            stop=stop_before_delay(RETRY_FOR),
            reraise=True,
        )

        async def confirmed() -> T:
            if self._heartbeat.held_up:
                await self._confirm()
            return await call()

        return await self._heartbeat.tried(tries, confirmed)


def asked(command: SpawnTask, refused: ForgeRefused) -> Outcome:
    """What a completion waits for that the forge refuses: a person, who gives the right that is missing or decides to
    do without a pull request.
    """
    about = f"What shall become of the pull request of {command.directive_title!r}?"
    return _waiting(command, f"{refused}\nThe work is saved. {about}", SHIPPING_CHOICES)


def asked_about_push(command: SpawnTask, refused: RefRefused) -> Outcome:
    """The same, where it is the remote that refuses the branch: its rules are a person's to change."""
    about = f"The work of {command.directive_title!r} is saved, and can't be pushed until the remote takes it."
    return _waiting(command, f"{refused}\n{about}", PUSHING_CHOICES)


def _waiting(command: SpawnTask, text: str, choices: tuple[str, ...]) -> Outcome:
    """The same refusal after an answer is a new question."""
    times = len(_answers(command))
    question = Question(
        id=question_id(command.task, f"{times} {text}"), task=command.task, text=text[:4096], choices=choices
    )
    return Outcome(
        task=command.task, attempt=command.attempt, status=OutcomeStatus.WAITING, questions=(question,), summary=text
    )


def _is_left(command: SpawnTask) -> bool:
    """Whether a person has decided to do without a pull request; or nobody could be asked."""
    return any(answer != AGAIN for answer in _answers(command))


def _answers(command: SpawnTask) -> list[str]:
    ours = [each for each in command.context.answers if each.choices in (SHIPPING_CHOICES, PUSHING_CHOICES)]
    return [each.answer for each in ours if each.answer is not None]


def _known(wanted: PullRequestWanted, branch: str) -> PullRequest | None:
    """The one that was made before, if it comes from `branch`."""
    return wanted.known if wanted.known and wanted.known.branch == branch else None


def _is_told(wanted: PullRequestWanted, made: PullRequest) -> bool:
    """Whether the directive knows it already: the completion that has opened it has ended."""
    return wanted.known is not None and wanted.known.number == made.number


def _branches(wanted: PullRequestWanted) -> tuple[str, ...]:
    """The known one's own, whatever it would be called today, and those that may take its place."""
    return (wanted.known.branch, *wanted.branches[1:]) if wanted.known else wanted.branches


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    until = error.until if isinstance(error, ForgeUnreachable) else None
    asked_for = (until - datetime.now(UTC)).total_seconds() if until else 0.0
    return max(_growing(state), asked_for)
