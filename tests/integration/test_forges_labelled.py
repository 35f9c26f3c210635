"""Which labelled issues are taken, at each kind of forge (rule 7.7): by who has set the label, and who has written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest

from daemon.forges.audience import NotHeard
from daemon.forges.forge_settings import ForgeKind
from daemon.forges.labelled_issues import LabelledIssues
from domain.intake.commands import CommandSaid
from domain.intake.issue import IssueRead
from domain.intake.progress import progress_mark
from domain.intake.state import MOST_AT_ONCE
from domain.intake.taken import LeftAlone
from domain.names import short
from tests.fixtures_forges import KINDS, QUICK, Site, any_token
from tests.forge import clock_passes

pytestmark = pytest.mark.parametrize("forge_kind", KINDS)
LABEL = "makima"
OURS, THEIRS = UUID(int=1 << 96), UUID(int=2 << 96)
"""The directives that an issue becomes by two owners' intakes."""


def labelled(ours: UUID = OURS) -> LabelledIssues:
    return LabelledIssues(LABEL, lambda _: short(ours))


async def opened(site: Site, *, user: str = "ann", by: str = "", label: str = LABEL) -> int:
    number = int((await site.forge.open_issue(site.name, user=user, title="Prices", body="They are net."))["number"])
    if by:
        await site.forge.change_issue(site.name, number, user=by, label=label)
    return number


async def look(
    site: Site, known: LabelledIssues | None = None, taken: tuple[int, ...] = ()
) -> tuple[list[IssueRead], list[LeftAlone]]:
    found, left, _ = await (known or labelled()).look(await site.adapter.issues(), taken)
    return found, left


@pytest.mark.rule("7.7")
@pytest.mark.shows("issues are taken whose label somebody with write access has set")
async def test_only_a_label_counts_that_somebody_with_write_access_has_set(site: Site) -> None:
    await site.forge.set_role(site.name, "rita", "triage")
    await opened(site)
    await opened(site, by="ann", label="bug")
    by_writer, by_triage, by_stranger = [await opened(site, by=each) for each in ("ben", "rita", "mallory")]
    found, left = await look(site)
    assert [each.number for each in found] == [by_writer] and found[0].text == "They are net."
    why = {each.number: each.why for each in left}
    assert why == {
        by_triage: f"labelled by rita: {NotHeard.NO_WRITE}",
        by_stranger: f"labelled by mallory: {NotHeard.NO_WRITE}",
    }
    assert await look(site, taken=(by_writer,)) == ([], left)


@pytest.mark.rule("7.7")
async def test_who_sets_the_label_anew_is_who_has_set_it(site: Site) -> None:
    number = await opened(site, by="ann")
    await site.forge.change_issue(site.name, number, user="mallory", unlabel=LABEL)
    assert await look(site) == ([], [])
    await site.forge.change_issue(site.name, number, user="mallory", label=LABEL)
    assert [each.number for each in (await look(site))[1]] == [number]
    await site.forge.change_issue(site.name, number, user="mallory", unlabel=LABEL)
    await site.forge.change_issue(site.name, number, user="ben", label=LABEL)
    assert [each.number for each in (await look(site))[0]] == [number]


@pytest.mark.rule("7.7")
async def test_a_strangers_text_is_not_taken_whoever_labels_it_and_nor_is_what_a_stranger_edits(site: Site) -> None:
    number = await opened(site, user="mallory", by="ann")
    known = labelled()
    for _ in range(2):
        found, (left,) = await look(site, known)
        assert (found, left.number) == ([], number) and left.why.startswith("its text (mallory: no write access")
    forges, again = await site.another(replace(QUICK, permission=0))
    await site.forge.set_role(site.name, "mallory", "write")
    found, _, _ = await known.look(await again.issues(), ())
    assert [each.number for each in found] == [number]
    await forges.close()


