"""A forge that remembers what it was asked, over a real bare repository in which its pull requests are merged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from daemon.forges.registry import NoForge
from domain.pull_request import PullRequest, PullRequestState, PullRequestWanted, Reply, Sighting
from domain.repository_url import RepositoryUrl, parse_repository_url

GitCommand = Callable[..., str]


class ForgeInMemory(NoForge):
    """One repository's. `fails` are raised by the next calls, but None lets one pass. What is left out here is as it is
    without a forge.
    """

    def __init__(self, origin: Path, git: GitCommand) -> None:
        super().__init__(parse_repository_url("https://forge.example/owner/house.git", allow_local=False))
        self.opened: list[PullRequest] = []
        self.calls: list[str] = []
        self.wanted: list[PullRequestWanted] = []
        self.fails: list[Exception | None] = []
        self.before_update: Callable[[], object] | None = None
        """What a person does between the daemon's last look and its update."""
        self._at_read: tuple[int, Callable[[], object]] | None = None
        self._origin = origin
        self._git = git

    async def at(self, url: RepositoryUrl) -> ForgeInMemory:
        """This one, whatever the repository."""
        return self

    async def find(self, branch: str, base: str) -> PullRequest | None:
        self._called("find")
        return self._found(branch, base)

    async def read(self, known: PullRequest) -> PullRequest:
        self._called("read")
        if self._at_read and self.calls.count("read") == self._at_read[0]:
            self._at_read[1]()
        return self._now(known.number).model_copy(update={"version": known.version})

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        self._called("open_or_update")
        self.wanted.append(wanted)
        if self.before_update:
            self.before_update()
        found = self._now(known.number) if known and known.number else self._found(branch, base)
        state = PullRequestState.DRAFT if wanted.draft else PullRequestState.OPEN
        if found and found.state.is_over:
            return found
        if found:
            return self._set(found.number, state=state)
        number = len(self.opened) + 1
        url = f"https://forge.example/pull/{number}"
        self.opened.append(PullRequest(branch=branch, head="", base=base, url=url, state=state, number=number))
        return self._now(number)

    async def retarget(self, known: PullRequest, base: str) -> PullRequest:
        self._called("retarget")
        return self._set(known.number, base=base).model_copy(update={"version": known.version})

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        return Sighting(pull_request=await self.read(known))

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        self._called("reply")

    def compare_url(self, branch: str, base: str) -> str:
        return f"https://forge.example/compare/{base}...{branch}"

    def at_read(self, count: int, then: Callable[[], object]) -> None:
        """Do something when a pull request is read for the `count`-th time from now on."""
        self._at_read = (self.calls.count("read") + count, then)

    def retargeted_by_hand(self, number: int, base: str) -> None:
        """As a person does, with the forge's Edit button."""
        self._set(number, base=base)

    def close(self, number: int) -> PullRequest:
        """As a person does, who doesn't want it."""
        return self._set(number, state=PullRequestState.CLOSED, head=self._now(number).head)

    def merge(self, number: int, how: str, at: str = "") -> PullRequest:
        """As a person does: by a `merge` commit, by `squash`, or by `rebase`, and its branch is deleted. `at`: the head
        that is merged, if not the newest.
        """
        opened, git, origin = self._now(number), self._git, self._origin
        opened = opened.model_copy(update={"head": at or opened.head})
        base, ref = git(origin, "rev-parse", opened.base), f"refs/heads/{opened.base}"
        tree = git(origin, "merge-tree", "--write-tree", base, opened.head).splitlines()[0]
        if how == "rebase":
            commits = git(origin, "rev-list", "--reverse", "--no-merges", f"{base}..{opened.head}").split()
            for commit in commits:
                base = self._picked(commit, base)
            assert git(origin, "rev-parse", f"{base}^{{tree}}") == tree
        else:
            parents = ("-p", base, *(("-p", opened.head) if how == "merge" else ()))
            base = git(origin, "commit-tree", tree, *parents, "-m", f"Pull request {number}")
        git(origin, "update-ref", ref, base)
        git(origin, "update-ref", f"refs/pull/{number}/head", opened.head)
        git(origin, "update-ref", "-d", f"refs/heads/{opened.branch}")
        return self._set(number, state=PullRequestState.MERGED, head=opened.head)

    def _picked(self, commit: str, onto: str) -> str:
        """`commit` again on top of `onto`: merged with what `onto` would be as a sibling of it."""
        git, origin = self._git, self._origin
        sibling = git(origin, "commit-tree", f"{onto}^{{tree}}", "-p", f"{commit}^", "-m", "sibling")
        tree = git(origin, "merge-tree", "--write-tree", sibling, commit).splitlines()[0]
        return git(origin, "commit-tree", tree, "-p", onto, "-m", f"again {commit[:8]}")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fails and (failure := self.fails.pop(0)):
            raise failure

    def _found(self, branch: str, base: str) -> PullRequest | None:
        """All of them were opened by the daemon; `base` may be another by now."""
        numbers = [each.number for each in self.opened if each.branch == branch]
        into = [number for number in numbers if self.opened[number - 1].base == base]
        return self._now((into or numbers)[-1]) if numbers else None

    def _now(self, number: int) -> PullRequest:
        kept = self.opened[number - 1]
        if kept.state.is_over:
            return kept
        return kept.model_copy(update={"head": self._git(self._origin, "rev-parse", f"refs/heads/{kept.branch}")})

    def _set(self, number: int, **fields: object) -> PullRequest:
        self.opened[number - 1] = self.opened[number - 1].model_copy(update=fields)
        return self._now(number)
