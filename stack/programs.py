"""Our own processes as children of the stack: the worker and one daemon."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from domain.errors import StackFailed
from runtime.private_file import write_private
from runtime.stack_file import StackFile
from stack.data_folder import DataFolder
from stack.processes import Child

_DAEMON_SETTINGS = """\
# The daemon of this machine's own stack. It is read when the daemon starts.
name = "local"
capacity = 4                      # tasks at once
serves = ["shell"]                # the agents that this daemon serves: "shell" runs a step's task plan as a script
allow_local_repositories = true   # clones from and pushes to folders of this machine

# A coding agent; name it in `serves` as well (docs/agents.md).
# [agents.claude]
# kind = "claude"
# api_key_env = "ANTHROPIC_API_KEY"
"""


_WORKERS_OWN = ("MAKIMA_METRICS", "MAKIMA_HEALTH", "MAKIMA_NOTIFY_WEBHOOK", "MAKIMA_ANSWER_KEY")
"""Two processes can't have one address; and what is secret is no daemon's."""


def worker(folder: DataFolder, stack: StackFile, owner: str, environment: Mapping[str, str]) -> Child:
    """Describe the worker's process; it alone is given the database's password."""
    script = importlib.util.find_spec("worker")
    if script is None or script.origin is None:
        raise StackFailed("worker.py is not installed: install makima-directives, or in a checkout `make install`")
    return Child(
        name="worker",
        command=(sys.executable, script.origin),
        environment={**_shared(folder, stack, owner, environment), "MAKIMA_DATABASE_URL": stack.database_url},
        folder=folder.path,
    )


def daemon(folder: DataFolder, stack: StackFile, owner: str, environment: Mapping[str, str]) -> Child:
    """Describe the daemon's process; its settings file is written where there is none yet."""
    others = {name: value for name, value in environment.items() if name not in _WORKERS_OWN}
    return Child(
        name="daemon",
        command=(sys.executable, "-m", "daemon"),
        environment={
            **_shared(folder, stack, owner, others),
            "MAKIMA_DAEMON_CONFIG": str(daemon_settings(folder, environment)),
            **forge_variables(folder, stack),
        },
        folder=folder.path,
        grace=60.0,  # it saves a checkpoint of every task
    )


def daemon_settings(folder: DataFolder, environment: Mapping[str, str]) -> Path:
    """Name the file of the daemon's settings; it is written where there is none yet and no other one is named."""
    if named := environment.get("MAKIMA_DAEMON_CONFIG"):
        return Path(named).absolute()
    if not folder.daemon_settings.exists():
        write_private(folder.daemon_settings, _DAEMON_SETTINGS)
    return folder.daemon_settings.absolute()


def is_as_written(settings: Path) -> bool:
    """Whether nobody has changed the file since `daemon_settings` wrote it."""
    return settings.read_bytes() == _DAEMON_SETTINGS.encode()


def forge_variables(folder: DataFolder, stack: StackFile) -> dict[str, str]:
    """Tell a daemon of the stack's forge: at each start, since its port may be another one than before."""
    return {
        "MAKIMA_FORGE_URL": stack.forge_url,
        "MAKIMA_FORGE_TOKEN_FILE": str(folder.forge_token.absolute()),
    }


def _shared(folder: DataFolder, stack: StackFile, owner: str, environment: Mapping[str, str]) -> dict[str, str]:
    # A key, TLS or a profile of the user belongs to another Temporal; the null device is an empty profile file.
    kept = {name: value for name, value in environment.items() if not name.startswith("TEMPORAL_")}
    kept.pop("MAKIMA_DATABASE_URL", None)
    return {
        **kept,
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.temporal_namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "MAKIMA_OWNER": owner,
        "MAKIMA_DATA_DIR": str(folder.path),
        "PYTHONUNBUFFERED": "1",  # a log shows its last line also after a kill
        # Without it `-m daemon` would take a folder `daemon` of the data folder for our package.
        "PYTHONSAFEPATH": "1",
    }
