"""An outcome as a commit: a tree of one file, and the head of the work as its parent (docs/decisions/0002, 0010).

For a remote that takes nothing but branches of tasks, the branch says itself which attempt's work it holds: the last
commit's message gets trailers, no commit is added (docs/decisions/0004).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from daemon.core.attempt_key import AttemptKey, StateKind
from daemon.git.git import commit_id
from daemon.git.objects import commit_of_file
from daemon.git.repository_cache import RepositoryCache
from daemon.git.signed_commits import apart, signed, to_be_signed
from domain.errors import GitError, NotVerified

PLAIN_FILE = "outcome.json"
"""Of attempts without a secret, as before there were any."""
ENCRYPTED_FILE = "outcome"
LARGEST_COMMIT = 64 * 1024
LARGEST_OUTCOME = 16 * 1024 * 1024
"""Bytes; Temporal carries 2 MB of them at most."""
TASK, ATTEMPT, PROOF = "Makima-Task", "Makima-Attempt", "Makima-Proof"
_PROOF = f"{PROOF}: ".encode()


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome on the remote: its bytes as they were published, and the commit of the work, if there was any."""

    payload: bytes
    head: str | None
    commit: str
    is_published: bool = True
    """False: only this machine has it; its delivery lost the attempt before the remote could be told."""
    is_told: bool = True
    """False: and nobody has ever been told of it, neither the remote nor the record."""


class OutcomeCommits:
    """Writes and reads the outcomes of one attempt, encrypted where it has a key."""

    def __init__(self, cache: RepositoryCache, key: AttemptKey | None) -> None:
        self._cache = cache
        self._key = key

    async def write(self, ref: str, payload: bytes, head: str | None) -> str:
        """A commit in the cache that holds the payload for `ref` alone, and keeps the work reachable by its parent."""
        name, written = PLAIN_FILE, payload
        if self._key:
            name, written = ENCRYPTED_FILE, self._key.encrypt(StateKind.OUTCOME, payload, ref, head or "")
        return await commit_of_file(self._cache, name, written, head, "Outcome of an attempt")

    async def read(self, repository: RepositoryCache, ref: str, commit: str) -> StoredOutcome:
        """What `commit`, which must be in `repository`, holds for `ref`; raises NotVerified where it is no outcome."""
        file = f"{commit}:{ENCRYPTED_FILE if self._key else PLAIN_FILE}"
        try:
            asked = ((commit, "commit", LARGEST_COMMIT), (file, "blob", LARGEST_OUTCOME))
            header, written = await contents(repository, *asked)
            head = _head_in(header)
        except GitError as error:
            raise NotVerified("it can't be read as an outcome") from error
        if self._key:
            written = self._key.decrypt(StateKind.OUTCOME, written, ref, head or "")
        return StoredOutcome(written, head, commit)

    async def head(self, repository: RepositoryCache, commit: str) -> str | None:
        """The work of an outcome, whoever wrote it; raises NotVerified where it can't be one."""
        return _head_in((await contents(repository, (commit, "commit", LARGEST_COMMIT)))[0])


def _head_in(commit: bytes) -> str | None:
    header = commit.decode(errors="surrogateescape").partition("\n\n")[0]
    parents = [line.removeprefix("parent ") for line in header.splitlines() if line.startswith("parent ")]
    if len(parents) > 1:
        raise NotVerified("it has more than one parent")
    return commit_id(parents[0]) if parents else None


async def contents(repository: RepositoryCache, *asked: tuple[str, str, int]) -> list[bytes]:
    """The contents of these objects, each a name, the kind that it must be of, and the most bytes that it may have:
    none is read before all are known to be so. Raises NotVerified, GitError.
    """
    names = "".join(f"{name}\n" for name, _, _ in asked).encode()
    listed = (await repository.local("cat-file", "--batch-check", stdin=names)).text.splitlines()
    sizes = []
    for line, (_, kind, largest) in zip(listed, asked, strict=True):
        found = line.split()
        if len(found) != 3 or found[1] != kind:
            is_there = len(found) == 3
            raise NotVerified(f"it holds a {found[1]} where a {kind} should be" if is_there else f"it has no {kind}")
        if int(found[2]) > largest:
            raise NotVerified(f"its {kind} has {found[2]} bytes")
        sizes.append(int(found[2]))
    told, read = (await repository.local("cat-file", "--batch", stdin=names)).stdout, []
    for size in sizes:
        told = told.partition(b"\n")[2]
        read.append(told[:size])
        told = told[size + 1 :]
    return read


async def with_trailers(
    cache: RepositoryCache, head: str, task: str, attempt: int, key: AttemptKey | None = None, branch: str = ""
) -> str:
    """A commit like `head` whose message names the attempt, made in the cache; `head` itself where it does already.
    With a `key` a third trailer proves that it was made by this attempt for `branch`.

    A signature is left out: it would be one of another commit; the daemon's own takes its place where the settings want
    one. Raises GitError, SigningFailed.
    """
    if await trailers_hold(cache, head, task, attempt, key, branch):
        return head
    header, _, message = (await cache.local("cat-file", "commit", commit_id(head))).stdout.partition(b"\n\n")
    message = b"\n".join(line for line in message.split(b"\n") if not line.startswith(_PROOF))
    trailers = (f"--trailer={TASK}={task}", f"--trailer={ATTEMPT}={attempt}")
    said = (await cache.local("interpret-trailers", "--if-exists=replace", *trailers, stdin=message)).stdout
    commit = b"\n".join(to_be_signed(cache, header)) + b"\n\n" + said
    if key:
        token = key.encrypt(StateKind.BRANCH, b"", branch, sha256(commit).hexdigest())
        commit += _PROOF + base64.b64encode(token) + b"\n"
    return await signed(cache, (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit)).text)


async def trailers_hold(
    cache: RepositoryCache, head: str, task: str, attempt: int, key: AttemptKey | None = None, branch: str = ""
) -> bool:
    """Whether the commit, which must be in the cache, says that it is the end of this attempt; and can prove it, where
    the attempt has a `key`: anybody may write the other two lines.
    """
    wanted = "%x00".join(f"%(trailers:key={name},valueonly,separator=%x2C)" for name in (TASK, ATTEMPT))
    said = (await cache.local("log", "-1", "--no-show-signature", f"--format={wanted}", commit_id(head))).text
    return said.split("\0") == [task, str(attempt)] and (key is None or await _proves(cache, head, key, branch))


async def _proves(cache: RepositoryCache, head: str, key: AttemptKey, branch: str) -> bool:
    header, _, message = (await cache.local("cat-file", "commit", head)).stdout.partition(b"\n\n")
    commit = b"\n".join(apart(header)[0]) + b"\n\n" + message  # it was proved before it was signed
    rest, _, proof = commit.rpartition(_PROOF)
    try:
        key.decrypt(StateKind.BRANCH, base64.b64decode(proof), branch, sha256(rest).hexdigest())
    except (NotVerified, binascii.Error):
        return False
    return True
