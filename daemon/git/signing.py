"""Signs commits, outside of the sandbox and without git (rule 6.16, docs/decisions/0069).

git would take the program and the key from configurations, one of which an agent can write. Here a program that the
daemon's settings name gets the commit on its standard input, in an environment of the daemon's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from daemon.git.signing_settings import SignatureFormat, SigningSettings
from daemon.process.run import Finished, run
from domain.errors import ProcessTimedOut, SettingsError, SigningFailed

SIGNED_WITHIN = 60.0
"""Seconds for one signature."""
_KEPT = ("PATH", "HOME", "GNUPGHOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
"""Of the daemon's environment: where gpg finds its keyring and its agent."""
_REMEMBERED = 4096
"""Signatures."""
_LARGEST = 16 * 1024
"""Bytes of a signature."""
_NAMESPACE = "git"
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]+")
_VALID = re.compile(r"^\[GNUPG:\] VALIDSIG (.+)$", re.MULTILINE)
_TRIAL = b"Can this daemon sign?\n"


class Signer:
    """Makes and knows the signatures of one key. All methods raise SigningFailed, in a line that says what to do."""

    def __init__(self, settings: SigningSettings, environ: Mapping[str, str], name: str, email: str) -> None:
        """`name` and `email`: the committer of all that is signed."""
        self._settings = settings
        self._key = str(settings.key_file or settings.key)
        self.committer = f"{name} <{email}>".encode()
        self._environment = {each: environ[each] for each in _KEPT if each in environ} | {
            "LC_ALL": "C",
            "SSH_ASKPASS_REQUIRE": "never",
        }
        # Not every kind of key signs the same text in the same way twice: within one process each is signed once.
        self._made: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def about(self) -> str:
        return f"commits of the work, {self._settings.format} key {self._settings.key}"

    async def signature(self, payload: bytes) -> bytes:
        """Of a commit as it is without one."""
        name = hashlib.sha256(payload).digest()
        if name not in self._made:
            self._made[name] = await self._signed(payload)
        self._made.move_to_end(name)
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return self._made[name]

    async def is_own(self, payload: bytes, signature: bytes) -> bool:
        """Whether this key has signed it; who else has is not asked. What claims to be a signature may be anybody's."""
        if len(signature) > _LARGEST:
            return False
        with tempfile.NamedTemporaryFile(prefix="makima-signature-") as file:
            await asyncio.to_thread(_write, file.name, signature)
            if self._settings.format is SignatureFormat.SSH:
                asked = ("-Y", "check-novalidate", "-n", _NAMESPACE, "-s", file.name)
                said = await self._ran(*asked, stdin=payload)
                return said.exit_code == 0 and await self._fingerprint() in _FINGERPRINT.findall(said.text)
            alone = ("--batch", "--no-tty", "--no-auto-key-retrieve", "--status-fd=1")  # it looks for nobody's key
            said = await self._ran(*alone, "--verify", file.name, "-", stdin=payload)
        found = _VALID.search(said.text)
        wanted = self._settings.key.removeprefix("0x").upper()
        return bool(said.exit_code == 0 and found and any(each.endswith(wanted) for each in found[1].split()))

    async def check(self) -> None:
        """One signature, thrown away; SettingsError where it can't be made."""
        try:
            await self._signed(_TRIAL)
        except SigningFailed as error:
            raise SettingsError(str(error)) from error

    async def _signed(self, payload: bytes) -> bytes:
        key = self._key
        if self._settings.format is SignatureFormat.SSH:
            await asyncio.to_thread(_look_at, Path(key))
            made = await self._ran("-Y", "sign", "-n", _NAMESPACE, "-f", key, stdin=payload)
            remedy = (
                f"try `ssh-keygen -Y sign -n git -f {key}` as the daemon's user: a key with a passphrase is no help"
            )
            begins = b"-----BEGIN SSH SIGNATURE-----"
        else:
            quietly = ("--batch", "--no-tty", "--pinentry-mode=error", "--status-fd=2")
            made = await self._ran(*quietly, "--detach-sign", "--armor", "--local-user", key, stdin=payload)
            remedy = f"try `gpg --detach-sign --armor --local-user {key}` as the daemon's user, without a terminal"
            begins = b"-----BEGIN PGP SIGNATURE-----"
        if made.exit_code != 0 or not made.stdout.startswith(begins):
            raise SigningFailed(f"[signing]: no commit can be signed: {made}; {remedy}")
        return made.stdout.strip()

    async def _fingerprint(self) -> str:
        said = await self._ran("-l", "-E", "sha256", "-f", self._key)
        found = _FINGERPRINT.search(said.text)
        if said.exit_code != 0 or found is None:
            raise SigningFailed(f"[signing]: {self._key} can't be read as a key: {said}")
        return found[0]

    async def _ran(self, *args: str, stdin: bytes = b"") -> Finished:
        usual = "ssh-keygen" if self._settings.format is SignatureFormat.SSH else "gpg"
        program = str(self._settings.program or usual)
        try:
            argv = (program, *args)
            return await run(argv, cwd=Path("/"), env=self._environment, stdin=stdin, timeout=SIGNED_WITHIN)
        except ProcessTimedOut as error:
            raise SigningFailed(f"[signing]: {error}") from error
        except OSError as error:
            raise SigningFailed(
                f"[signing]: {program} can't be run ({error.strerror}): install it, or name it as program"
            ) from error


def _look_at(key: Path) -> None:
    """Refuse a key that others than the daemon's user can read, or put in its place."""
    try:
        found = key.stat()
    except OSError as error:
        raise SigningFailed(
            f"[signing]: the key {key} can't be read ({error.strerror}): put it back, or change `key`"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise SigningFailed(f"[signing]: the key {key} is no file")
    if found.st_mode & 0o077 or found.st_uid not in (os.getuid(), 0):
        raise SigningFailed(f"[signing]: others can read the key {key}: chmod 600, and let the daemon's user own it")


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content + b"\n")
