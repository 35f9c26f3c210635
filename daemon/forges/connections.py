"""How a forge's API is reached: with certificates, a time-out and the token, which nothing keeps."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Generator
from functools import cache

import httpx
from pydantic import SecretStr

HEADERS = {"User-Agent": "makima"}


class Bearer(httpx.Auth):
    """Adds the token at the last moment, so that no client, log or representation holds it."""

    def __init__(self, token: SecretStr, header: tuple[str, str]) -> None:
        self._token = token
        self._name, self._before = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = f"{self._before}{self._token.get_secret_value()}"
        yield request


@cache
def certificates() -> ssl.SSLContext:
    """Those that httpx trusts, read once for all clients of a process: each read takes 50 ms of a core."""
    return httpx.create_ssl_context()


def open_client(answer: float) -> httpx.AsyncClient:
    """The connections of one daemon to all its forges; whoever opens it closes it. `answer`: seconds for one."""
    # httpx tells each address at INFO, and that of a job's log is signed: whoever reads it can read the log.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(headers=HEADERS, timeout=answer, follow_redirects=False, verify=certificates())
