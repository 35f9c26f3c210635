"""A file that .gitattributes gives to Git LFS is a pointer in the work, and everybody can get its content."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from tests.forge import ForgeRepository, ForgeUnderTest, forge_under_test
from tests.integration.conftest import Committer
from tests.integration.deliveries import OneDaemon, Steps
from tests.needs import need

pytestmark = pytest.mark.rule("6.9")
OLD = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a1" * 32 + "\nsize 12\n"
FILTERED = "git config filter.lfs.clean 'git-lfs clean -- %f'; git config filter.lfs.required true;"
RAW = "git config filter.lfs.clean cat; git config filter.lfs.process ''; git config filter.lfs.required false;"
"""With a git of the agent's that knows LFS, and with one that doesn't."""
TOKEN = "gh" + "p_" + "a1B2" * 9


@pytest.fixture(autouse=True)
def _git_lfs() -> None:
    need("git-lfs", "git-lfs")


@pytest.fixture
def lfs(steps: Steps, commit: Committer) -> Steps:
    commit({".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n", "old.png": OLD}, branch="main")
    return steps


def uploaded(steps: Steps, content: bytes) -> bool:
    oid = hashlib.sha256(content).hexdigest()
    place = steps.origin / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    return place.exists() and place.read_bytes() == content


def all_but(missing: str, folder: Path) -> Path:
    """The programs of this machine, without one."""
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != missing:
            (folder / program.name).symlink_to(program)
    return folder


def pointer(content: bytes) -> str:
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}"


@pytest.mark.parametrize("agents", [FILTERED, RAW], ids=["filtered", "raw"])
@pytest.mark.parametrize("end", ["", "git add -A; git commit -qm png"], ids=["left", "committed"])
async def test_the_content_is_uploaded_and_the_work_holds_a_pointer(lfs: Steps, agents: str, end: str) -> None:
    done = await lfs.does(f"{agents} echo picture > new.png; {end}", verify=("grep -q picture new.png",))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert lfs.show("new.png") == pointer(b"picture\n")
    assert uploaded(lfs, b"picture\n")
    assert done.work and done.work.verified and done.work.left_out == ()
    assert done.work.head == lfs.git(lfs.origin, "rev-parse", "makima/step")


async def test_a_file_that_is_too_large_for_a_commit_is_not_left_out(lfs: Steps) -> None:
    done = await lfs.does(f"{FILTERED} head -c 12000000 /dev/zero > big.png; git add -A; git commit -qm big")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and done.work.left_out == ()
    assert uploaded(lfs, bytes(12000000))


@pytest.mark.parametrize(
    ("script", "category"),
    [
        ("sed 's/a1/b2/' old.png > new.png", FailureCategory.POINTER),
        ("git mv old.png new.png", None),
        ("echo 'new.png -filter' >> .gitattributes; echo picture > new.png", None),
        ("rm old.png; echo x > x", None),
        (
            "echo picture > new.png; git add -A; git commit -qm new; rm -rf .git/lfs; git show HEAD:new.png > new.png",
            FailureCategory.POINTER,
        ),
    ],
)
async def test_a_pointer_leads_to_what_somebody_has(lfs: Steps, script: str, category: FailureCategory | None) -> None:
    done = await lfs.does(FILTERED + script)
    assert (done.failure.category if done.failure else None) is category, done.failure


async def test_what_can_not_be_uploaded_is_not_called_done(lfs: Steps) -> None:
    (lfs.origin / "lfs").write_text("in the way")
    done = await lfs.does(f"{RAW} echo picture > new.png")
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "can't be uploaded to Git LFS: new.png: " in done.failure.report
    assert "--" not in done.failure.report
    assert done.work and lfs.show("new.png", done.work.head) == "picture"


async def test_where_git_lfs_is_missing_nothing_is_converted(
    lfs: Steps, tmp_path: Path, daemon_git: Git, origin: Path
) -> None:
    environ = {"PATH": str(all_but("git-lfs", tmp_path / "bin")), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    without = Git(tmp_path / "without", environ, allow_local=True, local=daemon_git.local)
    await without.prepare()
    steps = Steps(OneDaemon(tmp_path / "two", Repositories(without, tmp_path / "caches"), origin), origin, lfs.git)
    done = await steps.does(f"{RAW} echo picture > new.png")
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "this machine has no git-lfs" in done.failure.report


@pytest.mark.parametrize(
    ("agents", "before"),
    [(FILTERED, 0), (RAW, 0), (FILTERED, 256 * 1024 - 10)],
    ids=["filtered", "raw", "between pieces"],
)
async def test_a_secret_is_uploaded_no_more_than_it_is_pushed(lfs: Steps, agents: str, before: int) -> None:
    """A large file is looked through piece by piece: at once it would keep all other tasks waiting."""
    write = f"head -c {before} /dev/zero > new.png; echo {TOKEN} >> new.png"
    done = await lfs.does(f"{agents} {write}; git add -A; git commit -qm new")
    assert done.status is OutcomeStatus.WAITING, done.failure
    assert TOKEN not in done.questions[0].text and "new.png" in done.questions[0].text
    assert not (lfs.origin / "lfs").exists()


async def test_an_agent_does_not_choose_the_server(lfs: Steps) -> None:
    evil = "git config -f .lfsconfig lfs.url http://127.0.0.1:1/; git config lfs.url http://127.0.0.1:1/;"
    done = await lfs.does(f"{FILTERED} {evil} echo picture > new.png")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert uploaded(lfs, b"picture\n")


async def test_the_base_branch_does(lfs: Steps, commit: Committer) -> None:
    commit({".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:1/\n"}, branch="main")
    done = await lfs.does(f"{FILTERED} echo picture > new.png")
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "127.0.0.1:1" in done.failure.report


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForgeUnderTest]:
    async with forge_under_test(tmp_path_factory.mktemp("forge")) as forge:
        yield forge


class Remote(Steps):
    """Steps on a repository at a forge, by a daemon whose owner's git knows the forge's token."""

    def __init__(self, daemon: OneDaemon, steps: Steps, repository: ForgeRepository) -> None:
        super().__init__(daemon, steps.origin, steps.git)
        self.repository = repository

    async def tries(self, script: str) -> Outcome:
        return await self.does(script, repository=self.repository.clone_url)

    def shown(self, path: str) -> str:
        return self.git(self.repository.path, "show", f"makima/step:{path}")


@pytest_asyncio.fixture
async def remote(lfs: Steps, forge: ForgeUnderTest, tmp_path: Path) -> Remote:
    repository = await forge.make_repository("acme", f"lfs{abs(hash(tmp_path))}", source=lfs.origin, private=True)
    await forge.forget_requests()
    home = tmp_path / "home"
    home.mkdir()
    (home / "known").write_text(forge.url_with("").removesuffix("/.git") + "\n")
    (home / ".gitconfig").write_text(f"[credential]\n\thelper = store --file={home}/known\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    git = Git(tmp_path / "remote", environ, allow_local=True)
    await git.prepare()
    daemon = OneDaemon(tmp_path / "remote", Repositories(git, tmp_path / "remote" / "caches"), lfs.origin)
    return Remote(daemon, lfs, repository)


@pytest.mark.parametrize("agents", [FILTERED, RAW], ids=["filtered", "raw"])
async def test_over_http_the_content_is_there_before_anything_points_to_it(
    remote: Remote, forge: ForgeUnderTest, agents: str
) -> None:
    done = await remote.tries(f"{agents} echo picture > new.png; git add -A; git commit -qm png")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert remote.shown("new.png") == pointer(b"picture\n")
    oid = hashlib.sha256(b"picture\n").hexdigest()
    assert (remote.repository.path / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).read_bytes() == b"picture\n"
    asked = [f"{each.method} {each.path}" for each in await forge.requests() if each.status == 200]
    uploads = [place for place, each in enumerate(asked) if each.endswith(oid) and each.startswith("PUT")]
    pushes = [place for place, each in enumerate(asked) if re.search(r"POST .*git-receive-pack$", each)]
    outcome = pushes[-1:]  # the outcome's ref with the branch; checkpoints before them point to nothing yet
    assert len(uploads) == 1 and len(outcome) == 1 and uploads[0] < outcome[0]


async def test_over_http_a_server_that_refuses_is_no_server(remote: Remote, forge: ForgeUnderTest) -> None:
    await forge.fail("forbidden", method="POST", path="/objects/batch$", times=9)
    try:
        done = await remote.tries(f"{RAW} echo picture > new.png")
    finally:
        await forge.clear_failures()
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "can't be uploaded to Git LFS: new.png: " in done.failure.report
    assert forge.token not in done.failure.report


class SshServer:
    """OpenSSH's server on a port of this machine, which lets one key in as whoever runs the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "asked"
        """What was asked of git-lfs-authenticate, a line each."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def prepare(self, lfs_url: str, token: str) -> None:
        """Keys, and what stands in place of git-lfs-authenticate: it gives the address of the forge's LFS and a token
        for it, as forges do.
        """
        for name in ("host", "client"):
            key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
            subprocess.run(key, check=True)
        answer = json.dumps({"href": lfs_url, "header": {"Authorization": f"Basic {token}"}})
        (self.folder / "answer").write_text(answer)
        shell = self.folder / "shell"
        shell.write_text(
            f'#!/bin/sh\ncase "$SSH_ORIGINAL_COMMAND" in\n'
            f'git-lfs-authenticate*) echo "$SSH_ORIGINAL_COMMAND" >> {self.asked}; cat {self.folder}/answer;;\n'
            f'git-lfs-transfer*) exit 127;;\n*) exec sh -c "$SSH_ORIGINAL_COMMAND";;\nesac\n'
        )
        shell.chmod(0o755)
        public = (self.folder / "client.pub").read_text()
        (self.folder / "authorized").write_text(f'command="{shell}" {public}')
        host = (self.folder / "host.pub").read_text().split()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {host[0]} {host[1]}\n")
        (self.folder / "sshd").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
        )

    @contextmanager
    def serving(self) -> Iterator[None]:
        program = need("sshd", "openssh-server")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # without it sshd doesn't begin
        running = subprocess.Popen(
            [program, "-D", "-e", "-f", str(self.folder / "sshd")], stderr=subprocess.PIPE, text=True
        )
        assert running.stderr is not None
        try:
            said = running.stderr.readline()
            assert "Server listening" in said, said
            yield
        finally:
            running.terminate()
            running.communicate()


async def test_over_ssh_the_server_says_where_the_content_goes(
    lfs: Steps, forge: ForgeUnderTest, tmp_path: Path
) -> None:
    need("sshd", "openssh-server")
    repository = await forge.make_repository("acme", f"ssh{abs(hash(tmp_path))}", source=lfs.origin, private=True)
    server = SshServer(tmp_path)
    token = base64.b64encode(f"x-access-token:{forge.token}".encode()).decode()
    server.prepare(f"{repository.clone_url}/info/lfs", token)
    home = tmp_path / "home"
    home.mkdir()
    ssh = f"ssh -i {tmp_path}/client -o IdentitiesOnly=yes -o UserKnownHostsFile={tmp_path}/known"
    (home / ".gitconfig").write_text(f"[core]\n\tsshCommand = {ssh}\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    git = Git(tmp_path / "remote", environ, allow_local=True)
    await git.prepare()
    daemon = OneDaemon(tmp_path / "remote", Repositories(git, tmp_path / "remote" / "caches"), lfs.origin)
    remote = Remote(daemon, lfs, repository)
    address = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.path}"
    script = f"{FILTERED} echo picture > new.png; git add -A; git commit -qm png"
    with server.serving():
        done = await remote.does(script, repository=address)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert remote.shown("new.png") == pointer(b"picture\n")
    oid = hashlib.sha256(b"picture\n").hexdigest()
    assert (repository.path / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).read_bytes() == b"picture\n"
    assert server.asked.read_text() == f"git-lfs-authenticate {repository.path} upload\n"
