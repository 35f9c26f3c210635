"""The daemon's settings: a TOML file, named by MAKIMA_DAEMON_CONFIG, under the environment's MAKIMA_ variables."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.agents import ConfiguredAgent
from daemon.agents.shell import ShellAgent
from domain.errors import SettingsError

SHELL = "shell"


class DaemonSettings(BaseModel):
    """What one daemon is called, what it serves, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,60}$")]
    capacity: Annotated[int, Field(ge=1, le=64)] = 4
    serves: tuple[str, ...] = ()
    """The names of the agents that it runs; `shell` is off unless named (SPEC 6.6)."""
    agents: dict[str, ConfiguredAgent] = {}
    allow_local_repositories: bool = False
    """Whether `file://` and paths of this machine are repositories (SPEC 6.1)."""
    committer_name: str = "Makima"
    committer_email: str = "makima@localhost"

    def served(self) -> dict[str, ConfiguredAgent]:
        """Name → agent; SettingsError for a served name that no `[agents.NAME]` describes."""
        known: dict[str, ConfiguredAgent] = {SHELL: ShellAgent(kind="shell"), **self.agents}
        unknown = [name for name in self.serves if name not in known]
        if unknown:
            raise SettingsError(f"serves names {unknown[0]!r}, but there is no [agents.{unknown[0]}]")
        return {name: known[name] for name in self.serves}


def load_daemon_settings(file: Path) -> DaemonSettings:
    """Read the TOML file; SettingsError in one line that names the file and the field."""
    try:
        with file.open("rb") as opened:
            return DaemonSettings.model_validate(tomllib.load(opened))
    except OSError as error:
        raise SettingsError(
            f"{file} can't be read ({error.strerror}): set MAKIMA_DAEMON_CONFIG to the daemon's file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{file}: {field}: {first['msg']}") from error
