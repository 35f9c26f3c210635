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
            for file in await asyncio.to_thread(self._files):
                self._add(RepositoryRecord.model_validate_json(await asyncio.to_thread(file.read_bytes)))
            return
        own = Account(token=f"ghp_{secrets.token_hex(18)}", login=OWN_LOGIN)
        await asyncio.to_thread(write_private, self.token_file, own.token + "\n")
        await self.put_account(own)

    def all(self) -> tuple[Repository, ...]:
        by_name = {each.record.full_name.lower(): each for each in self._repositories.values()}
        return tuple(by_name[name] for name in sorted(by_name))

    def find(self, owner: str, name: str) -> Repository | None:
        """By its names in any case, and by former ones, as GitHub does."""
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

    def accounts(self) -> tuple[Account, ...]:
        return self.record.accounts

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

    async def rename(self, repository: Repository, name: str) -> Repository:
        """Call it `name` within its owner, or move it to `owner/name`; whoever has it in hand has the former one."""
        async with self._lock:
            former = repository.record
            owner, _, last = name.rpartition("/")
            moved = former.with_changes(
                owner=owner or former.owner, name=last, former=(*former.former, former.full_name)
            )
            made = self._at(moved)
            await asyncio.to_thread(made.git.path.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(repository.git.path.rename, made.git.path)
            await asyncio.to_thread(self._file_of(former).unlink)
            await _write(self._file_of(moved), moved)
            self._repositories = {key: each for key, each in self._repositories.items() if each is not repository}
            return self._add(moved)

    def _add(self, record: RepositoryRecord) -> Repository:
        added = self._repositories.setdefault(_key(record.owner, record.name), self._at(record))
        for former in record.former:
            self._repositories.setdefault(_key(*former.rpartition("/")[::2]), added)
        return added

    def _files(self) -> list[Path]:
        """Those of all records; a branch may be called like one."""
        found = (self._folder / "repositories").glob("**/*.json")
        return sorted(file for file in found if not any(part.endswith(".git") for part in file.parts))

    def _at(self, record: RepositoryRecord) -> Repository:
        file = self._file_of(record)
        return Repository(record, BareRepository(file.with_name(f"{record.name}.git")), file)

    def _file_of(self, record: RepositoryRecord) -> Path:
        return self._folder / "repositories" / record.owner / f"{record.name}.json"


def _key(owner: str, name: str) -> tuple[str, str]:
    return owner.lower(), name.removesuffix(".git").lower()


async def _write(file: Path, record: BaseModel) -> None:
    # Of what tests and the demo tell it the forge survives being killed, but no power cut.
    await asyncio.to_thread(write_private, file, record.model_dump_json(indent=1) + "\n", synced=False)
