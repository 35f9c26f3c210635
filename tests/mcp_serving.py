"""`starter.py mcp` as a process of a test."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fixtures_desk import Desk
from tests.fixtures_stack import temporal_environment
from tests.processes import end

STARTER = str(Path(__file__).parents[1] / "starter.py")
TOKEN = "a-token-of-more-than-32-characters-0"


def environment(desk: Desk, database: str, home: Path) -> dict[str, str]:
    """Of a process that steers what the desk does."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "MAKIMA_DATABASE_URL": database,
        "MAKIMA_OWNER": desk.owner,
        "MAKIMA_MCP_TOKEN": TOKEN,
        **temporal_environment(desk.world.client),
    }


@asynccontextmanager
async def over_http(env: dict[str, str], *options: str) -> AsyncIterator[str]:
    """Its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, STARTER, "mcp", "--http", "127.0.0.1:0", *options), env=env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode().strip()
        assert line.startswith("http://127.0.0.1:")
        yield line
    finally:
        await end(process)
