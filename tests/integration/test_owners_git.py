"""What of the machine's git configuration the daemon's git takes over, and that no agent sees it (design 17)."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import trustme

from daemon.git.config import taken_over
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.errors import GitError, RepositoryError
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon
from tests.integration.test_sandbox import SandboxMaker, make_sandbox

pytestmark = pytest.mark.rule("6.1")

__all__ = ["make_sandbox"]  # a fixture
HERE = "https://git.invalid/team"


def keys(*given: str) -> set[str]:
    """Those of them that are taken over, from the configuration of the machine's user."""
    return {each.key for each in taken_over("".join(f"global\0{key}\nx\0" for key in given).encode())}


def test_what_git_needs_to_reach_a_remote_is_taken_over_and_nothing_else() -> None:
    reach = {
        *(f"http.{name}" for name in ("sslcainfo", "sslcapath", "sslcert", "sslkey", "sslverify", "sslversion")),
        *(f"http.{name}" for name in ("proxy", "proxyauthmethod", "proxysslcainfo", "proxysslcert", "proxysslkey")),
        *(f"http.{HERE}.{name}" for name in ("extraheader", "sslverify", "proxy", "cookiefile", "emptyauth")),
        *("http.version", "core.sshcommand", "ssh.variant", "safe.directory"),
        *(f"url.{HERE}.insteadof", f"url.{HERE}.pushinsteadof", "credential.helper", f"credential.{HERE}.username"),
    }
    ours_or_nobodys = {
        # A header of every address would go with its credential to whatever repository a directive names.
        *("http.extraheader", "http.cookiefile", "http.lowspeedlimit", f"http.{HERE}.lowspeedtime"),
        *(f"http.{HERE}.savecookies", "core.hookspath", "core.fsmonitor", "core.editor", "core.pager", "alias.fetch"),
        *("user.name", "commit.gpgsign", "include.path", "includeif.gitdir:/x.path", "protocol.ext.allow", "gc.auto"),
        *(
            "remote.origin.url",
            "fetch.prune",
            "push.default",
            "core.gitproxy",
            "filter.lfs.smudge",
            "uploadpack.packobjectshook",
        ),
    }
    assert keys(*reach, *ours_or_nobodys) == reach
    for scope in ("local", "worktree"):
        assert taken_over(f"{scope}\0http.sslverify\nfalse\0".encode()) == (), "a repository's own is its owner's"


async def machine_git(tmp_path: Path, configuration: str, **environment: str) -> Git:
    (tmp_path / ".gitconfig").write_text(configuration)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **environment}
    git = Git(tmp_path / "own", environ, allow_local=True)
    await git.prepare()
    return git


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a server that answers 404, and the heads of the requests that have come through."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/team/shop", heads


@pytest.mark.parametrize(
    ("configuration", "variables", "is_reached"),
    [
        ("", {}, False),
        ("[http]\n\tsslCAInfo = HOME/ca.pem\n", {}, False),
        ("[http]\n\tsslCAInfo = HOME/ca.pem\n\tsslCert = ~/mine.pem\n\tsslKey = ~/mine.key\n", {}, True),
        ('[http "ADDRESS"]\n\tsslVerify = false\n\tsslCert = ~/mine.pem\n\tsslKey = ~/mine.key\n', {}, True),
        ('[http "https://git.invalid"]\n\tsslVerify = false\n', {}, False),
        ("[include]\n\tpath = more\n", {}, True),
        ('[includeIf "gitdir:HOME/src/"]\n\tpath = more\n', {}, False),
        ("[http]\n\tsslCert = ~/mine.pem\n\tsslKey = ~/mine.key\n", {"GIT_SSL_CAINFO": "HOME/ca.pem"}, True),
    ],
)
async def test_the_owners_certificates_are_used_where_he_has_said_so(
    tmp_path: Path, configuration: str, variables: dict[str, str], is_reached: bool
) -> None:
    """The server's certificate is signed by an authority of its own, and it wants one of ours."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    mine = authority.issue_cert("me@example.com")
    mine.private_key_pem.write_to_path(tmp_path / "mine.key")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "mine.pem")
    (tmp_path / "more").write_text("[http]\n\tsslCAInfo = ~/ca.pem\n\tsslCert = ~/mine.pem\n\tsslKey = ~/mine.key\n")
    async with tls_server(context) as (url, heads):
        given = {name: value.replace("HOME", str(tmp_path)) for name, value in variables.items()}
        written = configuration.replace("HOME", str(tmp_path)).replace("ADDRESS", url)
        git = await machine_git(tmp_path, written, **given)
        with pytest.raises(RepositoryError if is_reached else GitError) as refused:
            await (await Repositories(git, tmp_path / "caches").at(url)).fetch()
    assert bool(heads) == is_reached, refused.value
    assert "\n" not in str(refused.value)


@asynccontextmanager
async def http_server() -> AsyncIterator[tuple[str, list[str]]]:
    """The same without TLS."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


