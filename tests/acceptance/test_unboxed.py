"""Nobody runs agents without a sandbox unless they have written so, and nobody does without knowing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.demo_repository import make_origin
from tests.acceptance.stack import MortalSite, Servers, until

NO_NAMESPACES = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
SETTINGS = 'name = "plain"\nserves = ["shell"]\nallow_local_repositories = true\n'
PLAN = '{"steps": [{"name": "One", "task_plan": "touch one", "depends_on": []}]}'


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalSite]:
    """A whole stack on a machine whose bubblewrap may not make namespaces."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bwrap").write_text(NO_NAMESPACES)
    (tools / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    (tmp_path / "daemon.toml").write_text(SETTINGS)
    servers = Servers(tmp_path, MAKIMA_DAEMON_CONFIG=str(tmp_path / "daemon.toml"))
    with servers, MortalSite(servers, tmp_path / "site", "default") as site:
        yield site


def sandbox_line(site: MortalSite, start: int) -> str:
    """What the stack's start of that number has printed of the sandbox."""

    def printed() -> list[str] | None:
        lines = site.servers.up.out.splitlines()
        starts = sum(line.startswith("Ready") for line in lines)
        return [line for line in lines if line.startswith("Sandbox")] if starts == start else None

    found = until(printed, "the lines of up")
    assert len(found) == start
    return found[-1]


def test_up_start_and_status_name_a_missing_sandbox_and_no_agent_runs_until_none_is_written_down(
    house: MortalSite, tmp_path: Path
) -> None:
    said = sandbox_line(house, 1)
    assert said.startswith("Sandbox      missing: bubblewrap does not work on this machine (bwrap: No permissions")
    until(lambda: "plain" in house.starter("daemons").out, "the daemon's report")
    (tmp_path / "plan.json").write_text(PLAN)
    origin = make_origin(tmp_path)
    begun = house.starter(
        *("start", "--title", "Plain", "--goal", "g", "--repo", str(origin), "--plan", str(tmp_path / "plan.json")),
        *("--agent", "shell", "--timings", "fast"),
    )
    assert begun.code == 0, begun.err
    name = begun.out.split()[1]
    assert "sandbox: plain serves no agent, for it has no sandbox: bubblewrap does not work" in begun.out

    def status() -> dict[str, Any]:
        return house.status(name)

    until(lambda: "plain serves no agent without a sandbox" in str(status()["steps"]), "the daemon's refusal")
    assert "  sandbox     plain serves no agent" in house.starter("status", name).out
    assert status()["daemons"][0]["sandbox"].startswith("missing: ")

    (tmp_path / "daemon.toml").write_text(f'sandbox = "none"\n{SETTINGS}')
    assert house.starter("restart", "daemon").code == 0
    until(lambda: status()["status"] == "idle", "the work, now that it was written down")
    assert "  sandbox     plain runs agents without a sandbox" in house.starter("status", name).out
    house.servers.up.end()
    house.servers.start()
    assert sandbox_line(house, 2).startswith('Sandbox      none (sandbox = "none"): agents see')
