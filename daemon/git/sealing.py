"""A branch that says itself which attempt's work it holds: for a remote that takes nothing but branches of tasks.

No commit is added for it; the last one's message gets two more lines (docs/decisions/0004).
"""

from __future__ import annotations

from daemon.git.command import commit_id
from daemon.git.repositories import RepositoryCache

TASK, ATTEMPT = "Makima-Task", "Makima-Attempt"
_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")


async def seal(cache: RepositoryCache, head: str, task: str, attempt: int) -> str:
    """A commit like `head` whose message names the attempt, made in the cache; `head` itself where it does already.

    A signature is left out: it would be one of another commit. Raises GitError.
    """
    if await holds(cache, head, task, attempt):
        return head
    header, _, message = (await cache.local("cat-file", "commit", commit_id(head))).stdout.partition(b"\n\n")
    trailers = (f"--trailer={TASK}={task}", f"--trailer={ATTEMPT}={attempt}")
    said = (await cache.local("interpret-trailers", "--if-exists=replace", *trailers, stdin=message)).stdout
    commit = b"\n".join(_unsigned(header.split(b"\n"))) + b"\n\n" + said
    return (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit)).text


async def holds(cache: RepositoryCache, head: str, task: str, attempt: int) -> bool:
    """Whether the commit, which must be in the cache, says that it is the end of this attempt."""
    wanted = "%x00".join(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in (TASK, ATTEMPT))
    said = (await cache.local("log", "-1", "--no-show-signature", f"--format={wanted}", commit_id(head))).text
    return said.split("\0") == [task, str(attempt)]


def _unsigned(lines: list[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    in_signature = False
    for line in lines:
        in_signature = line.startswith(_SIGNATURES) or (in_signature and line.startswith(b" "))
        kept += [] if in_signature else [line]
    return kept
