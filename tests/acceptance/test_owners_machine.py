"""A remote that only the git configuration of the daemon's machine leads to, through the whole system (issue 13, 9)."""

from __future__ import annotations

import asyncio
import json
import shlex
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from demo.demo_repository import git, make_origin
from tests.acceptance.houses import forge_of
from tests.acceptance.stack import Site
from tests.forge import Person

SSH = """#!/bin/sh
test "$1" = -G && exit 1
for command; do :; done
echo "$command" >> {log}
cd {folder} && exec sh -c "$command"
"""


@asynccontextmanager
async def certified(target: str, authority: trustme.CA) -> AsyncIterator[str]:
    """An https address that leads to the http one, with a certificate of this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    host, _, port = target.removeprefix("http://").partition(":")

    talks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
        finally:
            for each in (writer, back):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@pytest.mark.rule("6.1")
async def test_work_reaches_remotes_by_the_owners_certificate_password_and_ssh(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)  # a machine that sets it overrules the configuration
    forge, authority, home = forge_of(site.servers), trustme.CA(), tmp_path / "home"
    repository = await forge.make_repository(site.owner, "certified")
    await Person(tmp_path / "ann", forge.url_with(repository.full_name)).commit("main", {"README": "certified\n"})
    origin = await asyncio.to_thread(make_origin, tmp_path)
    async with certified(forge.url, authority) as url:
        await asyncio.to_thread(home.mkdir)
        authority.cert_pem.write_to_path(home / "ca.pem")
        ssh = home / "ssh"
        ssh.write_text(SSH.format(log=home / "called", folder=tmp_path))
        ssh.chmod(0o755)
        (home / ".gitconfig").write_text(
            f'[http "{url}"]\n\tsslCAInfo = ~/ca.pem\n[core]\n\tsshCommand = {ssh}\n[credential "{url}"]\n\thelper = '
            f'"!f() {{ echo username=x-access-token; echo password={forge.token}; }}; f"\n'
        )
        plan = tmp_path / "plan.json"
        plan.write_text(json.dumps({"steps": [{"name": "one", "task_plan": "echo one > one.txt"}]}))
        site.worker()
        site.daemon(HOME=home)
        about = ("--title", "Reached", "--goal", "g", "--plan", str(plan), "--agent", "shell", "--timings", "fast")
        addresses = (f"{url}/{repository.full_name}.git", f"git@git.invalid:{origin.relative_to(tmp_path)}")
        started = [
            asyncio.to_thread(site.starter, "start", *about, "--repo", to, "--wait", "--json") for to in addresses
        ]
        shown = [ran.json() for ran in await asyncio.gather(*started)]
    assert [each["status"] for each in shown] == ["idle", "idle"], shown
    for folder, each in zip((repository.path, origin), shown, strict=True):
        assert await asyncio.to_thread(git, folder, "show", f"{each['pr']['branch']}:one.txt") == "one"
    called = (home / "called").read_text()
    assert "git-upload-pack" in called and "git-receive-pack" in called


@pytest.mark.rule("6.1")
@pytest.mark.rule("2.3")
def test_a_clone_without_its_history_is_refused_and_taken_once_it_has_done_what_the_refusal_says(
    site: Site, tmp_path: Path
) -> None:
    origin, shallow, plan = make_origin(tmp_path), tmp_path / "shallow", tmp_path / "plan.json"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{origin}", str(shallow))
    git(shallow, "switch", "--quiet", "--create", "mine")  # so that main may be pushed to
    plan.write_text(json.dumps({"steps": [{"name": "one", "task_plan": "echo one > one.txt"}]}))
    site.worker()
    site.daemon()
    about = ("--title", "Short", "--goal", "g", "--plan", str(plan), "--agent", "shell", "--timings", "fast", "--json")
    shown = site.starter("start", *about, "--repo", str(shallow), "--base-branch", "main", "--wait").json()
    advice = f"`git -C {shallow} fetch --unshallow`"
    assert shown["status"] == "paused" and f"is a shallow clone: run {advice}" in shown["reason"], shown
    git(shallow, *shlex.split(advice.strip("`"))[3:])
    assert site.starter("resume", shown["id"]).code == 0
    done = site.starter("watch", shown["id"])
    assert done.code == 0, done
    now = site.status(shown["id"])
    assert now["status"] == "idle"
    assert git(shallow, "show", f"{now['pr']['branch']}:one.txt") == "one"