ASKED = {
    "a header": ('[http "SERVER"]\n\textraHeader = X-Here: yes\n', "SERVER", "x-here: yes"),
    "a cookie": ('[http "SERVER"]\n\tcookieFile = ~/cookies\n', "SERVER", "cookie: team=shop"),
    "a name of its own": ('[http "SERVER"]\n\tuserAgent = ours/1\n', "SERVER", "user-agent: ours/1"),
    "a proxy": ("[http]\n\tproxy = SERVER\n", "http://127.0.0.1:1", "get http://127.0.0.1:1/team/shop/info/refs"),
    "a proxy of one address": (
        '[http "http://127.0.0.1:1"]\n\tproxy = SERVER\n', "http://127.0.0.1:1", "get http://127.0.0.1:1/team/shop/info/refs"
    ),
    "another address": (
        '[url "SERVER/"]\n\tinsteadOf = "http://127.0.0.1:1/"\n', "http://127.0.0.1:1", "get /team/shop/"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ASKED)
async def test_a_server_is_asked_as_its_owner_has_said(tmp_path: Path, what: str) -> None:
    configuration, address, seen = ASKED[what]
    async with http_server() as (url, heads):
        (tmp_path / "cookies").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tteam\tshop\n")
        git = await machine_git(tmp_path, configuration.replace("SERVER", url))
        with pytest.raises((RepositoryError, GitError)):
            cache = await Repositories(git, tmp_path / "caches").at(f"{address.replace('SERVER', url)}/team/shop")
            await cache.fetch()
    assert any(seen in head.lower() for head in heads), heads


@pytest.mark.parametrize(("configuration", "spoken"), [("", "h2"), ("version = HTTP/1.1", "http/1.1")])
async def test_a_server_is_talked_to_in_the_version_that_its_owner_wants(
    tmp_path: Path, configuration: str, spoken: str
) -> None:
    authority, context, seen = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/team/shop"
        git = await machine_git(tmp_path, f"[http]\n\tsslCAInfo = ~/ca.pem\n\t{configuration}\n")
        with pytest.raises((RepositoryError, GitError)):
            await (await Repositories(git, tmp_path / "caches").at(url)).fetch()
    assert seen[0] == spoken


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a repository somebody else's")
@pytest.mark.parametrize("trusts", ["", "[safe]\n\tdirectory = {}\n", "[safe]\n\tdirectory = *\n"])
async def test_a_repository_of_somebody_else_is_taken_where_its_user_trusts_it(
    tmp_path: Path, origin: Path, trusts: str
) -> None:
    await asyncio.to_thread(subprocess.run, ("chown", "-R", "65534:65534", str(origin)), check=True)
    cache = await Repositories(await machine_git(tmp_path, trusts.format(origin)), tmp_path / "caches").at(str(origin))
    if trusts:
        assert await cache.prepare("main")
        return
    with pytest.raises((RepositoryError, GitError), match="dubious ownership") as refused:
        await cache.prepare("main")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("command", ["./no-such-ssh -i key", "~/no-such-ssh", "/no/such/ssh"])
async def test_an_ssh_that_is_not_there_is_one_line_that_names_it(tmp_path: Path, command: str) -> None:
    """Also one that is named from where its owner stands: git runs elsewhere here."""
    git = await machine_git(tmp_path, f"[core]\n\tsshCommand = {command}\n")
    with pytest.raises(GitError) as refused:
        await (await Repositories(git, tmp_path / "caches").at("git@git.invalid:team/shop")).fetch()
    assert "ssh" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.rule("6.2")
async def test_no_agent_sees_a_credential_of_the_owners_configuration(
    tmp_path: Path, make_sandbox: SandboxMaker, origin: Path
) -> None:
    header, secret = "Authorization: Bearer", "sesame-0123456789"
    helper = f'[credential]\n\thelper = "!echo password={secret}"\n\tusername = {secret}\n'
    git = await machine_git(tmp_path, f'[http "{HERE}"]\n\textraHeader = {header} {secret}\n{helper}')
    looked_for = f"[{secret[0]}]{secret[1:]}"  # a pattern that doesn't match itself, in a command line
    assert secret in (git.home / "gitconfig").read_text(), "the daemon has it"
    one = OneDaemon(tmp_path / "one", Repositories(git, tmp_path / "own" / "caches"), origin)
    one.more = {"sandbox": make_sandbox(hidden=(tmp_path,))}
    script = f"""
        git config --list --show-origin > seen 2>&1
        env >> seen
        cat /proc/*/environ /proc/*/cmdline >> seen 2>&1 || true
        cat {git.home}/gitconfig "$GIT_CONFIG_GLOBAL" ~/.gitconfig {tmp_path}/.gitconfig >> seen 2>&1 || true
        if grep -a -r -s -l "{looked_for}" . > found; then exit 3; fi
    """
    step = {"task": uuid4(), "step": uuid4(), "step_name": "look", "target_branch": "makima/look"}
    outcome = await one.does(script, TaskKind.STEP, base_commit=await one.base(), **step)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
