"""The daemon's own git: a configuration of its own, no hooks, no prompt, no protocol that runs commands (design 17)."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from daemon.git.config import (
    OWN_SETTINGS,
    Entry,
    credentialed_environment,
    plain_environment,
    rendered,
    rewritten,
    ssh_command,
    taken_over,
    trusted,
)
from daemon.git.local import LocalRepositories, may_name_hooks
from daemon.git.remote_errors import is_unauthenticated
from daemon.git.signing import Signer
from daemon.process.run import Finished, run
from domain.errors import GitError, SettingsError
from domain.repository_url import path_of

LOCAL_TIMEOUT = 120.0
"""Seconds for a command that touches only this machine."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_id(text: str) -> str:
    """`text`, if it is the full name of a commit; a name that comes from a worktree or a command may be anything,
    an option of git's among them. Raises GitError.
    """
    if not _COMMIT.fullmatch(text):
        raise GitError(f"{text[:80]!r} is not a commit's full name")
    return text


class Git:
    """Runs git for the daemon, never inside a worktree: it has the machine's credentials (rule 6.2)."""

    def __init__(
        self,
        home: Path,
        environ: Mapping[str, str],
        *,
        allow_local: bool,
        local: LocalRepositories | None = None,
        helpers: Mapping[str, str] | None = None,
        signer: Signer | None = None,
    ) -> None:
        """`home` holds the two configurations that `prepare` writes; `environ` is the daemon's environment; `local`
        says which repositories of this machine are taken where `allow_local`; `helpers` (https://host → credential
        helper) are asked where those of the machine's owner know nothing; `signer`: None: nothing is signed.
        """
        self.home = home
        self.signer = signer
        self.allow_local = allow_local
        self.local = local or LocalRepositories()
        self._kept: tuple[Entry, ...] = ()
        self._environ = environ
        self._helpers = helpers or {}
        self._own_config = home / "gitconfig"
        self._plain_config = home / "gitconfig-plain"
        self._environment = self._credentialed_environment()
        self._plain_environment = plain_environment(environ, str(self._plain_config))

    async def prepare(self) -> None:
        """Write the configurations anew from the machine's; raises SettingsError where git is missing."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._kept = taken_over(await self._machine_configuration())
        added = (Entry(f"credential.{url}.helper", helper) for url, helper in self._helpers.items())
        self._environment = self._credentialed_environment()
        trust = trusted(self._kept, self._environ.get("HOME", ""))
        kept = [entry for entry in self._kept if entry.key.lower() != "safe.directory"]
        self._own_config.touch(mode=0o600)  # a rewrite may hold a token
        self._own_config.write_text(rendered((*OWN_SETTINGS, *kept, *trust, *added)), errors="surrogateescape")
        self._plain_config.write_text(rendered(OWN_SETTINGS))

    def _credentialed_environment(self) -> dict[str, str]:
        ssh = ssh_command(self._environ, self._kept)
        return credentialed_environment(self._environ, str(self._own_config), allow_local=self.allow_local, ssh=ssh)

    def local_path(self, url: str, folder: Path, *, push: bool = False) -> str | None:
        """The path of this machine that git, run in `folder`, comes to with `url` (None: it goes to a remote), also
        where only the machine's configuration says so.
        """
        if not self.allow_local:
            return None
        path = path_of(rewritten(url, self._kept, push=push))
        return None if path is None else str(folder / path)

    async def local_program(self, name: str, git_dir: Path, **settings: str) -> str:
        """The command line of `name` (receive-pack, upload-pack) for the local repository `git_dir`."""
        keys: tuple[str, ...] = ()
        if await asyncio.to_thread(may_name_hooks, git_dir):
            asked = ("config", "--name-only", "-z", "--get-regexp", r"^hook\.")
            keys = (await self.run(*asked, repository=git_dir)).names
        hooks = dict.fromkeys(key.partition(".")[2].rpartition(".")[0] for key in keys)
        return self.local.program(name, hooks, **settings)

    async def run(
        self,
        *args: str,
        repository: Path,
        stdin: bytes | IO[bytes] = b"",
        timeout: float = LOCAL_TIMEOUT,
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        largest_file: int = 0,
    ) -> Finished:
        """`git args` in the bare `repository`, with the machine's credentials and, added to that, `env`; any exit code
        is a result. `largest_file`: bytes past which a file that it writes ends it; 0: no limit.
        """
        argv: tuple[str, ...] = ("git", f"--git-dir={repository}", *args)
        if largest_file:
            argv = ("sh", "-c", 'ulimit -f "$1" && shift && exec "$@"', "sh", str(largest_file // 512), *argv)
        environment = {**self._environment, **(env or {})}
        return await run(argv, cwd=repository, env=environment, stdin=stdin, timeout=timeout, pass_fds=pass_fds)

    async def run_remotely(
        self, *args: str, repository: Path, timeout: float, pass_fds: Sequence[int], largest_file: int
    ) -> Finished:
        """`run`, and once more where a remote refuses the token that a helper of ours has given: that one may have
        ended while it was used, and the next one lie in its place.
        """
        for last in (not self._helpers, True):
            finished = await self.run(
                *args, repository=repository, timeout=timeout, pass_fds=pass_fds, largest_file=largest_file
            )
            if last or not is_unauthenticated(finished):
                break
        return finished

    async def ask(self, *args: str, repository: Path, stdin: bytes = b"") -> str:
        """The output of a command that touches only this machine; raises GitError when it fails."""
        return checked(await self.run(*args, repository=repository, stdin=stdin)).text

    async def run_plainly(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float
    ) -> Finished:
        """A runner (`process.Runs`) without credentials, home or network, for worktrees that no agent has touched."""
        return await run(argv, cwd=cwd, env={**self._plain_environment, **env}, stdin=stdin, timeout=timeout)

    async def _machine_configuration(self) -> bytes:
        argv = ("git", "config", "--list", "--includes", "--show-scope", "-z")
        try:
            found = await run(argv, cwd=self.home, env=self._environ, timeout=LOCAL_TIMEOUT)
        except FileNotFoundError as error:
            raise SettingsError("git is not installed on this machine, or not on the daemon's PATH") from error
        return checked(found).stdout


def no_room(said: str) -> bool:
    """Whether the disk is full: git has no exit code for it, only the system's words."""
    return any(os.strerror(number) in said for number in (errno.ENOSPC, errno.EDQUOT))


def checked(finished: Finished, *also: int) -> Finished:
    """`finished`, if its exit code is 0 or one of `also` and its output is whole; else GitError."""
    if finished.exit_code not in (0, *also):
        raise GitError(str(finished))
    if finished.cut:
        raise GitError(f"{finished}; it wrote more than this daemon reads")
    return finished
