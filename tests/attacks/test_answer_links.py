"""Links of notices in the hands of who means harm: forged, changed, worn out; and what a page is made to say."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from cli.operator.answer_pages import HEADERS, plan_page, question_page, told_page
from domain.answer_links import AnswerLink, ForgedLink, OldLink, read, signed
from domain.models import Proposal, Question, Step
from tests.answer_serving import answers, token
from tests.fixtures_desk import Desk

pytestmark = pytest.mark.rule("8.5")

KEY = b"k" * 32
NOW = datetime.now(UTC)
EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b]52;c;aGVsbG8=\x07"


def link(**changed: object) -> AnswerLink:
    fields = {"owner": "me", "directive": uuid4(), "question": uuid4(), "channel": "phone", "until": NOW + timedelta(1)}
    return AnswerLink.model_validate({**fields, **changed})


def test_a_link_is_what_was_signed_and_any_other_text_is_none() -> None:
    made = link()
    whole = signed(made, KEY)
    assert read(whole, KEY, "me", NOW) == made
    for place in range(len(whole)):
        for other in {"A", "B", "-", ".", "=", " ", "\u00e9"} - {whole[place]}:
            with pytest.raises(ForgedLink):
                read(whole[:place] + other + whole[place + 1 :], KEY, "me", NOW)
        with pytest.raises(ForgedLink):
            read(whole[:place], KEY, "me", NOW)
    for text in ("", ".", "..", whole + "=", whole + ".", whole * 9, f" {whole}", whole.replace(".", "")):
        with pytest.raises(ForgedLink):
            read(text, KEY, "me", NOW)


def test_a_link_of_another_key_another_owner_or_another_time_opens_nothing() -> None:
    with pytest.raises(ForgedLink):
        read(signed(link(), b"x" * 32), KEY, "me", NOW)
    with pytest.raises(ForgedLink):
        read(signed(link(owner="you"), KEY), KEY, "me", NOW)
    with pytest.raises(OldLink):
        read(signed(link(until=NOW), KEY), KEY, "me", NOW)
    with pytest.raises(ValueError, match="a question or for a plan"):
        link(plan=uuid4())


def test_what_others_have_written_is_text_on_a_page() -> None:
    asked = Question(id=uuid4(), task=uuid4(), text=EVIL, context=EVIL, choices=(EVIL,), default=EVIL, deadline=NOW)
    step = Step(id=uuid4(), name=EVIL, description=EVIL, task_plan="x", generation=1, position=0)
    plan = Proposal(generation=1, base_commit="c" * 40, add=(step,))
    for page in (question_page(EVIL, asked), plan_page(EVIL, plan), told_page(EVIL, "Done", [EVIL])):
        assert "<script" not in page
        assert "<img" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;" in page
    assert HEADERS["content-security-policy"].startswith("default-src 'none'")


async def test_a_server_says_nothing_to_who_has_no_link_and_bears_what_is_sent(
    idle_desk: Desk, database: str, tmp_path: Path
) -> None:
    directive = str(uuid4())
    good = token(idle_desk.owner, directive, question=uuid4())
    old = token(idle_desk.owner, directive, timedelta(seconds=-1), question=uuid4())
    alien = token("somebody-else", directive, question=uuid4())
    async with answers(idle_desk, database, tmp_path) as served, httpx.AsyncClient(timeout=60) as client:
        for path in ("", "x", alien, good[:-1], f"{good}x", "..%2f..%2fetc%2fpasswd", "a" * 5000):
            for method in ("GET", "POST"):
                said = await client.request(method, f"{served.url}/{path}")
                assert (said.status_code, said.text) == (404, "not found\n"), path
        gone = await client.post(f"{served.url}/{old}", data={"answer": "yes"})
        assert (gone.status_code, gone.text) == (410, "gone\n")
        assert (await client.put(f"{served.url}/{good}")).status_code == 405
        for kind, body in (
            ("application/json", b'{"answer": "yes"}'),
            ("multipart/form-data; boundary=x", b"--x--"),
            ("application/x-www-form-urlencoded", b"answer=%ff"),
            ("application/x-www-form-urlencoded", b"a=1&" * 50),
            ("application/x-www-form-urlencoded", b"answer=" + b"x" * 100_000),
        ):
            refused = await client.post(f"{served.url}/{good}", content=body, headers={"content-type": kind})
            assert refused.status_code == 409, kind
        host, _, port = served.url.removeprefix("http://").partition(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        assert (await client.get(f"{served.url}/x")).status_code == 404, "who says nothing holds up nobody"
        for _, writer in idle:
            writer.close()
