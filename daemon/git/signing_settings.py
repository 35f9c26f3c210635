"""What the daemon's settings say of signatures: `[signing]` (rule 6.16, docs/decisions/0069)."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from daemon.settings_path import SettingsPath, whole
from domain.value import Value

_KEY_ID = re.compile(r"(0x)?[0-9A-Fa-f]{16,64}")


class SignatureFormat(StrEnum):
    """As git's gpg.format has it."""

    SSH = "ssh"
    OPENPGP = "openpgp"


class SigningSettings(Value):
    """The key that the commits of the daemon's work are signed with, outside of the sandbox."""

    format: SignatureFormat
    key: Annotated[str, Field(min_length=1, max_length=4096)]
    """ssh: the path of the private key, which has no passphrase; openpgp: the fingerprint, or the long key id."""
    program: SettingsPath | None = None
    """In place of the `ssh-keygen` or `gpg` that is found on the daemon's PATH."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.format is SignatureFormat.OPENPGP:
            if not _KEY_ID.fullmatch(self.key):
                raise ValueError("key is the fingerprint of an OpenPGP key, as `gpg --list-secret-keys` shows it")
            return self
        if whole(Path(self.key)).suffix == ".pub":
            raise ValueError(f"{self.key} is a public key: name the private one beside it")
        return self

    @property
    def key_file(self) -> Path | None:
        """Where the key lies; None: in a keyring."""
        return whole(Path(self.key)) if self.format is SignatureFormat.SSH else None