@pytest.mark.rule("7.7")
async def test_closed_deleted_and_pulls_are_not_taken_and_many_come_a_few_at_a_time(site: Site) -> None:
    pull = await site.opened()
    closed, deleted = [await opened(site, by="ann") for _ in range(2)]
    await site.forge.change_issue(site.name, closed, user="ann", is_open=False)
    await site.forge.change_issue(site.name, deleted, user="ann", deleted=True)
    async with site.forge.rest() as client:
        (await client.post(f"/repos/{site.name}/issues/{pull.number}/labels", json={"labels": [LABEL]}))
    many = [await opened(site, by="ann") for _ in range(MOST_AT_ONCE + 1)]
    known = labelled()
    first, left = await look(site, known)
    taken = tuple(each.number for each in first)
    rest, _ = await look(site, known, taken)
    assert left == [] and len(first) == MOST_AT_ONCE
    assert sorted((*taken, *(each.number for each in rest))) == many


async def told(site: Site, number: int, body: str) -> datetime | None:
    return await (await site.adapter.issues()).tell(number, body)


async def comments(site: Site, number: int) -> list[tuple[str, str]]:
    async with site.forge.rest() as client:
        answer = await client.get(f"/repos/{site.name}/issues/{number}/comments?per_page=100")
    return [(each["user"]["login"], each["body"]) for each in answer.json()]


BODY = f"{progress_mark(OURS)}\n\nworking"


@pytest.mark.rule("7.8")
@pytest.mark.shows("one comment in the issue is edited")
@any_token
async def test_progress_is_one_comment_found_by_mark_and_author_never_by_text_alone(site: Site) -> None:
    number = await opened(site, by="ann")
    await site.forge.comment(site.name, number, user="mallory", body=BODY)
    await site.forge.comment(site.name, number, user=site.me, body="Mine, without the mark.")
    first = await told(site, number, BODY)
    assert first and await told(site, number, BODY) == first
    await clock_passes(first)
    assert (await told(site, number, f"{BODY} on") or first) > first
    assert await comments(site, number) == [
        ("mallory", BODY), (site.me, "Mine, without the mark."), (site.me, f"{BODY} on"),
    ]  # fmt: skip
    changes = await site.asked(r"PATCH|PUT", "comments|notes")
    await told(site, number, f"{BODY} on")
    assert await site.asked(r"PATCH|PUT", "comments|notes") == changes, "nothing is sent where nothing changes"
    await site.forge.change_issue(site.name, number, user="ann", deleted=True)
    assert await told(site, number, BODY) is None


@pytest.mark.rule("7.8")
@any_token
async def test_an_answer_that_is_lost_makes_no_second_comment(site: Site) -> None:
    number = await opened(site, by="ann")
    await site.forge.fail("acted_then_cut", method="POST", path=rf"issues/{number}/(comments|notes)$")
    await told(site, number, BODY)
    assert await comments(site, number) == [(site.me, BODY)]


@pytest.mark.rule("7.8")
@any_token
async def test_commands_are_heard_of_writers_alone_once_we_have_said_that_we_work_on_it(site: Site) -> None:
    number = await opened(site, by="ann")
    await site.forge.comment(site.name, number, user="ann", body="/makima replan before")
    known = labelled()

    async def said(*handled: str) -> list[CommandSaid]:
        return (await known.look(await site.adapter.issues(), (number,), {number: handled}))[2]

    assert await said() == []
    shown = await told(site, number, f"{BODY}\n/makima approve")
    assert shown
    for user, body in (
        ("mallory", "/makima approve"),
        ("rita", f"{BODY}\n/makima approve"),
        ("ann", "> /makima approve\n\nNo: it would\n```\n/makima approve\n```\n"),
        ("ben", "Yes.\n/makima reject too large\n/makima approve"),
    ):
        await site.forge.comment(site.name, number, user=user, body=body)
    found = await said()
    assert [(each.author, each.text) for each in found] == [("ben", "reject too large"), ("ben", "approve")]
    assert all(each.said_at and each.said_at >= shown for each in found)
    assert await said(found[0].key) == [found[1]], "told again, until it is handled"
    assert await said(*(each.key for each in found)) == []
    await site.forge.comment(site.name, number, user="ann", body="/makima answer 3f2a red")
    assert [each.text for each in await said(*(each.key for each in found))] == ["answer 3f2a red"]


@pytest.mark.rule("7.8")
async def test_an_issue_is_read_again_only_once_something_in_it_has_changed(site: Site) -> None:
    number, stranger = await opened(site, by="ann"), await opened(site, by="mallory")
    await told(site, number, BODY)
    known = labelled()

    async def asked() -> int:
        before = await site.asked("GET", rf"issues/({number}|{stranger})(/|$)")
        await known.look(await site.adapter.issues(), (number,), {number: ()})
        return await site.asked("GET", rf"issues/({number}|{stranger})(/|$)") - before

    counts = [await asked() for _ in range(3)]
    assert counts[0] > 0 and counts[1] > 0 and counts[2] == 0, counts


