"""The far side of the door: a target is looked up once, checked, and connected to at the address that was checked."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import h11

from daemon.network.addresses import Address, is_own, literal, why_not_public
from daemon.network.door_policy import Policy
from daemon.network.rules import LOCALHOST, LOOPBACK

LOOK_UP_WITHIN = 15.0
CONNECT_WITHIN = 20.0
"""Seconds for one address."""
HEAD_WITHIN = 30.0
"""Seconds for the head of a request, or of the answer of the machine's proxy to a CONNECT."""
HEAD_LIMIT = 64 * 1024
READ_BYTES = 64 * 1024
_PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Unreachable(Exception):
    """The target may be talked to, and isn't there."""


@dataclass(frozen=True)
class Parent:
    """The machine's own proxy."""

    host: str
    port: int
    is_tls: bool = False
    authorization: str = ""
    """For the proxy alone: it is in no log and goes to nobody else."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Proxy-Authorization", self.authorization)] if self.authorization else []


@dataclass(frozen=True)
class Route:
    """How a target is reached: one of these addresses, or a proxy that looks the name up itself."""

    host: str
    port: int
    addresses: tuple[Address, ...]
    parent: Parent | None = None
    by_address: bool = False
    """The proxy is asked for a connection to the first address, and told no name that it could look up again."""

    @property
    def is_by_name(self) -> bool:
        """Whether a proxy reads the request itself, and looks the name up."""
        return self.parent is not None and not self.by_address


def proxy_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of the daemon's environment what names its machine's proxy; a lower-case name comes first, as with curl."""
    given = {name: environ.get(name) or environ.get(name.upper(), "") for name in _PROXY_VARIABLES}
    return {name: value for name, value in given.items() if value}


Trial = Callable[[Parent], Coroutine[Any, Any, bool]]
"""Whether a proxy leads to this machine's loopback (daemon.network.proxy_trial)."""


class Upstream:
    """Routes and connects for one door; `reached` is told of each target that may be connected to."""

    def __init__(
        self, policy: Policy, proxies: Mapping[str, str], reached: Callable[[str, int], None], leads_back: Trial
    ) -> None:
        self._policy = policy
        self._proxies = proxies
        self._reached = reached
        self._leads_back = leads_back
        self._tried: dict[Parent, asyncio.Task[bool]] = {}

    async def route(self, host: str, port: int, scheme: str) -> Route:
        """How to reach the target; `scheme` ("http": a request that the proxy reads; else "https") chooses the
        machine's proxy. Raises Refused, Unreachable.
        """
        host = host.lower().removesuffix(".")
        self._policy.check_name(host, port)
        parent = parent_for(self._proxies, host, port, scheme)
        try:
            found = await addresses_of(host, port)
        except Unreachable:
            if parent is None or await self._leads_astray(parent, host, port):
                raise
            # Behind a proxy a machine often can't look up the names of the internet: then the proxy does.
            self._reached(host, port)
            return Route(host, port, (), parent)
        own = [one for one in found if is_own(one)]
        allowed = self._policy.allowed(host, port, found, own)
        self._reached(host, port)
        if any(one in own or why_not_public(one) for one in allowed):
            # What is private is reached from here, not from where the proxy stands.
            parent = None
        by_address = parent is not None and await self._leads_astray(parent, host, port)
        return Route(host, port, tuple(allowed), parent, by_address)

    async def _leads_astray(self, parent: Parent, host: str, port: int) -> bool:
        """Whether this proxy must not look the name up, since it is an agent's own choice and could lead back here."""
        if self._policy.is_named(host, port):
            return False
        if parent not in self._tried:
            self._tried[parent] = asyncio.create_task(self._leads_back(parent))
        return await asyncio.shield(self._tried[parent])

    async def tunnel(self, host: str, port: int) -> Streams:
        """A connection to the target itself, through the machine's proxy where there is one."""
        return await reach(await self.route(host, port, "https"))


