"""An attempt's checkpoints: unfinished work as commits beside the branches (rule 6.7).

A snapshot is made where the agent works (`daemon.git.side_repository`); the daemon puts a commit of its own around the
same tree and parent, so that what a checkpoint says of itself, and when, is the daemon's word.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from daemon.core.attempt_key import AttemptKey, StateKind
from daemon.git.agents_refs import LooseEnd
from daemon.git.git import commit_id
from daemon.git.pushing import ANYWHERE, lease, push
from daemon.git.quarantine import fetch_apart, quarantine
from daemon.git.repository_cache import FETCH_TIMEOUT, PUSH_TIMEOUT, RepositoryCache
from daemon.git.side_repository import Snapshot, Unsaved
from daemon.git.state_refs import PLACES, REFS, checkpoints_name, in_all_places, in_the_way, name_of, withheld_name
from daemon.saving import checkpoint_text
from daemon.saving.foreign_state import ForeignState
from daemon.saving.outcome_commits import LARGEST_COMMIT, contents
from daemon.saving.outcomes import Outcomes
from daemon.secrets.secret_search import scan, without_secrets
from daemon.secrets.secret_shapes import CONTENTS, NAMES
from domain.errors import GitError, MakimaError, NotVerified, PlaceTaken, RefRefused
from domain.visible import visible

LARGEST = 10 * 1024 * 1024
"""Bytes of a file that a checkpoint holds."""
UNSAVED = Unsaved(NAMES, CONTENTS, LARGEST)
_ENCRYPTED = "Makima-Encrypted: "
LARGEST_CHECKPOINT = 2 * 1024 * 1024 * 1024
"""Bytes of what a checkpoint holds that this machine's cache doesn't; more of it at its ref is not taken for ours."""


class Content(NamedTuple):
    """What is saved: the files' tree, the commit that they were changed on, and the commits beside that."""

    tree: str
    head: str
    beside: tuple[LooseEnd, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """Saved work: `commit`'s tree is what the files were, its parent `head` what the agent had committed."""

    commit: str
    head: str
    began: str
    """Where the agent had begun: the base with the dependencies merged in."""
    saved_at: int
    """Seconds of the epoch."""
    merging: str = ""
    """The commit whose merge had stopped at a conflict when the agent began, if any."""
    beside: tuple[LooseEnd, ...] = ()
    """Commits of the agent's on other branches, in stashes, or on nothing."""


class Checkpoints:
    """Those of one attempt, on the remote and in this machine's cache."""

    def __init__(
        self,
        cache: RepositoryCache,
        task: str,
        attempt: int,
        key: AttemptKey | None = None,
        foreign: ForeignState | None = None,
    ) -> None:
        """`key`: what was not written with it is not ours; None: there is no secret. `foreign` moves that away."""
        self._cache, self._key = cache, key
        self._foreign = foreign or ForeignState(cache, checkpoints_name(task, attempt))
        self._task, self._attempt = task, attempt
        self._name, self._withheld = checkpoints_name(task, attempt), withheld_name(task, attempt)
        self.allowed: tuple[str, ...] = ()
        """What looks like a secret and is none (`allow_secrets`)."""
        self._places = list(PLACES)
        self._is_clean: dict[str, bool] = {}
        self._newest_known = 0
        self._pushed: dict[str, str] = {}

    async def content(self, snapshot: Snapshot) -> Content:
        """What a snapshot that was taken into the cache holds."""
        tree_of = f"{commit_id(snapshot.commit)}^{{tree}}"
        tree, head = (await self._cache.local("rev-parse", tree_of, f"{snapshot.commit}^1")).text.split()
        return Content(tree, head, snapshot.beside)

    async def is_untouched(self, content: Content, began: str) -> bool:
        """Whether nothing was done since `began`."""
        if content.head != began or content.beside:
            return False
        return content.tree == (await self._cache.local("rev-parse", f"{began}^{{tree}}")).text

    async def keep(
        self, content: Content, delivery: str, began: str, at: int | None = None, merging: str = ""
    ) -> Checkpoint:
        """Make the delivery's checkpoint, in the cache alone; `at` is its date in seconds of the epoch, if not now.

        What went on from another one is newer than that, whatever the clocks of machines say.
        """
        when = max(int(time.time()), self._newest_known + 1) if at is None else at
        beside = tuple([end for end in content.beside if await self._may_leave(end.commit, began)])
        clean = Content(*await without_secrets(self._cache, content.tree, content.head, began, self.allowed), beside)
        if clean != content:
            # What may not leave the machine is gone on with on this one.
            await self._made(content, began, when, merging, f"{self._withheld}{delivery}")
        made = await self._made(clean, began, when, merging, self._named(delivery))
        return Checkpoint(made, clean.head, began, when, merging, clean.beside)

    async def _may_leave(self, commit: str, began: str) -> bool:
        if commit not in self._is_clean:
            self._is_clean[commit] = (await scan(self._cache, commit, [began], self.allowed)).is_clean
        return self._is_clean[commit]

    async def _made(self, content: Content, began: str, when: int, merging: str, name: str) -> str:
        """A commit at the ref `name` of the cache. Its last parent is the one that its files were changed on."""
        tree, head, beside = content
        parents = dict.fromkeys((*(end.commit for end in beside), head))
        lines = [f"tree {tree}", *(f"parent {each}" for each in parents)]
        lines += [*(f"{who} Makima <makima@localhost> {when} +0000" for who in ("author", "committer"))]
        said = checkpoint_text.written(began, merging, beside)
        if self._key:
            token = self._key.encrypt(StateKind.CHECKPOINT, said.encode(), name, *lines)
            said = f"{_ENCRYPTED}{base64.b64encode(token).decode()}\n"
        subject = f"Checkpoint of task {self._task}, attempt {self._attempt}"
        written = "\n".join([*lines, "", subject, "", said]).encode()
        made = (await self._cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=written)).text
        await self._cache.local("update-ref", f"{REFS}{name}", made)
        return made

    async def publish(self, checkpoint: Checkpoint, delivery: str) -> str:
        """Push the delivery's checkpoint; empty, or why it isn't where it should be: a refused push is never silent.

        Raises GitUnreachable, GitError, RepositoryError: then it is only on this machine, until the next try.
        """
        refusals = []
        while self._places:
            failure = await self._push(checkpoint.commit, f"{self._places[0]}{self._named(delivery)}")
            if failure is None:
                return ""
            if not isinstance(failure, RefRefused):
                raise failure
            refusals.append(str(failure))
            self._places.pop(0)
        return "; ".join(refusals) or f"{self._cache.url.display} takes no checkpoints"

    async def _push(self, commit: str, ref: str) -> MakimaError | None:
        """Like `push`; nobody but this delivery ought to write this ref, and what somebody else has put there is moved
        away, where it can be told from ours.
        """
        if self._key is None:
            return await push(self._cache, commit, ref, ANYWHERE)
        expected = self._pushed.get(ref)
        failure = await push(self._cache, commit, ref, lease(ref, expected))
        while failure and not isinstance(failure, RefRefused):
            found = await self._cache.listed(ref, *in_the_way(ref))
            there = found.pop(ref, None)
            if there == commit or (there == expected and not found):
                failure = None if there == commit else failure
                break
            await self._foreign.clear(found)
            verified = await self._verified(ref, there) if there else None
            if stuck := self._foreign.left & {ref, *found}:
                return PlaceTaken(f"something that is not ours stays at {visible(min(stuck))}")
            expected = there if verified else None
            failure = await push(self._cache, commit, ref, lease(ref, expected))
        if failure is None:
            self._pushed[ref] = commit
        return failure

    async def newest(self, seen: Mapping[str, str] | None = None) -> Checkpoint | None:
        """The last one of all deliveries, by its date, brought into the cache. `seen`: refs that the remote had just
        now; else it is asked. Raises what a fetch raises.
        """
        there = await self._there() if seen is None else seen
        there = {ref: commit for ref, commit in there.items() if ref.startswith(tuple(in_all_places(self._name)))}
        if self._key:
            found = list((await self._ours(there)).values())
        else:
            await self._fetch(there)
            found = await self._readable(there)
        # Of the same moment is what was withheld: it is the same work, and more of it.
        found += await self._readable(await self._kept(self._name, self._withheld))
        newest = max(enumerate(found), key=lambda each: (each[1].saved_at, each[0]), default=(0, None))[1]
        self._newest_known = newest.saved_at if newest else 0
        return newest

    async def _readable(self, refs: Mapping[str, str]) -> list[Checkpoint]:
        found = []
        for ref, commit in refs.items():
            with suppress(NotVerified):
                found.append(await self._read(self._cache, ref, commit))
        return found

    async def _ours(self, there: Mapping[str, str]) -> dict[str, Checkpoint]:
        """Those of the refs on the remote that this attempt has written, in the cache; the others are moved away."""
        # By their names first: however many refs somebody creates, none of them is fetched to be found out.
        await self._foreign.clear({ref: at for ref, at in there.items() if not self._is_name_of_ours(ref)})
        ours = [ref for ref in there if self._is_name_of_ours(ref)]
        return {ref: checkpoint for ref in ours if (checkpoint := await self._verified(ref, there[ref]))}

    async def _verified(self, ref: str, commit: str) -> Checkpoint | None:
        """None: somebody else has moved the ref; it is out of the way now."""
        async with quarantine(self._cache) as apart:
            is_here = await self._cache.has(commit)
            try:
                if not is_here:
                    await fetch_apart(apart, ref, commit, LARGEST_CHECKPOINT)
                checkpoint = await self._read(self._cache if is_here else apart, ref, commit)
                await self._fetch({ref: commit})
                if not await self._cache.has(commit):
                    raise NotVerified("it was replaced while it was read")
            except NotVerified as why:
                await self._foreign.move(self._cache if is_here else apart, ref, commit, str(why))
                return None
        return checkpoint

    async def _there(self) -> dict[str, str]:
        return await self._cache.listed(*in_all_places(f"{self._name}*"))

    async def _fetch(self, there: Mapping[str, str]) -> None:
        if there and not await self._cache.has(*there.values()):
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await self._cache.source())
            await self._cache.remote(*fetch, *there, timeout=FETCH_TIMEOUT)

    def ref(self, delivery: str) -> str:
        """Where on the remote `publish` puts the delivery's; empty: it is not taken there."""
        return f"{self._places[0]}{self._named(delivery)}" if self._places else ""

    def _named(self, delivery: str) -> str:
        """The end of the ref of a delivery's checkpoint; where there is a key, one that nobody else can make up."""
        return f"{self._name}{delivery}" + (f"-{self._key.name(self._name, delivery)}" if self._key else "")

    def _is_name_of_ours(self, ref: str) -> bool:
        return name_of(ref) == self._named(name_of(ref).removeprefix(self._name).rpartition("-")[0])

    async def saved_at(self, delivery: str) -> int:
        """When this machine kept the delivery's checkpoint, in seconds of the epoch; 0: it has kept none."""
        ref = f"{REFS}{self._named(delivery)}"
        commit = (await self._kept()).get(ref)
        return (await self._read(self._cache, ref, commit)).saved_at if commit else 0

    async def forget(self) -> None:
        """Remove all of them, here and on the remote. Raises like a push."""
        there = await self._there()
        if self._key:
            there = {ref: ours.commit for ref, ours in (await self._ours(there)).items()}
        if there:
            leases = [lease(ref, commit) for ref, commit in there.items()] if self._key else []
            delete = ("push", *leases, *await self._cache.destination(), *(f":{ref}" for ref in there))
            await self._cache.remote(*delete, timeout=PUSH_TIMEOUT)
        await self._drop(await self._kept(self._name, self._withheld))

    async def forget_here(self) -> None:
        """Remove those from this machine's cache that the remote has, or that nobody needs any more since it has the
        attempt's outcome. Raises what asking the remote raises.
        """
        if not (kept := await self._kept()):
            return
        there = (await self._there()).values()
        is_over = await Outcomes(self._cache, self._key).find_outcome(self._task, self._attempt) is not None
        await self._drop([ref for ref, commit in kept.items() if is_over or commit in there])
        await self._drop(await self._kept(self._withheld) if is_over else ())

    async def _drop(self, refs: Collection[str]) -> None:
        if refs:
            await self._cache.local("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in refs).encode())

    async def _kept(self, *names: str) -> dict[str, str]:
        return await self._cache.refs(*(f"{REFS}{name}" for name in names or (self._name,)))

    async def _read(self, repository: RepositoryCache, ref: str, commit: str) -> Checkpoint:
        """The checkpoint `commit` of `repository`, found at `ref`; raises NotVerified where it is not ours."""
        (whole,) = await contents(repository, (commit, "commit", LARGEST_COMMIT))
        header, _, said = whole.decode(errors="surrogateescape").rstrip("\n").partition("\n\n")
        said = self._decrypted(self._key, ref, header, said) if self._key else said
        fields = dict(line.partition(" ")[::2] for line in header.splitlines())
        try:
            head = commit_id(fields.get("parent", ""))
            saved_at = int(fields["committer"].split()[-2])
            began, merging, beside = checkpoint_text.read(said)
        except (GitError, LookupError, ValueError) as error:
            raise NotVerified("it can't be read as a checkpoint") from error
        return Checkpoint(commit, head, began or head, saved_at, merging, beside)

    def _decrypted(self, key: AttemptKey, ref: str, header: str, said: str) -> str:
        line = next((line for line in said.splitlines() if line.startswith(_ENCRYPTED)), "")
        try:
            token = base64.b64decode(line.removeprefix(_ENCRYPTED))
            return key.decrypt(StateKind.CHECKPOINT, token, name_of(ref), *header.splitlines()).decode()
        except ValueError as error:
            raise NotVerified("it has no text of ours") from error
