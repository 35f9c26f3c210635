"""Caches of repositories, against real git (rules 6.1, 2.3; design 17)."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.process.run import OUTPUT_LIMIT, run
from domain.errors import GitError, GitUnreachable, ProcessTimedOut, RepositoryError, SettingsError

GitCommand = Callable[..., str]
Committer = Callable[..., str]


@asynccontextmanager
async def http_server(answer: Callable[[str], str]) -> AsyncIterator[str]:
    """The address of a server that answers each request's head with a status line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status = answer((await reader.readuntil(b"\r\n\r\n")).decode())
        challenge = 'WWW-Authenticate: Basic realm="x"\r\n' if status.startswith("401") else ""
        writer.write(f"HTTP/1.1 {status}\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/repo.git"


async def machine_git(tmp_path: Path, configuration: str, *, allow_local: bool = True) -> Git:
    """The daemon's git on a machine whose owner's configuration is `configuration`."""
    (tmp_path / ".gitconfig").write_text(configuration)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    git = Git(tmp_path / "own", environ, allow_local=allow_local)
    await git.prepare()
    return git


@pytest.mark.rule("6.1")
async def test_a_base_branch_is_resolved_to_its_newest_commit(cache: RepositoryCache, commit: Committer) -> None:
    moved = commit({"a": "1\n"}, branch="main")
    assert await cache.prepare("main") == moved


@pytest.mark.rule("6.1")
async def test_a_branch_deleted_on_the_remote_is_gone_after_a_fetch(
    cache: RepositoryCache, origin: Path, git: GitCommand, commit: Committer
) -> None:
    commit({"a": "1\n"}, branch="topic")
    await cache.fetch()
    git(origin, "branch", "-D", "topic")
    commit({"a": "1\n"}, branch="topic/below")
    await cache.fetch()
    assert await cache.branch_commit("topic") is None
    assert await cache.branch_commit("topic/below")


@pytest.mark.rule("6.1")
async def test_requests_at_once_share_one_fetch(cache: RepositoryCache, commit: Committer) -> None:
    expected = commit({"a": "1\n"}, branch="main")
    before = cache._begun
    await asyncio.gather(*(cache.fetch() for _ in range(8)))
    assert cache._begun == before + 1
    assert await cache.branch_commit("main") == expected


@pytest.mark.rule("6.1")
async def test_a_request_during_a_fetch_waits_for_the_next_one(cache: RepositoryCache, commit: Committer) -> None:
    running = asyncio.create_task(cache.fetch())
    before = cache._begun
    while cache._begun == before:
        await asyncio.sleep(0)
    late = commit({"b": "2\n"}, branch="main")
    await asyncio.gather(cache.fetch(), cache.fetch())
    await running
    assert cache._begun == before + 2
    assert await cache.branch_commit("main") == late


@pytest.mark.rule("6.1")
async def test_a_cancelled_request_does_not_take_the_fetch_from_the_others(cache: RepositoryCache) -> None:
    first, second = asyncio.create_task(cache.fetch()), asyncio.create_task(cache.fetch())
    while not cache._fetching.locked():
        await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.rule("6.1")
async def test_a_fetch_waits_for_another_process_that_fetches(cache: RepositoryCache) -> None:
    with cache.folder.with_suffix(".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(cache.fetch())
        done, _ = await asyncio.wait((waiting,), timeout=0.3)
        assert not done
    await waiting


@pytest.mark.rule("6.1")
async def test_locks_of_a_killed_git_are_removed_at_the_next_start(
    cache: RepositoryCache, tmp_path: Path, daemon_git: Git, commit: Committer
) -> None:
    for name in ("packed-refs.lock", "refs/remotes/origin/main.lock"):
        (cache.folder / name).touch()
    commit({"a": "1\n"}, branch="main")
    with pytest.raises(GitError):
        await cache.fetch()
    again = await Repositories(daemon_git, cache.folder.parent).at(cache.url.text)
    await again.fetch()


@pytest.mark.rule("6.1")
async def test_missing_commits_are_fetched_and_lost_ones_are_named(
    cache: RepositoryCache, commit: Committer, git: GitCommand, origin: Path
) -> None:
    new, unborn = commit({"a": "1\n"}, branch="topic"), "0123456789" * 4
    await cache.ensure([new])
    begun = cache._begun
    await cache.ensure([new])
    assert cache._begun == begun, "a commit that is here needs no fetch"
    unnamed = commit({"b": "1\n"}, parent=new)
    await cache.ensure([unnamed])
    with pytest.raises(RepositoryError, match=f"no commit {unborn}"):
        await cache.ensure([new, unborn])


@pytest.mark.rule("2.3")
async def test_an_unknown_repository_is_the_directives_own_trouble(repositories: Repositories, tmp_path: Path) -> None:
    cache = await repositories.at(f"file://{tmp_path}/nowhere.git")
    with pytest.raises(RepositoryError, match=r"nowhere.git: .*does not appear to be a git repository"):
        await cache.prepare("main")


@pytest.mark.rule("2.3")
async def test_a_missing_base_branch_is_named_with_those_that_exist(cache: RepositoryCache, commit: Committer) -> None:
    commit({"a": "1\n"}, branch="develop")
    for missing in ("release", "main^{commit}", "--all", "../main"):
        with pytest.raises(RepositoryError, match=r"no branch .*; it has develop, main"):
            await cache.prepare(missing)


@pytest.mark.rule("2.3")
async def test_a_remote_without_room_for_our_branches_is_refused(cache: RepositoryCache, commit: Committer) -> None:
    commit({"a": "1\n"}, branch="makima")
    with pytest.raises(RepositoryError, match="no room"):
        await cache.prepare("main")


@pytest.mark.rule("2.3")
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
async def test_a_remote_that_says_no_is_the_directives_own_trouble(repositories: Repositories, status: str) -> None:
    async with http_server(lambda head: status) as url:
        with pytest.raises(RepositoryError):
            await (await repositories.at(url)).prepare("main")


@pytest.mark.rule("2.3")
async def test_no_push_right_is_found_before_any_work(tmp_path: Path, origin: Path) -> None:
    async with http_server(lambda head: "403 Forbidden") as url:
        git = await machine_git(
            tmp_path, f'[url "file://{origin}"]\n\tinsteadOf = {url}\n[url "{url}"]\n\tpushInsteadOf = {url}\n'
        )
        with pytest.raises(RepositoryError, match="403"):
            await (await Repositories(git, tmp_path / "caches").at(url)).prepare("main")


@pytest.mark.rule("5.5")
@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"])
async def test_a_remote_in_trouble_may_answer_later(repositories: Repositories, status: str) -> None:
    async with http_server(lambda head: status) as url:
        with pytest.raises(GitUnreachable, match="does not answer"):
            await (await repositories.at(url)).fetch()


@pytest.mark.rule("5.5")
@pytest.mark.parametrize("scheme", ["http", "git", "ssh"])
async def test_a_refused_connection_may_succeed_later(repositories: Repositories, scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}/repo.git"
        with pytest.raises(GitUnreachable):
            await (await repositories.at(url)).fetch()


@pytest.mark.rule("6.1")
@pytest.mark.parametrize("url", ["ext::touch x", "--upload-pack=x", "fd::3"])
async def test_an_address_that_is_a_command_is_refused(repositories: Repositories, url: str) -> None:
    with pytest.raises(RepositoryError):
        await repositories.at(url)


@pytest.mark.rule("6.1")
async def test_paths_are_out_of_reach_unless_the_setting_allows_them(tmp_path: Path, origin: Path) -> None:
    rewritten = f'[url "{origin}"]\n\tinsteadOf = https://git.invalid/repo\n'
    git = await machine_git(tmp_path, rewritten, allow_local=False)
    with pytest.raises(RepositoryError):
        await Repositories(git, tmp_path / "caches").at(str(origin))
    with pytest.raises(RepositoryError, match="transport 'file' not allowed"):
        await (await Repositories(git, tmp_path / "caches").at("https://git.invalid/repo")).fetch()


@pytest.mark.rule("6.1")
async def test_the_machines_rewrites_and_credential_helpers_are_used_and_nothing_else_of_it(
    tmp_path: Path,
) -> None:
    heads: list[str] = []

    def wants_a_password(head: str) -> str:
        heads.append(head)
        return "404 Not Found" if "Authorization" in head else "401 Unauthorized"

    async with http_server(wants_a_password) as url:
        git = await machine_git(
            tmp_path,
            f'[url "{url}"]\n\tinsteadOf = "https://git.invalid/\\"quoted\\""\n'
            '[credential]\n\thelper = "!f() { echo username=me; echo \\"password=s#cret\\"; }; f"\n'
            "[http]\n\textraHeader = X-Machine: yes\n[user]\n\tname = Owner\n[core]\n\tpager = x\n"
            f'[http "{url}"]\n\textraHeader = X-Here: yes\n\tlowSpeedTime = 0\n\tsaveCookies = true\n',
        )
        with pytest.raises(RepositoryError, match="not found"):
            await (await Repositories(git, tmp_path / "caches").at('https://git.invalid/"quoted"')).fetch()
    assert base64.b64encode(b"me:s#cret").decode() in heads[-1]
    assert "X-Machine" not in heads[-1]
    assert "X-Here: yes" in heads[-1]
    written = (git.home / "gitconfig").read_text()
    assert not re.search(r'lowspeedtime = "0"|Owner|pager|savecookies', written, re.IGNORECASE)


@pytest.mark.parametrize(
    ("configuration", "variables", "expected"),
    [
        ("[core]\n\tsshCommand = SHIM -i key\n", {}, r"-i key -o BatchMode=yes .*git@git.invalid git-upload-pack"),
        ("[core]\n\tsshCommand = false\n", {"GIT_SSH_COMMAND": "SHIM -v"}, r"-v -o BatchMode=yes .*git-upload-pack"),
        ("", {"GIT_SSH": "SHIM"}, r"-o BatchMode=yes .*git-upload-pack"),
        ("[core]\n\tsshCommand = SHIM\n[ssh]\n\tvariant = simple\n", {}, r"^git@git.invalid git-upload-pack"),
    ],
)
async def test_the_owners_ssh_is_used(
    tmp_path: Path, configuration: str, variables: dict[str, str], expected: str
) -> None:
    shim, called = tmp_path / "shim", tmp_path / "called"
    shim.write_text(f'#!/bin/sh\n[ "$1" = -G ] || echo "$*" >> {called}\nexit 1\n')
    shim.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(configuration.replace("SHIM", str(shim)))
    given = {name: value.replace("SHIM", str(shim)) for name, value in variables.items()}
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **given}
    git = Git(tmp_path / "own", environ, allow_local=False)
    await git.prepare()
    with pytest.raises(GitError):
        await (await Repositories(git, tmp_path / "caches").at("git@git.invalid:team/shop")).fetch()
    assert re.search(expected, called.read_text())


async def test_the_owners_certificate_is_asked_of_a_server_and_its_folders_are_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/team/shop"
        with pytest.raises(GitError, match=r"certificate|SSL"):
            await (await Repositories(await machine_git(tmp_path, ""), tmp_path / "one").at(url)).fetch()
        owners = f'[http "{url}"]\n\tsslCAInfo = ~/ca.pem\n[safe]\n\tdirectory = ~/src/shop\n\tdirectory = *\n'
        git = await machine_git(tmp_path, owners)
        with pytest.raises(RepositoryError, match="not found"):
            await (await Repositories(git, tmp_path / "two").at(url)).fetch()
    written = (git.home / "gitconfig").read_text()
    for trusted in (f"{tmp_path}/src/shop", f"{tmp_path}/src/shop/.git", "*"):
        assert f'directory = "{trusted}"' in written


async def test_a_data_folder_without_locks_is_one_line(tmp_path: Path) -> None:
    """As on NFS without a lock manager: the kernel says so of every flock."""
    script = """
import errno, fcntl, os, asyncio
from pathlib import Path
def flock(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
from daemon.home import occupy
asyncio.run(occupy(Path(".")))
"""
    argv = (sys.executable, "-c", script)
    done = await run(argv, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, timeout=60)
    assert "SettingsError: . lies on a file system without locks (NFS?): set MAKIMA_DATA_DIR" in done.stderr


@pytest.mark.rule("6.11")
async def test_a_password_in_the_address_stays_out_of_errors(repositories: Repositories) -> None:
    async with http_server(lambda head: "418 I'm a teapot") as url:
        with pytest.raises(GitError) as failure:
            await (await repositories.at(url.replace("//", "//me:s3cret@"))).fetch()
    assert "s3cret" not in str(failure.value)
    assert "127.0.0.1" in str(failure.value)


@pytest.mark.rule("6.13")
async def test_a_users_own_checkout_is_cloned_from_and_left_as_it_is(
    repositories: Repositories, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    checkout = tmp_path / "mine"
    git(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    (checkout / "README").write_text("not committed\n")
    (checkout / "new").write_text("staged\n")
    git(checkout, "add", "new")
    before = git(checkout, "status", "--porcelain=v2", "--branch"), git(checkout, "for-each-ref")
    base = await (await repositories.at(str(checkout))).prepare("main")
    assert base == git(checkout, "rev-parse", "HEAD")
    assert before == (git(checkout, "status", "--porcelain=v2", "--branch"), git(checkout, "for-each-ref"))


async def test_git_must_be_installed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="git is not installed"):
        await Git(tmp_path / "own", {"PATH": str(tmp_path)}, allow_local=False).prepare()


ENV = {"PATH": os.environ["PATH"]}


@pytest.mark.parametrize(("deafness", "cancelled"), [("trap '' TERM;", False), ("", True)])
async def test_a_process_is_stopped_with_its_children_on_timeout_and_cancellation(
    tmp_path: Path, deafness: str, cancelled: bool
) -> None:
    script = f"{deafness} sh -c 'echo $$ > child; exec sleep 60' & wait"
    running = asyncio.create_task(run(["sh", "-c", script], cwd=tmp_path, env=ENV, timeout=60 if cancelled else 0.5))
    child = tmp_path / "child"
    while not (child.exists() and child.read_text().strip()):
        await asyncio.sleep(0.01)
    if cancelled:
        running.cancel()
    with pytest.raises(asyncio.CancelledError if cancelled else ProcessTimedOut):
        await running
    while is_alive(int(child.read_text())):
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits for its parent to notice its end doesn't."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


async def test_a_grandchild_that_keeps_the_pipes_does_not_hold_its_caller(tmp_path: Path) -> None:
    done = await run(["sh", "-c", "echo out; sleep 90 & exit 3"], cwd=tmp_path, env=ENV, timeout=60)
    assert (done.exit_code, done.text) == (3, "out")


async def test_output_is_bounded_and_input_that_nobody_reads_blocks_nobody(tmp_path: Path) -> None:
    flood = f"import sys; sys.stdout.write('x' * {OUTPUT_LIMIT + 10}); sys.stderr.write('y' * 100_000 + 'end')"
    done = await run([sys.executable, "-c", flood], cwd=tmp_path, env=ENV, timeout=20, stdin=b"z" * 1_000_000)
    assert (len(done.stdout), done.cut) == (OUTPUT_LIMIT, True)
    assert done.stderr.endswith("yend")
    assert len(done.stderr) < 20_000
