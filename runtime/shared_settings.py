"""The settings that all processes share, from the environment (prefix `MAKIMA_`)."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import SettingsError


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


_SAFE, _OWN = r"https://[^\s/?#@]+", r"http://(127\.0\.0\.1|localhost)(:\d+)?"
"""Where a link that is a secret may lead."""


def host_and_port(address: str) -> tuple[str, int]:
    """`127.0.0.1:9464` as host and port; ValueError for anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not host:port, such as 127.0.0.1:9464")
    return host, int(port)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such user, or no home folder: write the whole path") from error


def _address(address: str) -> str:
    if address:
        host_and_port(address)
    return address


Address = Annotated[str, AfterValidator(_address)]
"""`host:port`, or empty for nowhere."""


class SharedSettings(BaseSettings):
    """Where the state lies and whose it is. Temporal's address is not here: it is read by `temporalio.envconfig`."""

    model_config = SettingsConfigDict(env_prefix="MAKIMA_", env_ignore_empty=True, frozen=True, extra="ignore")

    owner: str = Field(default="default", pattern=r"^[a-z0-9-]{1,40}$")
    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("makima", appauthor=False))
    # A secret, so that a logged or printed settings object never shows the password.
    database_url: SecretStr | None = None
    log_format: LogFormat = LogFormat.TEXT
    log_level: str = Field(default="info", pattern=r"(?i)^(debug|info|warning|error)$")
    metrics: Address = ""
    """Where the worker shows metrics to Prometheus; a daemon's own file says so for it."""
    health: Address = ""
    """Where the worker answers `GET /health`; a daemon's own file says so for it."""
    notify_command: str = ""
    """The worker runs it for each notice, which is on its stdin as JSON; words as in a shell, but no shell."""
    notify_webhook: SecretStr | None = None
    """The worker posts each notice there as JSON."""

    notify_channels: Path | None = None
    """A file that names further channels, each with an address of apprise's (docs/notices.md)."""

    answer_url: str = Field(default="", max_length=200)
    """Where people reach `starter.py answers`: notices carry links to it."""
    answer_key: SecretStr | None = None
    """What signs these links; else a file of the data folder does."""

    @field_validator("answer_url")
    @classmethod
    def _is_reached_safely(cls, url: str) -> str:
        if url and not re.fullmatch(rf"({_SAFE}|{_OWN})(/[^\s?#]*)?", url):
            raise ValueError("an address that begins with https:// is needed, without a question mark")
        return url.rstrip("/")

    @field_validator("answer_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("at least 32 characters are needed, such as those of `openssl rand -hex 32`")
        return key

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        # Children of the stack run in another working directory: a relative folder would name another place there.
        return _expanded(folder).absolute()

    @field_validator("notify_channels")
    @classmethod
    def _is_absolute(cls, file: Path | None) -> Path | None:
        if file is not None and not (file := _expanded(file)).is_absolute():
            raise ValueError("write the whole path: the worker runs in a folder of its own")
        return file

    @field_validator("database_url")
    @classmethod
    def _is_a_postgres_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("a URL like postgresql://user:password@host:5432/database is needed")
        return url


def load_settings() -> SharedSettings:
    """Read the environment; raises SettingsError that names the variable and what is wrong, never its value."""
    try:
        return SharedSettings()
    except ValidationError as error:
        problems = (f"MAKIMA_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors())
        raise SettingsError("; ".join(problems)) from error
