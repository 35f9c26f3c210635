"""Tokens: who calls, and whether they may."""

from __future__ import annotations

import base64
import binascii

from fakes.forge.api_errors import Answered
from fakes.forge.records import Account
from fakes.forge.store import OWN_LOGIN, Store


class Keys:
    """Reads credentials of all kinds that GitHub takes: bearer, token, and basic with the token as password."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def caller(self, authorization: str | None) -> Account | None:
        """Whose credentials these are, None without any; Answered with 401 for wrong ones."""
        if not authorization:
            return None
        account = self._store.account(_token(authorization))
        if account is None:
            raise Answered(401, "Bad credentials")
        return account

    def check_may_write(self, account: Account | None) -> None:
        """Answered with 401 for nobody, with 403 for a token that only reads."""
        if account is None:
            raise Answered(401, "Requires authentication")
        if not account.write:
            raise Answered(
                403, "Resource not accessible by personal access token", headers={"X-Accepted-OAuth-Scopes": "repo"}
            )

    def check_is_own(self, account: Account | None) -> None:
        """The control API is for the token in the data folder alone."""
        if account is None or account.login != OWN_LOGIN:
            raise Answered(401, "The control API takes the token in the forge's data folder")


def _token(authorization: str) -> str:
    kind, _, value = authorization.partition(" ")
    match kind.lower():
        case "bearer" | "token":
            return value.strip()
        case "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return ""
            return password if password not in ("", "x-oauth-basic") else user
        case _:
            return ""
