"""The doctor of this machine's daemon, asked as a process: nothing here knows what a daemon needs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from domain.health import Health, all_of, failed
from runtime.settings import Settings
from runtime.stack_file import running_stack
from stack import programs
from stack.data_folder import DataFolder

_ENDS_WITHIN = 300.0  # seconds; a remote that doesn't answer takes a minute for each question


async def examine(settings: Settings, environment: Mapping[str, str], repository: str, *, push: bool) -> Health | None:
    """What `python -m daemon doctor` finds; None where this machine has no daemon's settings."""
    folder = DataFolder(settings.data_dir)
    file = environment.get("MAKIMA_DAEMON_CONFIG") or str(folder.daemon_settings)
    if not await asyncio.to_thread(Path(file).exists):
        return None
    options = (*(("--repository", repository) if repository else ()), *(("--push",) if push else ()))
    own = {"MAKIMA_DAEMON_CONFIG": file, "MAKIMA_DATA_DIR": str(settings.data_dir), "PYTHONSAFEPATH": "1"}
    stack = running_stack(settings.data_dir)
    forge = programs.forge_variables(folder, stack) if stack else {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon", "doctor", "--json", *options),
        env={**environment, **forge, **own},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_ENDS_WITHIN):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return all_of([failed("daemon's settings", f"python -m daemon doctor took over {_ENDS_WITHIN:g} s")])
    try:
        return Health.model_validate_json(out)
    except ValidationError:
        said = os.fsdecode(err).strip().removeprefix("makima: ") or f"exit code {process.returncode}"
        return all_of([failed("daemon's settings", said)])
