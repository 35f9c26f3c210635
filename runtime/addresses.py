"""Where the record and the Web UI are: as the settings say, else in the stack that runs here. Imports nothing of
Temporal's, whose client takes half a second, unless a file of its own settings is there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_path

from domain.errors import NotReachable, SettingsError
from runtime.shared_settings import SharedSettings
from runtime.stack_file import StackFile, running_stack

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConfigProfile


def find_database_url(settings: SharedSettings) -> str:
    """Give Postgres' URL with the password in it; raises NotReachable where neither names one."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return the_running_stack(settings).database_url


def find_web_ui_url(settings: SharedSettings) -> str | None:
    """Give the Web UI's address without a slash at its end, None where Temporal isn't the embedded stack's."""
    stack = running_stack(settings.data_dir)
    return stack.web_ui_url if stack and _temporal_address() in (None, stack.temporal_address) else None


def the_running_stack(settings: SharedSettings) -> StackFile:
    """Raises NotReachable where none runs."""
    stack = running_stack(settings.data_dir)
    if stack is None:
        raise NotReachable(
            f"no stack is running in {settings.data_dir}: start one with `python starter.py up`, "
            "or set TEMPORAL_ADDRESS and MAKIMA_DATABASE_URL"
        )
    return stack


def _temporal_address() -> str | None:
    """What Temporal's own settings name: the variable comes before the file; None: neither names one."""
    if address := os.environ.get("TEMPORAL_ADDRESS"):
        return address
    file = os.environ.get("TEMPORAL_CONFIG_FILE") or user_config_path("temporalio") / "temporal.toml"
    if not Path(file).is_file():
        return None
    return temporal_profile().address


def temporal_profile() -> ClientConfigProfile:
    """What TEMPORAL_… and Temporal's own file say; SettingsError."""
    from temporalio.envconfig import ClientConfigProfile

    # Temporal's library panics at any variable that is no UTF-8, whoever's it is.
    given = {name: value for name, value in os.environ.items() if _is_text(name + value)}
    if wrong := next((name for name in os.environ if name.startswith("TEMPORAL_") and name not in given), None):
        raise SettingsError(f"{wrong} is not text in UTF-8")
    try:
        return ClientConfigProfile.load(override_env_vars=given)
    except RuntimeError as error:
        raise SettingsError(f"Temporal's settings (TEMPORAL_…): {error}") from error


def _is_text(given: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in given)
