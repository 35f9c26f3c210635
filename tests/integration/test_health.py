"""`GET /health` says what is wrong, and an address that can't be had is told in one line."""

from __future__ import annotations

import socket

import httpx
import pytest

from domain.errors import NotReachable, SettingsError
from runtime.health import ANSWER_WITHIN, health_at
from runtime.shared_settings import SharedSettings, host_and_port


async def well() -> None:
    """Nothing is wrong."""


async def away() -> None:
    raise NotReachable("Postgres does not answer: connection refused")


@pytest.fixture
def address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def test_health_names_each_part_and_is_503_while_one_is_away(address: str) -> None:
    async with health_at(address, {"temporal": well, "postgres": away}), httpx.AsyncClient() as client:
        answer = await client.get(f"http://{address}/health")
    assert answer.status_code == 503
    assert answer.json() == {"temporal": "ok", "postgres": "Postgres does not answer: connection refused"}


async def test_health_is_200_while_all_is_well_and_nothing_else_is_served(address: str) -> None:
    async with health_at(address, {"temporal": well}), httpx.AsyncClient() as client:
        assert (await client.get(f"http://{address}/health?probe=1")).status_code == 200
        assert (await client.get(f"http://{address}/metrics")).status_code == 404
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{address}/health")


async def test_a_caller_that_says_nothing_keeps_no_other_one_waiting(address: str) -> None:
    async with health_at(address, {"temporal": well}), httpx.AsyncClient(timeout=ANSWER_WITHIN - 1) as client:
        with socket.create_connection(host_and_port(address)):
            assert (await client.get(f"http://{address}/health")).status_code == 200


async def test_a_taken_address_is_one_line_and_the_process_lives(address: str) -> None:
    with socket.create_server(host_and_port(address)), pytest.raises(SettingsError, match=f"health at {address}"):
        async with health_at(address, {"temporal": well}):
            pytest.fail("it has started")


@pytest.mark.parametrize("wrong", ["9464", "host:", ":9464", "h:99999", "h:x"])
def test_an_address_is_host_and_port(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKIMA_METRICS", wrong)
    with pytest.raises(ValueError, match=r"is not host:port"):
        SharedSettings()
