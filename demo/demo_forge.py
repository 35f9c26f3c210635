"""The demo's repository at the forge of its own stack, and the pull request there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

OWNER, NAME = "demo", "greeter"


class ForgeFailed(Exception):
    """The forge did not do what the demo asked for; the text says what it answered."""


async def publish(forge: str, token_file: Path, source: Path) -> str:
    """Put the history of `source` into a new repository at the forge; gives its address."""
    wanted = {"owner": OWNER, "name": NAME, "description": "Greets people by name", "source": str(source)}
    token = await asyncio.to_thread(token_file.read_text)
    headers = {"Authorization": f"Bearer {token.strip()}"}
    made = await _ask("POST", f"{forge}/_control/repos", json=wanted, headers=headers)
    return str(made["clone_url"])


async def pull_request(repository: str, number: int) -> dict[str, Any]:
    """What the forge's API says of it to anybody."""
    root, _, name = repository.removesuffix(".git").rpartition(f"/{OWNER}/")
    return await _ask("GET", f"{root}/api/v3/repos/{OWNER}/{name}/pulls/{number}")


async def _ask(method: str, url: str, **given: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.request(method, url, **given)
    if not answer.is_success:
        raise ForgeFailed(f"{method} {url}: {answer.text}")
    told: dict[str, Any] = answer.json()
    return told
