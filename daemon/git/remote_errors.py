"""What a failed talk with a remote means, read from git's own words (`LC_ALL=C`); pure.

git's exit code tells little: 128 stands for an unknown repository and for a broken line alike. ssh ends every failure
with "Could not read from remote repository … correct access rights", which therefore proves nothing.
"""

from __future__ import annotations

import errno
import os
import re

from daemon.process.run import Finished
from domain.errors import GitError, GitUnreachable, MakimaError, RemoteBroken, RepositoryError
from domain.repository_url import masked

_REFUSED = re.compile(
    r"does not appear to be a git repository"
    r"|repository '.*' (does not exist|not found)|repository not found"
    r"|project you were looking for could not be found"
    r"|not valid: is this a git repository"
    r"|access denied or repository not exported"
    r"|authentication failed|invalid username or|support for password authentication was removed"
    r"|terminal prompts disabled|could not read (username|password)"
    r"|returned error: (400|401|403|404|405|410|451)"
    r"|permission (to .* )?denied|write access to repository not granted|not allowed to push"
    r"|host key verification failed"
    r"|transport '.*' not allowed"
    r"|detected dubious ownership",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"object .* is (corrupt|empty)|bad object|unable to read (tree|commit|blob|sha1)|missing (blob|tree|commit)"
    r"|did not (receive expected|send all necessary) objects?|reference broken",
    re.IGNORECASE,
)
"""Such a server hangs up, too: what it said first is the reason."""
_UNREACHABLE = re.compile(
    r"could not resolve|unable to look up|name resolution|name or service not known"
    r"|(failed|unable|could(n't| not)) (to )?connect|connection (refused|reset|closed|timed out)|timed out|timeout"
    r"|network is unreachable|no route to host|broken pipe"
    r"|returned error: (407|408|429|5\d\d)|rpc failed|early eof|hung up unexpectedly|unexpected disconnect"
    r"|operation too slow|ssl[ _]|gnutls|proxy connect",
    re.IGNORECASE,
)
_UNAUTHENTICATED = re.compile(r"authentication failed|invalid username or|returned error: 401", re.IGNORECASE)
_NOISE = re.compile(r"^(remote: |fatal: |error: )+", re.IGNORECASE)


def remote_error(display: str, finished: Finished) -> MakimaError:
    """The error for a failed command on the remote `display`: RepositoryError for the directive's own trouble,
    RemoteBroken where git can't read what is there, GitUnreachable where the same call may succeed later, else
    GitError. A line that fits several is the first of these.
    """
    lines = masked(finished.stderr).splitlines()
    if line := _first(_REFUSED, lines):
        return RepositoryError(f"{display}: {line}")
    if line := _first(_BROKEN, lines):
        return RemoteBroken(f"{display} is broken: {line}")
    if line := _first(_UNREACHABLE, lines):
        return GitUnreachable(f"{display} does not answer: {line}")
    return GitError(str(finished))


def is_unauthenticated(finished: Finished) -> bool:
    """Whether the remote has refused the credentials."""
    return finished.exit_code != 0 and bool(_UNAUTHENTICATED.search(finished.stderr))


def is_disk_full(error: MakimaError | OSError) -> bool:
    """git has no exit code for it, only the system's words."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT))


def _first(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((_NOISE.sub("", line).strip() for line in lines if pattern.search(line)), None)
