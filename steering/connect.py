"""Connections as the environment says: for the command line, and for programs of others (docs/python.md)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

# What follows takes a second to import, and each command needs little of it: see the functions.
if TYPE_CHECKING:
    from temporalio.client import Client as Temporal

    from domain.health_report import Check, Health
    from domain.remote_leftovers import RemoteFound, RemoteWanted
    from ledger.pool import Database
    from ledger.pruning import Retention
    from ledger.reader import Record
    from runtime.shared_settings import SharedSettings
    from stack.cleaning import Cleaning
    from steering.client import Client


def connect() -> Client:
    """A client of what `starter.py` would steer from here. It opens what it needs once it is asked for something."""
    from steering.client import Client

    return Client(Connections("client"))


class Connections:
    """Opened, and imported, only by the commands that need them, so that `--help` works anywhere, and at once."""

    def __init__(self, typed: str) -> None:
        self._typed = typed

    @cached_property
    def settings(self) -> SharedSettings:
        from runtime.shared_settings import load_settings
        from runtime.started_stacks import found_settings

        return found_settings(load_settings(), os.environ, self._typed)

    @property
    def owner(self) -> str:
        return self.settings.owner

    @property
    def web_ui(self) -> str | None:
        from runtime.addresses import find_web_ui_url

        return find_web_ui_url(self.settings)

    @property
    def cache(self) -> Path:
        from platformdirs import user_cache_path

        return user_cache_path("makima")

    @property
    def config(self) -> Path:
        from platformdirs import user_config_path

        return user_config_path("makima") / "config.toml"

    async def temporal(self) -> Temporal:
        from runtime.connection import connect_temporal

        return await connect_temporal(self.settings, identity="starter", quiet=True)

    @asynccontextmanager
    async def record(self) -> AsyncIterator[Record]:
        from ledger.reader import Record

        async with self._pool() as pool:
            yield Record(pool)

    @asynccontextmanager
    async def retention(self) -> AsyncIterator[Retention]:
        from ledger.pruning import Retention

        async with self._pool() as pool:
            yield Retention(pool)

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[Database]:
        from ledger.pool import open_pool
        from runtime.addresses import find_database_url

        async with await open_pool(find_database_url(self.settings)) as pool:
            yield pool

    @asynccontextmanager
    async def cleaning(self, *, with_settings: bool) -> AsyncIterator[Cleaning]:
        from stack.cleaning import Places, cleaning

        places = Places(self.cache, self.config)
        opened = cleaning(self.settings, os.environ, places, _unfinished, with_settings=with_settings)
        async with opened as found:
            yield found

    async def on_remote(self, wanted: RemoteWanted) -> RemoteFound:
        from stack import local_daemon

        return await local_daemon.on_remote(self.settings, os.environ, wanted)

    async def local_daemon(self, options: Sequence[str]) -> Health | None:
        from stack import local_daemon

        return await local_daemon.examine(self.settings, os.environ, options)

    async def try_channels(self) -> Health:
        from runtime.notice_channels import tried

        return await tried(self.settings)

    async def notice_checks(self) -> Sequence[Check]:
        from runtime.notice_checks import notice_checks

        return await notice_checks(self.settings)

    @property
    def answer_url(self) -> str:
        return self.settings.answer_url

    def answer_key(self) -> bytes:
        from runtime.answer_key import answer_key

        return answer_key(self.settings)


async def _unfinished(url: str) -> Sequence[str]:
    from ledger.pool import open_pool
    from ledger.pruning import Retention

    async with await open_pool(url, size=1) as pool:
        return await Retention(pool).unfinished()
