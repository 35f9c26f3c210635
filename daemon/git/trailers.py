"""A branch that says itself which attempt's work it holds: for a remote that takes nothing but branches of tasks.

No commit is added for it; the last one's message gets two more lines (docs/decisions/0004).
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256

from daemon.core.attempt_key import AttemptKey, StateKind
from daemon.git.git import commit_id
from daemon.git.repositories import RepositoryCache
from domain.errors import NotVerified

TASK, ATTEMPT, PROOF = "Makima-Task", "Makima-Attempt", "Makima-Proof"
_PROOF = f"{PROOF}: ".encode()
_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")


async def seal(
    cache: RepositoryCache, head: str, task: str, attempt: int, key: AttemptKey | None = None, branch: str = ""
) -> str:
    """A commit like `head` whose message names the attempt, made in the cache; `head` itself where it does already.
    With a `key` a third trailer proves that it was made by this attempt for `branch`.

    A signature is left out: it would be one of another commit. Raises GitError.
    """
    if await holds(cache, head, task, attempt, key, branch):
        return head
    header, _, message = (await cache.local("cat-file", "commit", commit_id(head))).stdout.partition(b"\n\n")
    message = b"\n".join(line for line in message.split(b"\n") if not line.startswith(_PROOF))
    trailers = (f"--trailer={TASK}={task}", f"--trailer={ATTEMPT}={attempt}")
    said = (await cache.local("interpret-trailers", "--if-exists=replace", *trailers, stdin=message)).stdout
    commit = b"\n".join(_unsigned(header.split(b"\n"))) + b"\n\n" + said
    if key:
        token = key.encrypt(StateKind.BRANCH, b"", branch, sha256(commit).hexdigest())
        commit += _PROOF + base64.b64encode(token) + b"\n"
    return (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit)).text


async def holds(
    cache: RepositoryCache, head: str, task: str, attempt: int, key: AttemptKey | None = None, branch: str = ""
) -> bool:
    """Whether the commit, which must be in the cache, says that it is the end of this attempt; and can prove it, where
    the attempt has a `key`: anybody may write the other two lines.
    """
    wanted = "%x00".join(f"%(trailers:key={name},valueonly,separator=%x2C)" for name in (TASK, ATTEMPT))
    said = (await cache.local("log", "-1", "--no-show-signature", f"--format={wanted}", commit_id(head))).text
    return said.split("\0") == [task, str(attempt)] and (key is None or await _proves(cache, head, key, branch))


async def _proves(cache: RepositoryCache, head: str, key: AttemptKey, branch: str) -> bool:
    commit = (await cache.local("cat-file", "commit", head)).stdout
    rest, _, proof = commit.rpartition(_PROOF)
    try:
        key.decrypt(StateKind.BRANCH, base64.b64decode(proof), branch, sha256(rest).hexdigest())
    except (NotVerified, binascii.Error):
        return False
    return True


def _unsigned(lines: list[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    in_signature = False
    for line in lines:
        in_signature = line.startswith(_SIGNATURES) or (in_signature and line.startswith(b" "))
        kept += [] if in_signature else [line]
    return kept
