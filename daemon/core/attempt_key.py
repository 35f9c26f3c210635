"""What one attempt's state is authenticated and encrypted with: AES-GCM, by a key that is the attempt's alone
(docs/decisions/0010).

A key follows from the directive's secret and the attempt. So a daemon may keep the key of work that lies on its disk,
and whoever should read it there learns nothing of other attempts.
"""

from __future__ import annotations

import base64
import json
import os
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.errors import NotVerified
from domain.spawn_task import SpawnTask

_KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME_BYTES = 8
_PURPOSE = "makima state 1"


class StateKind(StrEnum):
    """What a piece of state is; one kind's is never taken for another's."""

    OUTCOME = "outcome"
    CHECKPOINT = "checkpoint"
    BRANCH = "branch"


class AttemptKey:
    """The key of one attempt; no repr shows it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, command: SpawnTask, attempt: int | None = None) -> AttemptKey | None:
        """That of the command's attempt, or of another `attempt` of its task; None where it has no secret."""
        secret = command.secret.get_secret_value()
        if not secret:
            return None
        return cls(_derived(secret.encode(), command.directive, command.task, attempt or command.attempt))

    @classmethod
    def from_text(cls, text: str) -> AttemptKey | None:
        """What `to_text` has given; None for the empty text."""
        return cls(base64.b64decode(text)) if text else None

    def to_text(self) -> str:
        """For the file of a delivery's note, and for nothing that leaves this machine."""
        return base64.b64encode(self._key).decode()

    def encrypt(self, kind: StateKind, text: bytes, *bound: str) -> bytes:
        """`text`, readable with this key alone, as the same kind and with the same `bound`: its place, its commit."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, text, _joined(kind, *bound))

    def decrypt(self, kind: StateKind, token: bytes, *bound: str) -> bytes:
        """What was encrypted so; raises NotVerified for anything else."""
        try:
            return AESGCM(self._key).decrypt(token[:_NONCE_BYTES], token[_NONCE_BYTES:], _joined(kind, *bound))
        except (InvalidTag, ValueError) as error:
            raise NotVerified("it was not written with this attempt's key, or not for this place") from error

    def name(self, *parts: str) -> str:
        """16 hex digits that only this key gives for `parts`."""
        return HKDF(SHA256(), _NAME_BYTES, None, _joined("name", *parts)).derive(self._key).hex()


def _derived(secret: bytes, directive: UUID, task: UUID, attempt: int) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, None, _joined(_PURPOSE, str(directive), str(task), str(attempt))).derive(secret)


def _joined(*parts: str) -> bytes:
    """No two lists of texts give the same bytes."""
    return json.dumps(parts).encode()
