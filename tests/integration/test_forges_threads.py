"""A conversation is resolved once what it asks for is done (rule 7.5), at every forge, against the fake forge."""

from __future__ import annotations

import pytest

from daemon.forges.forge_settings import ForgeKind
from domain.pull_request import PullRequest, Reply
from tests.fixtures_forges import KINDS, Site, any_token

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", KINDS)]


async def asked(site: Site, known: PullRequest) -> list[str]:
    """The words of what asks for something."""
    return [each.text for each in (await site.adapter.look(known, {})).findings]


def done(remark: dict[str, int], *, settles: bool = True) -> Reply:
    return Reply(comment=f"comment:{remark['id']}", text="Done in abc.", settles=settles)


@pytest.mark.shows("a conversation is resolved once what it asks for is done")
@any_token
async def test_a_conversation_is_resolved_with_the_answer_that_says_it_is_done(site: Site) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.adapter.reply(made, done(remark, settles=False))
    assert await asked(site, made) == ["Rename it."], "nothing was changed: it is the reviewer's to end it"
    await site.adapter.reply(made, done(remark))
    assert await asked(site, made) == []
    await site.adapter.reply(made, done(remark))
    assert await asked(site, made) == []


@any_token
async def test_whoever_answers_to_what_we_have_resolved_is_heard(site: Site) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.adapter.reply(made, done(remark))
    fields = {"path": "app.py", "line": 1, "in_reply_to": remark["id"]}
    again = await site.forge.remark(site.name, made.number, user="ann", body="Not that name.", **fields)
    assert await asked(site, made) == ["Not that name."]
    await site.adapter.reply(made, done(again))
    assert await asked(site, made) == []
    await site.forge.resolve_as("ann", site.name, made.number, remark["id"])
    await site.forge.remark(site.name, made.number, user="ann", body="Thanks!", **fields)
    assert await asked(site, made) == [], "it is ann now who has resolved it"


@any_token
async def test_a_conversation_stays_open_while_somebody_in_it_waits_for_an_answer(site: Site) -> None:
    made = await site.opened()
    first = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    fields = {"path": "app.py", "line": 1, "in_reply_to": first["id"]}
    second = await site.forge.remark(site.name, made.number, user="ben", body="And test it.", **fields)
    await site.adapter.reply(made, done(first))
    assert await asked(site, made) == ["Rename it.", "And test it."]
    await site.adapter.reply(made, done(second))
    assert await asked(site, made) == []


async def test_a_conversation_that_the_forge_does_not_let_us_resolve_is_answered_and_holds_up_nothing(
    site: Site,
) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    path, method = {
        ForgeKind.GITHUB: ("graphql$", "POST"),
        ForgeKind.GITLAB: ("discussions/[^/]+$", "PUT"),
        ForgeKind.GITEA: ("/resolve$", "POST"),
    }[site.kind]
    await site.forge.fail("forbidden", method=method, path=path, times=1)
    again = await site.opened(replies=(done(remark),))
    assert again.number == made.number
    assert await asked(site, made) == ["Rename it."]
    async with site.forge.rest() as client:
        told = (await client.get(f"/repos/{site.name}/pulls/{made.number}/comments")).json()
    assert [each["body"].split("\n")[0] for each in told] == ["Rename it.", "Done in abc."]


async def test_where_there_is_no_address_for_it_the_answer_is_all(site: Site) -> None:
    """As at Forgejo, and at older servers of Gitea."""
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.forge.fail("status", status=404, path="/resolve$", times=5)
    await site.adapter.reply(made, done(remark))
    assert await asked(site, made) == (["Rename it."] if site.kind is ForgeKind.GITEA else [])
