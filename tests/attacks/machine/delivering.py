"""The daemon of these tests: a Runner with a sandbox, on a machine with servers that no agent may reach.

Reads deliveries from stdin, a line of JSON each, and answers each with what came of it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from base64 import b64encode
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
from pydantic import Field, TypeAdapter

from daemon.agents import ConfiguredAgent
from daemon.agents.network_settings import NetworkSettings
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.sandbox.sandbox import Opening, SandboxMode, open_sandbox
from domain.directive_settings import AgentChoice
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from domain.value import Value
from tests.attacks.machine.addresses import MODEL_PORT, OWN, OWN6, PRIVATE, SECRET, SECRET_PORT, WEB
from tests.attacks.machine.registries import lay_out
from tests.integration.deliveries import OneDaemon
from tests.processes import with_word

PROXY_PORT, OWN_PROXY_PORT = 3128, 3129
PROXY_PASSWORD = "pass-of-the-proxy"
ABSTRACT = "makima-attack"


class Order(Value):
    """A delivery to run."""

    agent: dict[str, Any]
    """Its settings."""
    network: Any = "internet"
    network_local: tuple[str, ...] = ()
    environ: dict[str, str] = Field(default_factory=dict)
    """Of the daemon."""
    model_script: dict[str, Any] = Field(default_factory=dict)
    """What the model of the internet plays."""
    prompt: str = "do"
    is_step: bool = False
    read: tuple[Path, ...] = ()
    """What of the machine the sandbox shows."""


class Delivered(Value):
    """What came of it."""

    status: OutcomeStatus
    failure: str
    log: str
    proxied: tuple[str, ...]
    """What the machine's own proxy was asked for."""
    doors: int
    """How many are still open."""

    @property
    def lines(self) -> list[str]:
        return self.log.splitlines()


class Machine:
    """The machine with its servers and its daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxied: list[str] = []

    async def listen(self, until: AsyncExitStack) -> None:
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{ABSTRACT}")
        servers = [await asyncio.start_unix_server(tell_secret, sock=abstract)]
        for host in ("127.0.0.1", "::1", OWN, OWN6, PRIVATE):
            servers.append(await asyncio.start_server(tell_secret, host, SECRET_PORT))
        for host in (PRIVATE, "127.0.0.1"):
            servers.append(await asyncio.start_server(self._proxy, host, PROXY_PORT))
        servers.append(await asyncio.start_server(look_up_and_copy, "127.0.0.1", OWN_PROXY_PORT))
        for server in servers:
            await until.enter_async_context(server)

    async def deliver(self, order: Order) -> Delivered:
        self.proxied.clear()
        folder = self.folder / "data"
        folder.mkdir(exist_ok=True)
        os.environ.update(order.environ)
        if order.model_script:
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://{WEB}:{MODEL_PORT}/control/script"
                (await client.put(url, json=order.model_script)).raise_for_status()
        agent: ConfiguredAgent = TypeAdapter[ConfiguredAgent](ConfiguredAgent).validate_python(order.agent)
        git = Git(folder / "git", {"PATH": os.environ["PATH"], "HOME": str(folder)}, allow_local=True)
        await git.prepare()
        daemon = OneDaemon(folder, Repositories(git, folder / "caches"), self.folder / "origin.git")
        opening = Opening(hidden=(folder,), read=(self.folder / "ca.pem", *order.read), parts=agent.parts)
        daemon.more = {
            "agents": {"scripted": agent},
            "network": NetworkSettings(order.network, order.network_local),
            "sandbox": await open_sandbox(SandboxMode.REQUIRED, opening, scratch=folder, environ=os.environ),
        }
        fields: dict[str, Any] = {"task": uuid4(), "prompt": order.prompt, "agent": AgentChoice(name="scripted")}
        if order.is_step:
            step = {"step": uuid4(), "step_name": "paint", "target_branch": f"makima/{uuid4()}"}
            fields |= {**step, "base_commit": await daemon.base()}
        try:
            outcome = await daemon.does("", TaskKind.STEP if order.is_step else TaskKind.PLANNING, **fields)
        finally:
            for name in order.environ:
                del os.environ[name]
        (log,) = daemon.tasks.glob(f"*-{daemon.delivery.name}/task/log.txt")
        failure = outcome.failure.report if outcome.failure else ""
        return Delivered(
            status=outcome.status, failure=failure, log=log.read_text(), proxied=tuple(self.proxied), doors=len(doors())
        )

    async def _proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As a company's: it wants a password, and looks names up itself."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *headers = head.splitlines()
        given = f"Basic {b64encode(f'me:{PROXY_PASSWORD}'.encode()).decode()}"
        allowed = f"Proxy-Authorization: {given}".lower() in [line.lower() for line in headers]
        lengths = [line for line in headers if line.lower().startswith(("content-length:", "transfer-encoding:"))]
        ambiguous = " and two lengths" if len(lengths) > 1 else ""
        if "127.0.0.1:" not in first:  # the door tries whether we lead there
            self.proxied.append(f"{first.rsplit(' ', 1)[0]} {'with' if allowed else 'without'} the password{ambiguous}")
        far, sink = await asyncio.open_connection(WEB, 443 if first.startswith("CONNECT") else 80)
        if first.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\nVia: 1.1 company\r\n\r\n")
        else:
            sink.write(f"GET /page HTTP/1.1\r\nHost: {WEB}\r\nConnection: close\r\n\r\n".encode())
        await asyncio.gather(copy(reader, sink), copy(far, writer))
        sink.close()
        writer.close()


async def look_up_and_copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy on this machine that looks names up once more, and connects to whatever it finds."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, target, _ = head.split(" ", 2)
    parts = urlsplit(target if "://" in target else f"//{target}")
    try:
        far, sink = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except OSError:
        writer.write(b"HTTP/1.1 502 Nobody there\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        return
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        sink.write(head.replace(target, parts.path or "/").encode())
    await asyncio.gather(copy(reader, sink), copy(far, writer))
    sink.close()
    writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.write_eof()


async def tell_secret(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(SECRET)}\r\nConnection: close\r\n\r\n{SECRET}".encode())
    await writer.drain()
    writer.close()


def doors() -> list[psutil.Process]:
    return with_word(psutil.Process().children(recursive=True), "daemon.network.door")


def make_origin(folder: Path) -> None:
    origin = folder / "origin.git"
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (
        ("init", "--bare", "--quiet", "--initial-branch=main", str(origin)),
        ("clone", "--quiet", str(origin), str(folder / "clone")),
        ("-C", str(folder / "clone"), *who, "commit", "--quiet", "--allow-empty", "-m", "first"),
        ("-C", str(folder / "clone"), "push", "--quiet", "origin", "HEAD:main"),
    ):
        subprocess.run(("git", *words), check=True, stderr=subprocess.DEVNULL)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(folder: Path) -> None:
    make_origin(folder)
    lay_out(folder / "web", folder / "origin.git")
    machine = Machine(folder)
    async with AsyncExitStack() as until:
        await machine.listen(until)
        tell("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            delivered = await machine.deliver(Order.model_validate_json(line))
            tell(delivered.model_dump_json())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
