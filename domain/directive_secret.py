"""The secret of a directive: what its state on a remote is authenticated and encrypted with (docs/decisions/0010)."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from pydantic import PlainSerializer, SecretStr

DirectiveSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]
"""Empty: the directive was started before there were secrets. No repr, log or error shows it; JSON does, for it has to
reach the daemon: nothing that holds one may be shown to anybody.
"""
NO_SECRET: Final = SecretStr("")


def new_secret() -> SecretStr:
    """256 random bits of the operating system's. Never call it in a workflow, whose every random number is replayed."""
    return SecretStr(secrets.token_urlsafe(32))