@pytest.mark.rule("7.7")
@any_token
async def test_an_issue_that_another_owners_intake_has_taken_is_left_to_that_until_its_comment_is_gone(
    site: Site,
) -> None:
    number = await opened(site, by="ann")
    known = labelled(THEIRS)
    await told(site, number, BODY)
    for _ in range(3):
        found, (left,), _ = await known.look(await site.adapter.issues(), ())
        assert (found, left.number) == ([], number) and f"directive {short(OURS)} of another" in left.why
    asked = await site.asked("GET", rf"issues/{number}(/|$)")
    await known.look(await site.adapter.issues(), ())
    assert await site.asked("GET", rf"issues/{number}(/|$)") == asked, "it is not read again until it changes"
    assert [each.number for each in (await look(site))[0]] == [number], "whose own it is takes it again"
    await told(site, number, BODY.replace(short(OURS), short(THEIRS)))
    assert len(await comments(site, number)) == 2, "nobody edits the other one's comment"


@pytest.mark.rule("7.8")
async def test_an_issue_that_is_closed_locked_or_without_the_label_is_told_and_hears_nothing_until_it_is_back(
    site: Site,
) -> None:
    number = await opened(site, by="ann")
    await told(site, number, BODY)
    await site.forge.comment(site.name, number, user="ann", body="/makima replan")

    async def heard() -> list[str]:
        known = labelled()
        return [each.text for each in (await known.look(await site.adapter.issues(), (number,), {number: ()}))[2]]

    for gone, back in (
        ({"is_open": False}, {"is_open": True}),
        ({"unlabel": LABEL}, {"label": LABEL}),
    ):
        await site.forge.change_issue(site.name, number, user="mallory", **gone)
        assert await heard() == []
        await told(site, number, f"{BODY} {gone}")
        assert (await comments(site, number))[0] == (site.me, f"{BODY} {gone}")
        await site.forge.change_issue(site.name, number, user="mallory", **back)
        assert await heard() == ["replan"]
    await site.forge.change_issue(site.name, number, user="ann", locked=True)
    assert await heard() == ["replan"], "writers have locked it, and write there still"


@pytest.mark.rule("7.8")
async def test_one_that_is_deleted_or_transferred_is_neither_told_nor_heard_and_nothing_fails(site: Site) -> None:
    deleted, moved = [await opened(site, by="ann") for _ in range(2)]
    for each in (deleted, moved):
        await told(site, each, BODY)
        await site.forge.comment(site.name, each, user="ann", body="/makima replan")
    await site.forge.change_issue(site.name, deleted, user="ann", deleted=True)
    gone = [deleted]
    if site.kind is not ForgeKind.GITEA:  # it transfers none
        other = await site.forge.make_repository("acme", f"{site.name.partition('/')[2]}-moved")
        there = (await site.forge.open_issue(other.full_name, user="ann", title="Moved"))["number"]
        await site.forge.change_issue(site.name, moved, user="ann", moved_to=f"{other.full_name}#{there}")
        gone.append(moved)
    for each in gone:
        issues = await site.adapter.issues()
        assert await issues.tell(each, f"{BODY} on") is None
        assert await issues.commands(each, short(OURS), ()) == []
    found, left, commands = await labelled().look(await site.adapter.issues(), (), {deleted: (), moved: ()})
    assert (
        left == []
        and not {each.number for each in found} & {*gone}
        and not {each.number for each in commands} & {*gone}
    )


@pytest.mark.rule("7.8")
@any_token
async def test_where_our_account_may_not_write_any_more_nothing_fails(site: Site) -> None:
    number = await opened(site, by="ann")
    await told(site, number, BODY)
    await site.forge.fail("forbidden", method="PATCH|PUT|POST", path=r"(comments|notes)", times=1)
    assert await told(site, number, f"{BODY} on") is None
    assert (await comments(site, number))[0] == (site.me, BODY)
    assert await told(site, number, f"{BODY} on") is not None
