"""What tests need of a machine beyond Python, git and make: skipped without it, failed where MAKIMA_REQUIRE_ALL=1."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from daemon.sandbox.sandbox import Opening, Sandbox, SandboxMode, open_sandbox
from domain.errors import SettingsError

REQUIRE_ALL = "MAKIMA_REQUIRE_ALL"
_FURTHER_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Not on every user's PATH."""


def need(program: str, package: str) -> str:
    """Give the program's path; a test of a machine without it ends here. `package`: Debian's."""
    found = shutil.which(program) or shutil.which(program, path=_FURTHER_FOLDERS)
    if found is None:
        lack(f"{program} is missing: apt-get install {package}")
    return found


async def need_sandbox(scratch: Path) -> Sandbox:
    """Give one that shows nothing further; a test of a machine where bubblewrap is missing or refused ends here."""
    try:
        return await open_sandbox(SandboxMode.REQUIRED, Opening(), scratch=scratch, environ=os.environ)
    except SettingsError as error:
        lack(str(error))


def lack(what: str) -> NoReturn:
    """End the test: skipped with this line, or failed where nothing may be missing."""
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
