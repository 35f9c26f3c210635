"""Temporal elsewhere: TLS with certificates on both sides, and an API key, told by Temporal's own variables."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from temporalio.testing import WorkflowEnvironment

from domain.errors import NotReachable
from runtime.connection import check_temporal, connect_temporal
from runtime.shared_settings import SharedSettings

HOST = "localhost"


class TlsServer:
    """The session's Temporal server behind TLS; it wants a client's certificate and reads along what is asked."""

    def __init__(self, target: str, folder: Path) -> None:
        self._target = target.split(":")
        authority = trustme.CA()
        server, client = authority.issue_cert(HOST), authority.issue_cert("operator@example.com")
        self.ca, self.cert, self.key = (folder / name for name in ("ca.pem", "client.pem", "client.key"))
        authority.cert_pem.write_to_path(self.ca)
        client.cert_chain_pems[0].write_to_path(self.cert)
        client.private_key_pem.write_to_path(self.key)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.configure_cert(self._context)
        authority.configure_trust(self._context)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.set_alpn_protocols(["h2"])
        self.authorizations: set[str] = set()
        self.address = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[TlsServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        seen = H2Connection(H2Configuration(client_side=False))
        seen.initiate_connection()
        ways = (self._pass(reader, inner_writer, seen), self._pass(inner_reader, writer, None))
        # One side has gone: the other is closed.
        await asyncio.gather(*ways, return_exceptions=True)
        for each in (writer, inner_writer):
            each.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: H2Connection | None) -> None:
        while data := await source.read(65536):
            for event in seen.receive_data(data) if seen else ():
                if isinstance(event, RequestReceived):
                    self.authorizations |= {bytes(v).decode() for k, v in event.headers if bytes(k) == b"authorization"}
            sink.write(data)
            await sink.drain()
        sink.close()


@pytest_asyncio.fixture
async def tls_server(temporal_server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[TlsServer]:
    target = temporal_server.client.service_client.config.target_host
    async with TlsServer(target, tmp_path).serving() as serving:
        yield serving


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tls_server: TlsServer) -> pytest.MonkeyPatch:
    """The environment of a process that uses the TLS server."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", tls_server.address)
    monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(tls_server.ca))
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(tls_server.cert))
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(tls_server.key))
    return monkeypatch


async def test_a_server_behind_tls_is_reached_with_certificates_and_a_key(
    told: pytest.MonkeyPatch, tls_server: TlsServer
) -> None:
    told.setenv("TEMPORAL_API_KEY", "key-of-the-cloud")
    client = await connect_temporal(SharedSettings(), identity="test")
    await check_temporal(client)
    assert tls_server.authorizations == {"Bearer key-of-the-cloud"}


@pytest.mark.parametrize("left_out", ["TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_PATH"])
async def test_a_certificate_that_is_missing_is_one_line(told: pytest.MonkeyPatch, left_out: str) -> None:
    told.delenv(left_out)
    if left_out == "TEMPORAL_TLS_CLIENT_CERT_PATH":
        told.delenv("TEMPORAL_TLS_CLIENT_KEY_PATH")
    with pytest.raises(NotReachable, match=r"Temporal at localhost:\d+"):
        await connect_temporal(SharedSettings(), identity="test")
