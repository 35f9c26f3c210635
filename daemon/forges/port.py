"""What the daemon needs of a forge (rule 7.4); one module beside this one for each forge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from daemon.forges.issue_talk import Issues
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest, PullRequestWanted, Reply, Sighting
from domain.repository_url import RepositoryUrl


class ForgesByUrl(Protocol):
    """The forges that repositories are at."""

    async def at(self, url: RepositoryUrl) -> Forge:
        """The one of the repository at `url`; ForgeRefused where there should be a token and isn't."""
        ...


class Forge(Protocol):
    """One repository at one forge, with the daemon's own credentials. Every call raises ForgeUnreachable where trying
    again later may help, ForgeRefused (its text says what to do) where only a person can help, and does what it does
    once, however often it is called."""

    @property
    def templates(self) -> tuple[str, ...]:
        """Where a repository at this kind of forge keeps its template of a description: paths in lower case, the first
        that there is being the one."""
        ...

    @property
    def template_folders(self) -> tuple[str, ...]:
        """Where it keeps several, of which one is chosen by its name; as above."""
        ...

    async def find(self, branch: str, base: str) -> PullRequest | None:
        """The newest pull request from `branch` into `base`, else one of our own making into whatever base a person has
        chosen for it since; whatever its state; its version is 1."""
        ...

    async def read(self, known: PullRequest) -> PullRequest:
        """`known` as it stands now: its state, and the newest commit of its branch. Of one without a number, that has
        been opened by hand meanwhile, what `find` finds."""
        ...

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        """Open one for the pushed `branch`, or bring the `known` one, else the one that there is, to the wanted title,
        body and draft state, and post the replies that have not been posted. None is opened beside one of the branch
        that was merged or closed meanwhile: that one is returned. Its head is what the forge says, which may come
        after the push; empty, with state PUSHED and number 0, where there is no API."""
        ...

    async def retarget(self, known: PullRequest, base: str) -> PullRequest:
        """Let the open one be merged into the branch `base`; one that is over, or is so already, stays as it is."""
        ...

    async def furnish(self, made: PullRequest, policy: OpeningPolicy) -> tuple[str, ...]:
        """Give one that was just opened, by us, its labels, reviewers, assignees and milestone; a line for each that
        the forge doesn't know or take."""
        ...

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        """State, failed checks of the head, people's comments and change requests, and conflict with the base: all
        that there are; of one that is over, the state alone. `marks` makes asking again cheap: ETags with what was
        answered, some 100 KiB at most, changed in place, to be kept in this process between looks, or dropped."""
        ...

    async def run_again(self, known: PullRequest, failed: Collection[str], names: Sequence[str]) -> frozenset[str]:
        """Run those of the `failed` checks of its head once more that look flaky: by a pattern of `names`, or as they
        have failed and passed on one commit before. The ids of those that run again now, or will when the others of
        their run have ended; none that has been run again before."""
        ...

    async def merge_when_ready(self, known: PullRequest, method: MergeMethod) -> str:
        """Have the forge merge it, by itself, once nothing that the base branch requires is missing: exactly the head
        of `known`, and only one of our own making. What a person has turned off stays off. Why it is not set; empty: it
        is, or the pull request has another head or state by now."""
        ...

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        """Answer the comment with the finding's id `comment:…`, `talk:…` or `review:…`, unless it is answered already
        or gone."""
        ...

    async def issues(self) -> Issues:
        """Its issues; ForgeRefused where there is no API to read them."""
        ...

    def compare_url(self, branch: str, base: str) -> str:
        """Where a person can open the pull request; empty where none is known."""
        ...
