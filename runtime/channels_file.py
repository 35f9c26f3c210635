"""The file that names the channels of notices (MAKIMA_NOTIFY_CHANNELS): a section each, with apprise's address."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, RootModel, SecretStr, ValidationError, field_validator

from domain.errors import SettingsError
from domain.notices import NoticeKind
from domain.problems import first_problem
from domain.value import Value
from runtime.shared_settings import SharedSettings

LONGEST_FILE = 64 * 1024
"""Bytes."""
VARIABLE = "MAKIMA_NOTIFY_CHANNELS"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,40}://\S{1,4000}")
_OF_SETTINGS = {name.removeprefix("notify_") for name in SharedSettings.model_fields if name.startswith("notify_")}
_OURS = _OF_SETTINGS - {"channels"}
"""Names of the channels that have a variable of their own."""


class ChannelSettings(Value):
    """One section."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr
    """Where apprise sends; a secret with most services."""
    kinds: tuple[NoticeKind, ...] = tuple(NoticeKind)
    """What it is told of."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        if not _ADDRESS.fullmatch(url.get_secret_value()):
            raise ValueError("an address such as ntfys://ntfy.example.com/topic is needed")
        return url

    @field_validator("kinds")
    @classmethod
    def _are_some(cls, kinds: tuple[NoticeKind, ...]) -> tuple[NoticeKind, ...]:
        if not kinds:
            raise ValueError("name at least one, or leave it out: then it is told of all")
        return tuple(dict.fromkeys(kinds))


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class _Sections(RootModel[Annotated[dict[Name, ChannelSettings], Field(max_length=20)]]):
    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    @field_validator("root")
    @classmethod
    def _have_free_names(cls, sections: dict[str, ChannelSettings]) -> dict[str, ChannelSettings]:
        if taken := next((name for name in sections if name in _OURS), None):
            raise ValueError(f"[{taken}] is the name of MAKIMA_NOTIFY_{taken.upper()}'s channel: choose another one")
        return sections


def read_channels(file: Path) -> dict[str, ChannelSettings]:
    """Name → channel; SettingsError, in a line that has nothing of an address in it."""
    try:
        sections = tomllib.loads(_content(file))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{VARIABLE}: {file} is no TOML: {error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{VARIABLE}: {file} is no text in UTF-8") from None
    try:
        return _Sections.model_validate(sections).root
    except ValidationError as error:
        raise SettingsError(f"{VARIABLE}: {file}: {first_problem(error)}") from None


def _content(file: Path) -> str:
    try:
        # Without waiting for who writes into a pipe.
        with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SettingsError(f"{VARIABLE}: {file} is no file")
            if about.st_mode & stat.S_IRWXO:
                raise SettingsError(f"{VARIABLE}: {file} holds secrets that everybody here can reach: chmod 600 {file}")
            content = opened.read(LONGEST_FILE + 1)
    except OSError as error:
        raise SettingsError(f"{VARIABLE}: {file} can't be read: {error.strerror}") from None
    if len(content) > LONGEST_FILE:
        raise SettingsError(f"{VARIABLE}: {file} is larger than {LONGEST_FILE // 1024} KiB")
    return content.decode()
