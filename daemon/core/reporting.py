"""What the daemon needs of the core, apart from the deliveries themselves."""

from __future__ import annotations

from typing import Protocol

from domain.record import Artifact, DaemonReport, LogChunk


class Core(Protocol):
    """Takes what the daemon tells beside the work. All calls raise NotReachable while the core doesn't answer."""

    async def append_log(self, chunk: LogChunk) -> None: ...

    async def put_artifact(self, artifact: Artifact) -> None: ...

    async def report(self, report: DaemonReport) -> None: ...
