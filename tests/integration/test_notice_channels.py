"""The channels of notices, at servers that speak as the services do: what arrives, and what while they are away."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
import trustme
from pydantic import SecretStr

from domain.errors import NoticeFailed, SettingsError
from domain.notices import Happening, Notice, NoticeKind, notice
from runtime.notice_channels import Channel, Send, channels, tried
from runtime.notifying import Turns
from runtime.shared_settings import SharedSettings
from tests.values import NOON

pytestmark = pytest.mark.rule("8.4")

EVIL = "<!here> <@U024> @channel @everyone [pay](https://evil.invalid) <https://evil.invalid|ok> <b>x</b>\r\nBcc: a@b.c"


def asked(why: str = "red or blue?", kind: NoticeKind = NoticeKind.QUESTION) -> Notice:
    told = Happening(number=1, directive=UUID(int=7), title="Leaflet", at=NOON, what="question asked", why=why)
    return notice(kind, "me", [told], 3000)


@dataclass
class Service:
    """Answers HTTP as `status` says, and keeps what came: head and body of each request."""

    status: int = 200
    answers: bool = True
    said: bytes = b'{"error": "no: tk_hidden"}'
    port: int = 0
    came: list[tuple[str, bytes]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 there\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self.tls)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")]
        length = lengths[0] if lengths else 0
        self.came.append((head, await reader.readexactly(length)))
        if not self.answers:
            await asyncio.Event().wait()
        status = 200 if head.startswith("GET") else self.status
        said = b"ok" if status == 200 else self.said
        answer = f"HTTP/1.1 {status} x\r\nlocation: /elsewhere\r\ncontent-length: {len(said)}\r\n\r\n"
        writer.write(answer.encode() + said)
        await writer.drain()
        writer.close()

    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Service]:
        talking: set[asyncio.Task[Any]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            talking.add(task)
            try:
                await self.talk(reader, writer)
            except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in talking:
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)


class Post:
    """An SMTP server that takes one mail a connection."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                mail = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(mail.removesuffix(b".\r\n"))
            writer.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")
            await writer.drain()
        writer.close()


def settings(tmp_path: Path, **urls: str) -> SharedSettings:
    file = tmp_path / "channels.toml"
    file.touch(0o600)
    file.write_text("".join(f"[{name}]\nurl = {json.dumps(url)}\n" for name, url in urls.items()))
    return SharedSettings(owner="me", notify_channels=file)


async def only(settings: SharedSettings) -> Channel:
    (channel,) = await channels(settings)
    return channel


def harmless(text: str) -> bool:
    return not any(sign in text for sign in ("<", ">", "@", "[", "]", "\r\nBcc", "\nBcc"))


async def test_ntfy_gets_a_plain_text_under_a_title_of_ours(tmp_path: Path) -> None:
    async with Service().serve() as ntfy:
        channel = await only(settings(tmp_path, phone=f"ntfy://me:secret@127.0.0.1:{ntfy.port}/topic"))
        await channel.send(asked(EVIL))
    ((head, body),) = ntfy.came
    came = json.loads(body)
    assert came["topic"] == "topic"
    assert came["title"] == "Makima (me): question"
    assert came["message"].startswith("Leaflet: question asked: ‹!here› ‹＠U024›")
    assert harmless(came["message"])
    assert "X-Markdown" not in head


@pytest.mark.rule("8.5")
async def test_a_touch_of_the_notice_opens_its_link_which_no_failure_repeats(tmp_path: Path) -> None:
    link = "https://m.example/a/tk_of-link.mac"
    told = asked()
    linked = told.model_copy(update={"happenings": (told.happenings[0].model_copy(update={"link": link}),)})
    async with Service().serve() as ntfy:
        channel = await only(settings(tmp_path, phone=f"ntfy://127.0.0.1:{ntfy.port}/topic"))
        await channel.send(linked)
        ntfy.status, ntfy.said = 403, json.dumps({"error": f"no {link}"}).encode()
        with pytest.raises(NoticeFailed) as refused:
            await channel.send(linked)
    head, body = ntfy.came[0]
    assert f"x-click: {link}" in head.lower()
    assert json.loads(body)["message"].endswith(f"\nanswer: {link}")
    assert "tk_of" not in str(refused.value)
    line = shlex.join(["sh", "-c", "cat >&2; exit 3"])
    with pytest.raises(NoticeFailed, match="exit code 3") as refused:
        await (await only(SharedSettings(notify_command=line))).send(linked)
    assert "tk_of" not in str(refused.value)


