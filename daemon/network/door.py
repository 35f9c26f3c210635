"""The door: a process of its own for each delivery, through which alone its sandboxes reach the network.

    python -I -m daemon.network.door LISTENING LIFELINE EVENTS [PORT=NAME …]

Descriptors, and the policy on stdin. On LISTENING, a unix socket, each sandbox hands over the ports that it has opened
in its own network; the door takes their connections. It ends with the last byte of LIFELINE, which the daemon holds. On
EVENTS it tells what was reached and what was refused, a line of JSON each. Each PORT is one that was handed over before
(`daemon.network.waiting_door`). Whatever comes from inside is an agent's: a flood of it stops this process at most, and
no other task.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum

import h11

from daemon.network.addresses import literal
from daemon.network.door_policy import ConnectionRefused, Policy
from daemon.network.http import serve_http
from daemon.network.proxy_trial import leads_to_loopback
from daemon.network.relay import close, relay
from daemon.network.rules import LOOPBACK, is_name
from daemon.network.socks import VERSION, serve_socks
from daemon.network.upstream import (
    HEAD_WITHIN,
    READ_BYTES,
    Route,
    Streams,
    Unreachable,
    Upstream,
    connect,
    proxy_environment,
)
from daemon.network.waiting_door import HANDED_WITHIN, Handed, handed_over
from domain.value import Value

CONNECTIONS = 256
"""At once; the next ones wait in the kernel."""
LOOK_UPS = 16
"""Threads for names."""
TARGETS_TOLD = 200
"""Of each kind: an agent could ask for any number of names."""
_PASSING = {errno.ECONNABORTED, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ConnectionReport(StrEnum):
    REACHED = "reached"
    REFUSED = "refused"
    MANY = "many"
    """More were refused or reached than are told."""


class DoorEvent(Value):
    """What the door tells the daemon, once for each target."""

    kind: ConnectionReport
    host: str = ""
    port: int = 0
    why: str = ""
    setting: str = ""


class TargetReports:
    """Tells each target once, and of so many only."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._told: dict[ConnectionReport, set[tuple[str, int]]] = {kind: set() for kind in ConnectionReport}

    def reached(self, host: str, port: int) -> None:
        self._report(DoorEvent(kind=ConnectionReport.REACHED, host=host, port=port))

    def refused(self, host: str, port: int, refused: ConnectionRefused) -> None:
        shown = host if is_name(host) or literal(host) is not None else "(no name)"
        self._report(
            DoorEvent(kind=ConnectionReport.REFUSED, host=shown, port=port, why=refused.why, setting=refused.setting)
        )

    def _report(self, event: DoorEvent) -> None:
        told, target = self._told[event.kind], (event.host, event.port)
        if target in told or len(told) > TARGETS_TOLD:
            return
        told.add(target)
        line = event if len(told) <= TARGETS_TOLD else DoorEvent(kind=ConnectionReport.MANY, why=event.kind)
        # The daemon reads these; where it doesn't, nobody waits for it.
        with suppress(OSError):
            self._write(line.model_dump_json().encode() + b"\n")


class ReportingUpstream(Upstream):
    """Tells of what it refuses."""

    def __init__(self, policy: Policy, proxies: dict[str, str], reports: TargetReports) -> None:
        super().__init__(policy, proxies, reports.reached, leads_to_loopback)
        self._reports = reports

    async def route(self, host: str, port: int, scheme: str) -> Route:
        try:
            return await super().route(host, port, scheme)
        except ConnectionRefused as refused:
            self._reports.refused(host.lower().removesuffix("."), port, refused)
            raise


