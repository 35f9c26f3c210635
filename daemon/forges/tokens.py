"""Where the daemon's token for a forge comes from; it is handed to requests and to nothing else (rule 6.6)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from daemon.forges.forge_settings import ForgeSettings
from daemon.process.run import run
from domain.errors import ForgeRefused, ProcessTimedOut

GH_TIMEOUT = 30.0
LONGEST_TOKEN = 4096


class Tokens:
    """The token for one host, read when it is first needed; `learn` hears of it before anyone else, to mask it."""

    def __init__(
        self, host: str, settings: ForgeSettings, environ: Mapping[str, str], learn: Callable[[str], None]
    ) -> None:
        self.host = host
        self._settings = settings
        self._environ = environ
        self._learn = learn
        self._known: SecretStr | None = None
        self._renewing = asyncio.Lock()
        self.changes = 0
        """How often another one was read than before: it may be another account's."""

    @property
    def place(self) -> str:
        """Where a person changes the token, for an error's text."""
        if self._settings.token_env:
            return f"${self._settings.token_env}"
        if self._settings.token_file:
            return str(self._settings.token_file)
        return f"gh (`gh auth login --hostname {self.host}`)"

    async def token(self) -> SecretStr | None:
        """None where there is none; raises ForgeRefused where the settings name a place that holds none."""
        if self._known is None:
            await self.renew()
        return self._known

    async def newer_than(self, sent: SecretStr | None) -> SecretStr | None:
        """Another token than the one that the forge has just refused, if there is one by now: several may have sent it
        at once, and one of them reads it anew.
        """
        async with self._renewing:
            if self._known == sent:
                await self.renew()
            return self._known if self._known != sent else None

    async def renew(self) -> bool:
        """Read it anew; whether it is another one than before: somebody may have changed it meanwhile."""
        former, read = self._known, await self._read()
        self._known = SecretStr(read) if read else None
        if read:
            self._learn(read)
        is_another = self._known != former
        self.changes += is_another
        return is_another

    async def _read(self) -> str:
        if self._settings.token_env:
            found = self._environ.get(self._settings.token_env, "")
        elif self._settings.token_file:
            found = await self._from_file(self._settings.token_file)
        else:
            return _plain(await self._from_gh())
        if token := _plain(found):
            return token
        raise ForgeRefused(f"{self.host}: {self.place} holds no token: put one there (docs/daemon.md, forges)")

    async def _from_file(self, file: Path) -> str:
        try:
            return await asyncio.to_thread(file.read_text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ForgeRefused(f"{self.host}: the token's file {file} can't be read: {reason}") from None

    async def _from_gh(self) -> str:
        """What `gh` knows, if it is there: its own settings are the user's, so it gets the daemon's environment."""
        if shutil.which("gh", path=self._environ.get("PATH", os.defpath)) is None:
            return ""
        argv = ("gh", "auth", "token", "--hostname", self.host)
        env = {**self._environ, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
        try:
            finished = await run(argv, cwd=Path("/"), env=env, timeout=GH_TIMEOUT, output_limit=LONGEST_TOKEN)
        except ProcessTimedOut as error:
            raise ForgeRefused(f"{self.host}: {error}") from None
        return finished.stdout.decode(errors="replace") if finished.exit_code == 0 else ""


def _plain(text: str) -> str:
    """`text` without blanks around it, if it can stand in a header; else nothing."""
    token = text.strip()
    return token if token.isascii() and token.isprintable() and len(token) <= LONGEST_TOKEN else ""