def parent_for(proxies: Mapping[str, str], host: str, port: int, scheme: str) -> Parent | None:
    """The machine's proxy for this target, of what `proxy_environment` found; None: it is reached without one."""
    url = proxies.get(f"{scheme}_proxy") or proxies.get("all_proxy")
    excepted = proxies.get("no_proxy", "").lower().split(",")
    if not url or any(_excepts(entry.strip(), host, port) for entry in excepted):
        return None
    return parent_at(url)


def parent_at(url: str) -> Parent:
    """The proxy that a variable of the environment names; Unreachable where it is of another kind."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreachable("the machine's own proxy is none that speaks HTTP")
    is_tls = parts.scheme == "https"
    return Parent(parts.hostname, port or (443 if is_tls else 80), is_tls, _authorization(parts))


async def addresses_of(host: str, port: int) -> list[Address]:
    """All of a name's addresses, looked up once; Unreachable where there is none."""
    if (written := literal(host)) is not None:
        return [written]
    if host == LOCALHOST:
        return [ip_address(address) for address in LOOPBACK]
    try:
        async with asyncio.timeout(LOOK_UP_WITHIN):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise Unreachable(f"{host} could not be looked up within {LOOK_UP_WITHIN:g} s") from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} could not be looked up") from error
    texts = dict.fromkeys(str(entry[4][0]).split("%")[0] for entry in found)
    return [ip_address(text) for text in texts]


async def reach(route: Route) -> Streams:
    """A connection to the route's target itself; Unreachable where there is none."""
    return await connect_through(route.parent, route) if route.parent else await connect(route)


async def connect(route: Route) -> Streams:
    """To one of the route's addresses; Unreachable where none answers."""
    trouble = ""
    for address in route.addresses:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                return await asyncio.open_connection(str(address), route.port, limit=READ_BYTES)
        except TimeoutError:
            trouble = f"no answer within {CONNECT_WITHIN:g} s"
        except OSError as error:
            trouble = error.strerror or str(error)
    raise Unreachable(f"{route.host}:{route.port} can't be reached: {trouble}")


async def connect_to(parent: Parent) -> Streams:
    """To the machine's proxy; Unreachable where it doesn't answer."""
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            return await asyncio.open_connection(
                parent.host, parent.port, ssl=True if parent.is_tls else None, limit=READ_BYTES
            )
    except (OSError, TimeoutError) as error:
        raise Unreachable("the machine's own proxy can't be reached") from error


async def connect_through(parent: Parent, route: Route) -> Streams:
    """A tunnel through the machine's proxy; Unreachable where it makes none."""
    reader, writer = await connect_to(parent)
    try:
        async with asyncio.timeout(HEAD_WITHIN):
            status = await _ask_for_tunnel(reader, writer, parent, route)
    except (OSError, ValueError, TimeoutError, h11.ProtocolError) as error:
        writer.close()
        raise Unreachable("the machine's own proxy gave no answer that can be read") from error
    if not 200 <= status < 300:
        writer.close()
        raise Unreachable(f"the machine's own proxy answered {status} to a CONNECT to {route.host}:{route.port}")
    return reader, writer


async def _ask_for_tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parent: Parent, route: Route
) -> int:
    target = authority(str(route.addresses[0]) if route.by_address else route.host, route.port)
    asking = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    request = h11.Request(method="CONNECT", target=target, headers=[("Host", target), *parent.headers])
    writer.write((asking.send(request) or b"") + (asking.send(h11.EndOfMessage()) or b""))
    # Byte by byte would be exact; a head by lines is, too: what follows it belongs to the tunnel, and stays unread.
    while (answer := asking.next_event()) is h11.NEED_DATA:
        if not (line := await reader.readline()):
            raise ConnectionError("it closed the connection")
        asking.receive_data(line)
    return answer.status_code if isinstance(answer, (h11.Response, h11.InformationalResponse)) else 502


def authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _excepts(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY, in lower case, names the host: as a name, one above it, an address or a range."""
    if entry in ("", "*", host, authority(host, port)):
        return bool(entry)
    address = literal(host)
    if address is None:
        below = entry.removeprefix("*").lstrip(".")
        return f".{host}".endswith(f".{below}") or f".{authority(host, port)}".endswith(f".{below}")
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
