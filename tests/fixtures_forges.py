"""A repository at the fake forge, and the daemon's adapter for it: of each kind of forge, over the same fake.

pytestmark = pytest.mark.parametrize("forge_kind", KINDS)     # a test of every forge; without it: of GitHub

async def test_…(site: Site) -> None: …
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.forges.api import ApiTimings
from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.forges.port import Forge
from daemon.forges.registry import Forges
from domain.pull_request import PullRequest, PullRequestWanted
from domain.repository_url import parse_repository_url
from tests.forge import ForgeRepository, ForgeUnderTest, forge_under_test
from tests.git_objects import put_commit

KINDS = (ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA)
"""Those that there is an adapter for, and a dialect of the fake forge."""
QUICK = ApiTimings(at_most=10, first=0.05, longest=0.3, answer=1.5, mergeable=0.05, write=0.01)
TOKEN_VARIABLE = "FORGE_TOKEN"
_NUMBERS = count(1)
ANN = "Ann <ann@example.com>"
APP = "makima-app[bot]"
APP_PERMISSIONS = {
    **dict.fromkeys(("contents", "pull_requests", "issues", "actions"), "write"),
    **dict.fromkeys(("checks", "statuses", "metadata"), "read"),
}
"""What docs/daemon.md asks for."""


class TokenKind(StrEnum):
    """Whose token the adapter has."""

    PERSONAL = "personal"
    INSTALLATION = "installation"
    """Of a GitHub App; no other forge has such."""


any_token = pytest.mark.parametrize("token_kind", tuple(TokenKind))
"""A test that is about who we are: it holds for an app, too."""


@dataclass
class Site:
    """A repository with `main` and a branch `work` that is one commit ahead of it."""

    forge: ForgeUnderTest
    repository: ForgeRepository
    forges: Forges
    adapter: Forge
    kind: ForgeKind
    learned: list[str] = field(repr=False)
    """What the adapter has told a masker."""
    token: str = field(default="", repr=False)
    """The adapter's."""
    me: str = "makima"
    """Its account."""

    @property
    def name(self) -> str:
        return self.repository.full_name

    async def another(self, timings: ApiTimings | None = None, **settings: object) -> tuple[Forges, Forge]:
        """A further adapter, with other settings; to be closed."""
        return await open_adapter(
            self.forge, self.repository, self.learned, timings, token=self.token, **{"kind": self.kind, **settings}
        )

    def commit(self, branch: str, files: dict[str, str], *, parent: str = "", without: Collection[str] = ()) -> str:
        """Put a commit onto `branch`, which begins at `parent`; `without` these files."""
        parent = parent or branch
        return put_commit(
            self.repository.path, files, parent, branch=branch, without=without, who=ANN, message="change"
        )

    async def opened(self, **fields: object) -> PullRequest:
        return await self.adapter.open_or_update(wanted(**fields), "work", "main")

    async def merge(self, number: int, method: str = "squash") -> None:
        async with self.forge.rest() as client:
            answer = await client.put(f"/repos/{self.name}/pulls/{number}/merge", json={"merge_method": method})
            assert answer.is_success, answer.text

    async def asked(self, method: str = ".*", path: str = "") -> int:
        """How many requests of this repository were received."""
        return len(await self.forge.requests(method=method, path=f"{self.name}.*{path}"))


def wanted(**fields: object) -> PullRequestWanted:
    return PullRequestWanted.model_validate(
        {"title": "Add login", "body": "Users can log in.", "branches": ("work", "work-v2"), **fields}
    )


def run_git(folder: Path, *args: str, stdin: str = "") -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")
    argv = ["git", *identity, *args]
    done = subprocess.run(argv, cwd=folder, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout.strip()


async def open_adapter(
    forge: ForgeUnderTest,
    repository: ForgeRepository,
    learned: list[str],
    timings: ApiTimings | None = None,
    *,
    token: str = "",
    **settings: object,
) -> tuple[Forges, Forge]:
    given = ForgeSettings.model_validate({"token_env": TOKEN_VARIABLE, **settings})
    host = forge.url.removeprefix("http://")
    forges = Forges({host: given}, {TOKEN_VARIABLE: token or forge.token}, learned.append, timings or QUICK)
    return forges, await forges.at(parse_repository_url(repository.clone_url, allow_local=False))


@pytest_asyncio.fixture(scope="session")
async def fake_forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForgeUnderTest]:
    async with forge_under_test(tmp_path_factory.mktemp("forge")) as forge:
        yield forge


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every repository begins with."""
    folder = tmp_path_factory.mktemp("seed")
    run_git(folder, "init", "--quiet", "--bare")
    put_commit(folder, {"README": ""}, branch="main", who=ANN, message="first")
    put_commit(folder, {"app.py": "print(1)\n"}, "main", branch="work", who=ANN, message="change")
    return folder


@pytest.fixture
def forge_kind() -> ForgeKind:
    """Whose adapter is tried; a test of every forge is parametrized with all."""
    return ForgeKind.GITHUB


@pytest.fixture
def token_kind() -> TokenKind:
    return TokenKind.PERSONAL


@pytest_asyncio.fixture
async def site(
    fake_forge: ForgeUnderTest, seed: Path, forge_kind: ForgeKind, token_kind: TokenKind
) -> AsyncIterator[Site]:
    is_app = token_kind is TokenKind.INSTALLATION
    token, me = ("ghs_of_the_app", APP) if is_app else (fake_forge.token, "makima")
    if is_app:
        await fake_forge.add_token(token, me, permissions=APP_PERMISSIONS)
    repository = await fake_forge.make_repository("acme", f"shop{next(_NUMBERS)}", source=seed)
    learned: list[str] = []
    forges, adapter = await open_adapter(fake_forge, repository, learned, token=token, kind=forge_kind)
    made = Site(fake_forge, repository, forges, adapter, forge_kind, learned, token, me)
    try:
        yield made
    finally:
        await forges.close()
        if not fake_forge.is_up:  # a test that failed had killed it: the others have done nothing wrong
            await fake_forge.restart()
    await fake_forge.clear_failures()
    fake_forge.hold_to_schema()
