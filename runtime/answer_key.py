"""The key that signs the links of notices: the worker's and `starter.py answers`' own secret."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from domain.answer_links import SHORTEST_KEY
from domain.errors import SettingsError
from runtime.private_file import write_private
from runtime.shared_settings import SharedSettings

FILE = "answer.key"


def answer_key(settings: SharedSettings) -> bytes:
    """That of the settings, or else of the data folder, made by whoever needs it first; SettingsError."""
    if settings.answer_key:
        return settings.answer_key.get_secret_value().encode()
    file = settings.data_dir / FILE
    try:
        if not file.exists():
            _make(file)
        with open(file, "rb", opener=_opened) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SettingsError(f"{file} is not private: remove it, and a new one is made; links of before end")
            key = opened.read(1024).strip()
    except OSError as error:
        raise SettingsError(f"{file} can't be used: {error.strerror}") from None
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{file} is no key: remove it, and a new one is made; links of before end")
    return key


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _make(file: Path) -> None:
    """Of two that make it at once both have the one that was there first."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"{FILE}.{secrets.token_hex(8)}")
    write_private(fresh, secrets.token_hex(32))
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
