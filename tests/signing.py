"""Keys that commits are signed with, and git's own word on who has signed what."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from daemon.git.signing import Signer
from daemon.git.signing_settings import SignatureFormat, SigningSettings
from tests.needs import need


@dataclass(frozen=True)
class Key:
    """A key of a person's, in a folder of its own."""

    settings: SigningSettings
    environ: dict[str, str]
    verifying: tuple[str, ...]
    """What git has to be told to know whose signature it is."""
    secret: Path
    """The file, or the folder, without which nothing can be signed."""

    @property
    def signer(self) -> Signer:
        return Signer(self.settings, self.environ, "Makima", "makima@localhost")

    def is_good(self, repository: Path, commit: str) -> bool:
        """Whether git says that this key has signed the commit."""
        env = {**self.environ, "GIT_CONFIG_NOSYSTEM": "1"}
        asked = ("git", *self.verifying, "verify-commit", "--raw", commit)
        return subprocess.run(asked, cwd=repository, env=env, capture_output=True, check=False).returncode == 0

    def close(self) -> None:
        """End what gpg has started."""
        if self.settings.format is SignatureFormat.OPENPGP:
            subprocess.run(("gpgconf", "--kill", "all"), env=self.environ, capture_output=True, check=False)


def make_key(folder: Path, kind: str) -> Key:
    """`kind`: ed25519, ecdsa (which never signs the same text in the same way twice), or openpgp."""
    folder.mkdir(mode=0o700)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return _openpgp(folder, environ) if kind == "openpgp" else _ssh(folder, environ, kind)


def _ssh(folder: Path, environ: dict[str, str], kind: str) -> Key:
    keygen, file = need("ssh-keygen", "openssh-client"), folder / "key"
    subprocess.run((keygen, "-q", "-t", kind, "-N", "", "-f", str(file)), check=True)
    allowed = folder / "allowed"
    allowed.write_text(f"makima@localhost {(folder / 'key.pub').read_text()}")
    settings = SigningSettings(format=SignatureFormat.SSH, key=str(file))
    told = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}")
    return Key(settings, environ, told, file)


def _openpgp(folder: Path, environ: dict[str, str]) -> Key:
    gpg = need("gpg", "gnupg")
    # The path of its agent's socket has to be short.
    environ = {**environ, "GNUPGHOME": str(folder)}
    who = ("Makima <makima@localhost>", "ed25519", "sign", "never")
    made = ("--batch", "--passphrase", "", "--quick-generate-key", *who)
    subprocess.run((gpg, *made), env=environ, check=True, capture_output=True)
    listed = subprocess.run((gpg, "--list-secret-keys", "--with-colons"), env=environ, check=True, capture_output=True)
    (fingerprint, *_) = [line.split(":")[9] for line in listed.stdout.decode().splitlines() if line.startswith("fpr")]
    settings = SigningSettings(format=SignatureFormat.OPENPGP, key=fingerprint)
    return Key(settings, environ, (), folder / "private-keys-v1.d")