class Door:
    """Takes the connections of the sandboxes of one delivery."""

    def __init__(self, policy: Policy, upstream: Upstream) -> None:
        self._forwards = set(policy.forwards)
        self._upstream = upstream
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._ports: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def take_ports(self, listening: socket.socket, handed: Handed) -> None:
        """For ever: what one sandbox hands over takes the place of what an earlier one has, which has ended."""
        loop = asyncio.get_running_loop()
        self._open(handed)
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            with connection:
                self._open(await self._handed_over(connection))

    def _open(self, handed: Handed) -> None:
        for port in self._ports:
            port.cancel()
        self._ports = [
            asyncio.create_task(self._serve(socket.socket(fileno=port.detach()), self._serving(name)))
            for name, port in handed
        ]

    async def _handed_over(self, connection: socket.socket) -> Handed:
        for _ in range(100):
            if (found := handed_over(connection)) is not None:
                return found
            await asyncio.sleep(HANDED_WITHIN / 100)
        return []

    def _serving(self, name: str) -> Callable[[Streams], Awaitable[None]]:
        host, _, port = name.partition(" ")
        if port.isdigit() and (host, int(port)) in self._forwards:
            return lambda near: self._forward(near, host, int(port))
        return self._proxy

    async def _serve(self, port: socket.socket, serve: Callable[[Streams], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        with port:
            while True:
                await self._room.acquire()
                try:
                    connection, _ = await loop.sock_accept(port)
                except OSError as error:
                    self._room.release()
                    if error.errno not in _PASSING:
                        return
                    await asyncio.sleep(0.1)
                    continue
                except asyncio.CancelledError:
                    self._room.release()
                    raise
                task = asyncio.create_task(self._one(connection, serve))
                self._connections.add(task)
                task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._room.release()

    async def _one(self, connection: socket.socket, serve: Callable[[Streams], Awaitable[None]]) -> None:
        connection.setblocking(False)
        near: Streams | None = None
        try:
            near = await asyncio.open_connection(sock=connection, limit=READ_BYTES)
            await serve(near)
            await near[1].drain()
        except (OSError, EOFError, TimeoutError, ValueError, h11.ProtocolError, ConnectionRefused, Unreachable):
            pass  # an agent's connection broke off, or was broken: that is all there is to know
        finally:
            if near:
                close(near)
            else:
                connection.close()

    async def _proxy(self, near: Streams) -> None:
        async with asyncio.timeout(HEAD_WITHIN):
            first = await near[0].readexactly(1)
        if first == VERSION:
            await serve_socks(near, self._upstream)
        else:
            await serve_http(near, self._upstream, first)

    async def _forward(self, near: Streams, host: str, port: int) -> None:
        """To the same port of the machine; `localhost` may be served at the other of its addresses alone."""
        for at in dict.fromkeys((host, *LOOPBACK)):
            if (at, port) not in self._forwards:
                continue
            with suppress(ConnectionRefused, Unreachable):
                await relay(near, await connect(await self._upstream.route(at, port, "https")))
                return


async def serve(listening: socket.socket, events: int, handed: Handed) -> None:
    """For ever; the policy is read from stdin."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(LOOK_UPS))
    policy = Policy.model_validate_json(sys.stdin.read())
    upstream = ReportingUpstream(
        policy, proxy_environment(os.environ), TargetReports(lambda line: os.write(events, line))
    )
    await Door(policy, upstream).take_ports(listening, handed)


def end_with(lifeline: int) -> None:
    """The process, once the daemon lets go of the lifeline, whatever the event loop does: a port that was handed in is
    the agent's as well, who can make it block.
    """
    with suppress(OSError):
        os.read(lifeline, 1)
    os._exit(0)


def main(arguments: list[str]) -> None:
    listening, lifeline, events = map(int, arguments[:3])
    ports = [each.partition("=") for each in arguments[3:]]
    handed: Handed = [(name, socket.socket(fileno=int(port))) for port, _, name in ports]
    door = socket.socket(fileno=listening)
    door.setblocking(False)
    os.set_blocking(events, False)
    threading.Thread(target=end_with, args=(lifeline,), daemon=True).start()
    asyncio.run(serve(door, events, handed))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    finally:
        # Threads that look names up must not hold it back.
        sys.stdout.flush()
        os._exit(0)
