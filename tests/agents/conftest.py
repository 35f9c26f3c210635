"""The real Claude Code and Codex, on real git, against the fake model server; `make test-agents` installs them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import platformdirs
import pytest

from daemon.agents import ConfiguredAgent
from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.codex.codex import CodexAgent
from daemon.git.repositories import Repositories
from domain.directive_settings import AgentChoice, Limits
from domain.spawn_task import Outcome
from domain.statuses import TaskKind
from fakes.models.player import AnsweredRequest
from tests.agents.acp_settings import claude_env
from tests.integration.conftest import daemon_git, first_origin, git, origin, repositories  # noqa: F401 (fixtures)
from tests.integration.deliveries import OneDaemon
from tests.model_server import ModelServer, conversation
from tests.needs import lack

NAMES = ("claude", "codex")
PACKAGES = {"claude": "@anthropic-ai/claude-code", "codex": "@openai/codex"}
ACP = {
    "claude-agent-acp": "@agentclientprotocol/claude-agent-acp",
    "codex-acp": "@agentclientprotocol/codex-acp",
    "copilot": "@github/copilot-linux-x64",
    "gemini": "@google/gemini-cli",
    "kimi": "@moonshot-ai/kimi-code",
    "opencode": "opencode-linux-x64",
    "qwen": "@qwen-code/qwen-code",
}
"""Profile, which is the program's name, too → its package."""
WITHOUT_LOGIN = {
    "auggie": "@augmentcode/auggie",
    "cline": "@cline/cli-linux-x64",
    "droid": "@factory/cli-linux-x64",
}
"""The same for those that talk to no other model server than their vendor's."""
FOR_THIS_SYSTEM = {"copilot": "copilot", "droid": "bin/droid", "opencode": "bin/opencode"}
"""Where the program lies in its package: those for all systems have a script in .bin that starts it."""
MARK = "Paint the house"
"""Stands in every prompt: all requests of a test are one conversation."""
MODEL = "fake-model"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real_agents)
    # It waits for as long as all others take, which the other worker does meanwhile.
    items.sort(key=lambda item: item.path != Path(__file__).parent / "test_trouble.py")


@pytest.fixture(scope="session")
def programs() -> dict[str, str]:
    """The agents' programs by name, in the versions that package.json pins; skips where they are not installed."""
    return installed(PACKAGES)


@pytest.fixture(scope="session")
def acp_programs() -> dict[str, str]:
    """The same for those that speak the Agent Client Protocol."""
    return installed(ACP | WITHOUT_LOGIN)


def installed(packages: Mapping[str, str]) -> dict[str, str]:
    folder = Path(os.environ.get("MAKIMA_AGENTS") or platformdirs.user_cache_path("makima") / "agents")
    modules = folder / "node_modules"
    pinned = pinned_versions()
    for name, package in packages.items():
        try:
            version = json.loads((modules / package / "package.json").read_text())["version"]
        except FileNotFoundError:
            lack(f"{name} is not installed: make agents")
        if version != pinned[package]:
            lack(f"{name} is {version}, not {pinned[package]}: make agents")
    own = {name: modules / packages[name] / place for name, place in FOR_THIS_SYSTEM.items() if name in packages}
    return {name: str(own.get(name, modules / ".bin" / name)) for name in packages}


def pinned_versions() -> dict[str, str]:
    manifest = json.loads(Path(__file__).with_name("package.json").read_text())
    return {**manifest["dependencies"], **manifest["optionalDependencies"]}


@pytest.fixture(scope="session")
def models() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@dataclass
class Hand:
    """One real agent on one daemon; each `does` is a delivery of the same attempt."""

    name: str
    program: str
    models: ModelServer
    daemon: OneDaemon
    env: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    """Of the agent's settings, beside those that point it at the server."""

    async def does(self, replies: Iterable[Mapping[str, Any]], kind: TaskKind = TaskKind.STEP, **more: Any) -> Outcome:
        """The outcome of a task in which the model says `replies`."""
        self.models.plays(conversation(MARK, [dict(reply) for reply in replies]))
        return await self.goes_on(kind, **more)

    async def goes_on(self, kind: TaskKind = TaskKind.STEP, **more: Any) -> Outcome:
        """The same with the replies that are left."""
        self.daemon.more["agents"] = {self.name: self.agent()}
        return await self.daemon.does("", kind, **{**await self._task(kind), **more})

    def agent(self) -> ConfiguredAgent:
        given = {"kind": self.name, "program": self.program, "permissions": "allow", **self.fields}
        if self.name == "claude":
            return ClaudeAgent.model_validate({**given, "env": {**claude_env(self.models.url), **self.env}})
        config = codex_config(self.models.url)
        return CodexAgent.model_validate(
            {**given, "config": config, "env": {"OPENAI_API_KEY": "of-no-use", **self.env}}
        )

    @property
    def received(self) -> tuple[AnsweredRequest, ...]:
        """What the server was asked in this conversation."""
        return tuple(each for each in self.models.received if each.conversation == MARK)

    async def _task(self, kind: TaskKind) -> dict[str, Any]:
        task = {
            "prompt": f"# A house: {MARK}\n\nPaint it.",
            "agent": AgentChoice(name=self.name),
            "limits": Limits(time=timedelta(minutes=2), no_output=timedelta(seconds=60)),
        }
        if kind is not TaskKind.STEP:
            return task
        base = await self.daemon.base()
        step = {"name": "A house: paint", "step": STEP, "step_name": "paint", "target_branch": "makima/paint"}
        return {**task, **step, "base_commit": base}


STEP = uuid4()


def codex_config(url: str) -> dict[str, str]:
    tries = "request_max_retries = 1, stream_max_retries = 1"
    provider = (
        f'{{ name = "fake", base_url = "{url}/v1", env_key = "OPENAI_API_KEY", wire_api = "responses", {tries} }}'
    )
    return {"model": f'"{MODEL}"', "model_provider": '"fake"', "model_providers.fake": provider}


@pytest.fixture(params=NAMES)
def hand(
    request: pytest.FixtureRequest,
    programs: dict[str, str],
    models: ModelServer,
    tmp_path: Path,
    repositories: Repositories,  # noqa: F811
    origin: Path,  # noqa: F811
) -> Hand:
    """Each real agent in its turn."""
    return Hand(request.param, programs[request.param], models, OneDaemon(tmp_path / "one", repositories, origin))


@pytest.fixture
def outside(hand: Hand) -> Iterator[Path]:
    """A file that the agent may not make: nothing of this is below /tmp, which Codex leaves open, and where its
    sandbox doesn't work.
    """
    hand.fields["permissions"] = "deny"
    room = platformdirs.user_cache_path("makima")
    room.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=room) as folder:
        hand.daemon.tasks = Path(folder, "tasks")
        forbidden = Path(folder, "outside.txt")
        yield forbidden
        assert not forbidden.exists()
