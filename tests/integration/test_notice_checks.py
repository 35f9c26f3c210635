"""What `doctor` says of notices and their links, on a real machine: nothing is sent (rule 9.4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.health_report import Check, Verdict
from runtime.notice_checks import notice_checks
from runtime.shared_settings import SharedSettings

pytestmark = pytest.mark.rule("9.4")


async def looked(**settings: object) -> dict[str, tuple[Verdict, str, str]]:
    found: tuple[Check, ...] = tuple(await notice_checks(SharedSettings.model_validate({"owner": "me", **settings})))
    return {each.about: (each.verdict, each.found, each.remedy) for each in found}


async def test_nothing_that_is_not_set_is_named() -> None:
    assert await looked() == {}


async def test_each_channel_has_a_line_and_a_wrong_one_hides_no_other(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text('[phone]\nurl = "ntfys://ntfy.example.com/topic"\n[odd]\nurl = "nothing://s3cret"\n')
    file.chmod(0o600)
    found = await looked(
        notify_channels=file, notify_webhook=SecretStr("https://hooks.example.com/s3cret"), notify_command="true --all"
    )
    assert {about: verdict for about, (verdict, _, _) in found.items()} == {
        "channel command": Verdict.OK,
        "channel webhook": Verdict.OK,
        "channel phone": Verdict.OK,
        "channel odd": Verdict.FAILED,
    }
    assert "apprise" in found["channel odd"][1] and "s3cret" not in str(found)
    (wrong,) = (await looked(notify_command="/no/such/program")).values()
    assert wrong[0] is Verdict.FAILED and "/no/such/program" in wrong[1]
    file.chmod(0o604)
    (open_to_all,) = (await looked(notify_channels=file)).values()
    assert open_to_all[0] is Verdict.FAILED and "chmod 600" in open_to_all[1]


async def test_the_address_of_the_links_has_to_lead_to_our_own_server(tmp_path: Path) -> None:
    said = b"not found\n"

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /a/doctor ")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(said), said))
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a"

    async def verdict() -> tuple[Verdict, str, str]:
        return (await looked(answer_url=url, data_dir=tmp_path))["answers"]

    async with server:
        assert await verdict() == (Verdict.OK, f"{url} leads to it", "")
        said = b"<h1>Some proxy</h1>"
        assert (await verdict())[:2] == (Verdict.WARNING, f"at {url} there is something else")
    away = await verdict()
    assert away[0] is Verdict.WARNING and "does not answer" in away[1] and "start `starter.py answers`" in away[2]
