"""The forge's state: in memory, and after every change in files that are written whole or not at all."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from fakes.forge.bare_git import BareRepository
from fakes.forge.records import Account, ForgeRecord, RepositoryRecord, now
from runtime.private_file import write_private

OWN_LOGIN = "makima"


class Repository:
    """One repository: its record, its git data, and the lock under which either is changed through the forge."""

    def __init__(self, record: RepositoryRecord, git: BareRepository, file: Path) -> None:
        self.record = record
        self.git = git
        self._file = file
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Hold the repository while `record` is replaced; it is written on the way out, or as it was after an error."""
        async with self._lock:
            before = self.record
            try:
                yield
                if self.record is not before:
                    await _write(self._file, self.record)
            except BaseException:
                self.record = before
                raise


class Store:
    """All repositories and accounts of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "forge.json"
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._lock = asyncio.Lock()
        self.record = ForgeRecord()

    @property
    def token_file(self) -> Path:
        """Holds the token of the account `makima`, which may do everything, the control API included."""
        return self._folder / "token"

    async def open(self) -> None:
        """Read what is there; on a new folder, make the first account."""
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        if await asyncio.to_thread(self._file.exists):
            self.record = ForgeRecord.model_validate_json(await asyncio.to_thread(self._file.read_bytes))
            for file in await asyncio.to_thread(lambda: sorted(self._folder.glob("repositories/*/*.json"))):
                self._add(RepositoryRecord.model_validate_json(await asyncio.to_thread(file.read_bytes)))
            return
        own = Account(token=f"ghp_{secrets.token_hex(18)}", login=OWN_LOGIN)
        await asyncio.to_thread(write_private, self.token_file, own.token + "\n")
        await self.put_account(own)

    def all(self) -> tuple[Repository, ...]:
        return tuple(sorted(self._repositories.values(), key=lambda each: each.record.full_name.lower()))

    def find(self, owner: str, name: str) -> Repository | None:
        """By its names in any case, as GitHub does."""
        return self._repositories.get(_key(owner, name))

    async def create(self, wanted: RepositoryRecord, source: str | None) -> Repository | None:
        """Make a repository under a new id, empty or from `source`; None when there is one of that name."""
        async with self._lock:
            if self.find(wanted.owner, wanted.name):
                return None
            number = self.record.last_repository + 1
            await self._keep(self.record.model_copy(update={"last_repository": number}))
            repository = self._at(wanted.with_changes(id=number, created_at=now()))
            await repository.git.create(wanted.default_branch, source)
            await _write(self._file_of(repository.record), repository.record)
            return self._add(repository.record)

    def account(self, token: str) -> Account | None:
        found = (each for each in self.record.accounts if secrets.compare_digest(each.token.encode(), token.encode()))
        return next(found, None)

    async def put_account(self, account: Account) -> None:
        """Add a token, or change what it may do."""
        others = tuple(each for each in self.record.accounts if each.token != account.token)
        await self._keep(self.record.model_copy(update={"accounts": (*others, account)}))

    async def remove_account(self, token: str) -> None:
        others = tuple(each for each in self.record.accounts if each.token != token)
        await self._keep(self.record.model_copy(update={"accounts": others}))

    async def _keep(self, record: ForgeRecord) -> None:
        self.record = record
        await _write(self._file, record)

    def _add(self, record: RepositoryRecord) -> Repository:
        return self._repositories.setdefault(_key(record.owner, record.name), self._at(record))

    def _at(self, record: RepositoryRecord) -> Repository:
        file = self._file_of(record)
        return Repository(record, BareRepository(file.with_name(f"{record.name}.git")), file)

    def _file_of(self, record: RepositoryRecord) -> Path:
        return self._folder / "repositories" / record.owner / f"{record.name}.json"


def _key(owner: str, name: str) -> tuple[str, str]:
    return owner.lower(), name.removesuffix(".git").lower()


async def _write(file: Path, record: BaseModel) -> None:
    await asyncio.to_thread(write_private, file, record.model_dump_json(indent=1) + "\n")