async def test_slack_gets_a_text_that_mentions_nobody_and_hides_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
    head, came = await sent_to("hooks.slack.com", url, tmp_path, monkeypatch)
    assert head.startswith("POST /services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    assert came["mrkdwn"] is False
    (attachment,) = came["attachments"]
    assert "‹!here›" in attachment["text"]
    assert harmless(attachment["text"])
    assert "apprise" not in json.dumps(came).lower(), "no pictures and no links of the library's own"


async def test_teams_gets_a_card_that_mentions_nobody_and_hides_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a flow of Power Automate, the one way in that Microsoft has left."""
    host, flow = "prod-1.westeurope.logic.azure.com", "643e69f83c8944438d68119179a10a64"
    url = f"workflows://{host}:443/{flow}/KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
    head, came = await sent_to(host, url, tmp_path, monkeypatch)
    assert head.startswith(f"POST /workflows/{flow}/triggers/manual/paths/invoke?")
    (card,) = came["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [block["text"] for block in card["content"]["body"]]
    assert any("‹\\!here›" in text for text in texts), "it is shown as it was written: a card takes markdown"
    assert all(harmless(text) for text in texts)
    assert "entities" not in json.dumps(card), "without them a card mentions nobody"
    assert "apprise" not in json.dumps(came).lower()


async def sent_to(host: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """What arrives of a bad text at the service's own address, by a proxy that is the service: its certificate is of an
    authority of the test.
    """
    authority, service = trustme.CA(), Service()
    authority.issue_cert(host).configure_cert(service.tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    async with service.serve():
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{service.port}")
        channel = await only(settings(tmp_path, team=url))
        await channel.send(asked(EVIL))
    ((head, body),) = service.came
    return head, json.loads(body)


async def test_a_mail_is_plain_text_whose_headers_are_ours(tmp_path: Path) -> None:
    post = Post()
    async with await asyncio.start_server(post.talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"mailto://127.0.0.1:{port}?from=makima@example.com&to=team@example.com&mode=insecure"
        channel = await only(settings(tmp_path, mail=url))
        await channel.send(asked(EVIL))
    (mail,) = post.mails
    read = message_from_bytes(mail, policy=policy.default)
    assert read["Subject"] == "Makima (me): question"
    assert read["Bcc"] is None
    assert read["To"].endswith("team@example.com")
    assert read.get_content_type() == "text/plain"
    assert "‹b›x‹/b› Bcc: a＠b.c" in " ".join(read.get_content().split())


async def test_json_gets_the_text_and_a_redirect_is_no_answer(tmp_path: Path) -> None:
    """A redirected POST would arrive as a GET, and count as sent."""
    async with Service().serve() as hook:
        channel = await only(settings(tmp_path, hook=f"json://127.0.0.1:{hook.port}/tk_hidden"))
        await channel.send(asked(EVIL))
        hook.status = 302
        with pytest.raises(NoticeFailed):
            await channel.send(asked())
    came = json.loads(hook.came[0][1])
    assert came["type"] == "warning"
    assert harmless(came["message"])


async def test_a_refusal_says_why_without_the_address(tmp_path: Path) -> None:
    async with Service(status=403).serve() as ntfy:
        channel = await only(settings(tmp_path, phone=f"ntfy://me:tk_hidden@127.0.0.1:{ntfy.port}/tk_hidden-topic"))
        with pytest.raises(NoticeFailed, match="Failed to send ntfy") as refused:
            await channel.send(asked())
    for shown in (str(refused.value), repr(channel), str(settings(tmp_path, a="ntfy://tk_hidden"))):
        assert "tk_hidden" not in shown
        assert "-topic" not in shown


async def test_an_address_stands_in_no_command_line_while_it_is_used(tmp_path: Path) -> None:
    async with Service(answers=False).serve() as ntfy:
        channel = await only(settings(tmp_path, phone=f"ntfy://127.0.0.1:{ntfy.port}/tk_hidden"))
        sending = asyncio.ensure_future(channel.send(asked()))
        async with asyncio.timeout(60):
            while not ntfy.came:
                await asyncio.sleep(0.05)
        lines = [" ".join(child.cmdline()) for child in psutil.Process().children()]
        assert any("apprise_sending" in line for line in lines)
        assert not any("tk_hidden" in line for line in lines)
        sending.cancel()
        await asyncio.wait({sending})
        left = [" ".join(child.cmdline()) for child in psutil.Process().children()]
        assert not any("apprise_sending" in line for line in left), "it is ended, too"


async def test_a_channel_that_is_away_is_one_line_and_is_told_once_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runtime.notifying")
    due = [asked()]

    async def empty(send: Send) -> None:
        while due:
            await send(due[0])
            due.pop(0)

    async with Service(status=503).serve() as ntfy:
        channel = await only(settings(tmp_path, phone=f"ntfy://127.0.0.1:{ntfy.port}/topic"))
        turns = Turns(channel, empty, longest_rest=0.0)
        for _ in range(3):
            await turns.turn()
        assert len(ntfy.came) == 3
        ntfy.status = 200
        await turns.turn()
        await turns.turn()
        assert len(ntfy.came) == 4
    levels = [(record.levelname, record.getMessage().split(":")[0]) for record in caplog.records]
    assert levels == [("WARNING", "channel phone"), ("INFO", "notice"), ("INFO", "channel phone")]


async def test_one_that_is_away_is_not_asked_at_each_turn(tmp_path: Path) -> None:
    asked_for = 0

    async def empty(_: Send) -> None:
        nonlocal asked_for
        asked_for += 1
        raise NoticeFailed("nobody is there")

    turns = Turns(await only(settings(tmp_path, phone="ntfy://127.0.0.1:1/topic")), empty)
    for _ in range(5):
        await turns.turn()
    assert asked_for == 1


async def test_the_end_of_the_worker_waits_for_the_answer_of_a_channel(tmp_path: Path) -> None:
    """Else the channel has it, nobody knows, and it is sent again."""
    begun, noted = asyncio.Event(), []

    async def empty(_: Send) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        noted.append("sent")

    turning = asyncio.ensure_future(Turns(await only(settings(tmp_path, a="ntfy://127.0.0.1:1/t")), empty).turn())
    await begun.wait()
    turning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turning
    assert noted == ["sent"]


async def test_each_channel_says_in_a_line_what_became_of_a_test_notice(tmp_path: Path) -> None:
    async with Service().serve() as good, Service(status=500).serve() as bad:
        named = settings(tmp_path, team=f"json://127.0.0.1:{good.port}/", mail=f"json://127.0.0.1:{bad.port}/")
        health = await tried(named.model_copy(update={"notify_command": "false"}))
    assert [line.split()[:2] for line in health.lines()] == [["failed", "command"], ["ok", "team"], ["failed", "mail"]]
    assert not health.is_good


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nurl = 'nowhere://tk_hidden'\n", r"\[a\]: this is no address that apprise knows"),
        ("[a]\nurl = 'ntfy://tk_hidden/one/two'\n", r"\[a\]: it has several targets"),
        ("[a]\nurl = 'tk_hidden'\n", "a.url: .* address such as ntfys"),
        ("[a]\nurl = 'ntfy://tk_hidden'\nkinds = []\n", "a.kinds: .*at least one"),
        ("[a]\nurl = 'ntfy://tk_hidden'\nkinds = ['tk_hidden']\n", "a.kinds.0: .*'question'"),
        ("[a]\nurl = 'ntfy://tk_hidden'\nkey = 'tk_hidden'\n", "a.key: Extra"),
        ("[webhook]\nurl = 'ntfy://tk_hidden'\n", r"\[webhook\] is the name of"),
        ("[A_B]\nurl = 'ntfy://tk_hidden'\n", "A_B"),
        ("url = 'ntfy://tk_hidden'\n", "url: "),
        ("[a\nurl = 'ntfy://tk_hidden'\n", "is no TOML"),
        ("#" * 70_000, "larger than 64 KiB"),
    ],
)
async def test_a_file_that_names_no_channels_is_refused_in_a_line_without_secrets(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "channels.toml"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(SettingsError, match=said) as refused:
        await channels(SharedSettings(notify_channels=file))
    assert "tk_hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_file_that_everybody_reads_or_that_is_none_is_refused(tmp_path: Path) -> None:
    named = settings(tmp_path, a="ntfy://127.0.0.1/t")
    assert named.notify_channels
    named.notify_channels.chmod(stat.S_IRUSR | stat.S_IROTH)
    with pytest.raises(SettingsError, match="chmod 600"):
        await channels(named)
    with pytest.raises(SettingsError, match="can't be read"):
        await channels(SharedSettings(notify_channels=tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="is no file"):
        await channels(SharedSettings(notify_channels=tmp_path / "pipe"))


def test_the_library_is_imported_by_no_process_of_ours_but_the_one_that_sends() -> None:
    code = "import sys, worker, starter, runtime.apprise_sending; print('apprise' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


async def test_a_command_gets_the_notice_on_stdin_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = shlex.join(["sh", "-c", f"cat > {tmp_path}/in; env > {tmp_path}/env"])
    channel = await only(SharedSettings(notify_command=line))
    monkeypatch.setenv("MAKIMA_DATABASE_URL", "postgresql://user:hunter2@h/d")
    for name in ("MAKIMA_NOTIFY_WEBHOOK", "MAKIMA_ANSWER_KEY", "PGPASSWORD", "TEMPORAL_API_KEY"):
        monkeypatch.setenv(name, "hunter2")
    sent = notice(NoticeKind.DONE, "me", [])
    await channel.send(sent)
    assert Notice.model_validate_json((tmp_path / "in").read_text()) == sent
    environment = (tmp_path / "env").read_text()
    assert "MAKIMA_NOTICE_KIND=done" in environment
    assert "hunter2" not in environment


async def test_a_command_and_a_webhook_that_fail_say_so_without_secrets() -> None:
    line = shlex.join(["sh", "-c", "echo broken >&2; exit 3"])
    with pytest.raises(NoticeFailed, match="exit code 3: broken"):
        await (await only(SharedSettings(notify_command=line))).send(asked())
    with pytest.raises(NoticeFailed, match="does not answer") as failed:
        hook = SecretStr("http://127.0.0.1:1/secret")
        await (await only(SharedSettings(notify_webhook=hook))).send(asked())
    assert "secret" not in str(failed.value)
