"""Makes commits of the cache again, with a signature (rule 6.16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from daemon.git.signing import Signer
from domain.errors import GitError, SigningFailed

_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")
_COMMITTER = b"committer "
SHA256_DIGITS = 64
MOST = 2000
"""Commits of one work: an agent that makes more must not keep the daemon's slot for hours."""


async def signed(cache: RepositoryCache, commit: str) -> str:
    """The commit, signed by the daemon where its settings want that. Raises GitError, SigningFailed."""
    signer = cache.git.signer
    return await _remade(cache, signer, commit, {}) if signer else commit


async def signed_work(cache: RepositoryCache, head: str, known: Sequence[str]) -> dict[str, str]:
    """All commits of `head` that neither the remote's branches nor `known` hold, each → what it is signed; nothing
    where the settings want no signatures. One that this daemon's key has signed stays as it is.

    The committer becomes the daemon's, who signs; the author, the dates and the message stay. `head` must be in the
    cache. Raises GitError, SigningFailed.
    """
    signer = cache.git.signer
    if signer is None:
        return {}
    branches = (await cache.local("for-each-ref", "--format=%(objectname)", "refs/remotes/origin/")).text.splitlines()
    here = [each for each in dict.fromkeys(known) if each and await cache.has(each)]
    lines = "".join(f"{each}\n" for each in (commit_id(head), *(f"^{commit_id(old)}" for old in (*branches, *here))))
    new = (await cache.local("rev-list", "--topo-order", "--reverse", "--stdin", stdin=lines.encode())).text.split()
    if len(new) > MOST:
        raise SigningFailed(
            f"the work has {len(new)} commits, and no more than {MOST} are signed: `retry-step` does it anew"
        )
    made: dict[str, str] = {}
    for each in new:
        made[each] = await _remade(cache, signer, each, made)
    return made


async def _remade(cache: RepositoryCache, signer: Signer, commit: str, made: Mapping[str, str]) -> str:
    raw = (await cache.local("cat-file", "commit", commit_id(commit))).stdout
    header, _, message = raw.partition(b"\n\n")
    kept, signature = apart(header)
    lines = [_with_parent(line, made) for line in kept]
    payload = b"\n".join(lines) + b"\n\n" + message
    if signature and lines == kept and await signer.is_own(payload, signature):
        return commit
    lines = [_by(line, signer.committer) for line in lines]
    payload = b"\n".join(lines) + b"\n\n" + message
    name = b"gpgsig-sha256 " if len(commit) == SHA256_DIGITS else b"gpgsig "
    told = name + (await signer.signature(payload)).replace(b"\n", b"\n ")
    whole = b"\n".join([*lines, told]) + b"\n\n" + message
    return (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=whole)).text


def to_be_signed(cache: RepositoryCache, header: bytes) -> list[bytes]:
    """The lines of the header of a commit that `signed` is to be asked for, as they will be beside the signature."""
    lines, signer = apart(header)[0], cache.git.signer
    return [_by(line, signer.committer) for line in lines] if signer else lines


def apart(header: bytes) -> tuple[list[bytes], bytes]:
    """The lines of a commit's header without its signatures, and the first of these."""
    kept: list[bytes] = []
    found: list[list[bytes]] = []
    in_signature = False
    for line in header.split(b"\n"):
        begins = line.startswith(_SIGNATURES)
        in_signature = begins or (in_signature and line.startswith(b" "))
        if begins:
            found.append([line.partition(b" ")[2]])
        elif in_signature:
            found[-1].append(line[1:])
        else:
            kept.append(line)
    return kept, b"\n".join(found[0]) if found else b""


def _with_parent(line: bytes, made: Mapping[str, str]) -> bytes:
    if not line.startswith(b"parent "):
        return line
    parent = line.removeprefix(b"parent ").decode("ascii", "replace")
    return f"parent {made.get(parent, parent)}".encode()


def _by(line: bytes, committer: bytes) -> bytes:
    """The committer's line with another person, and its date."""
    if not line.startswith(_COMMITTER):
        return line
    _, end, date = line.rpartition(b"> ")
    if not end:
        raise GitError("a commit has a committer without a date")
    return _COMMITTER + committer + b" " + date
