"""What GitHub does and a simpler forge would not (rule 7.5): answers that come late, lists that end exactly, words of
suites, threads whose beginning is gone.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from daemon.forges.api import ApiTimings
from domain.errors import ForgeUnreachable
from domain.pull_request import Finding, FindingKind, PullRequest, Reply
from tests.fixtures_forges import QUICK, Site, wanted

pytestmark = pytest.mark.rule("7.5")


PATIENT = replace(QUICK, at_most=30, answer=10)
"""For what is counted: a machine that stands still for some seconds makes nobody ask twice."""


async def found(site: Site, known: PullRequest, marks: dict[str, str] | None = None) -> list[Finding]:
    return list((await site.adapter.look(known, {} if marks is None else marks)).findings)


# Conflicts


async def test_a_conflict_is_seen_though_nothing_that_an_etag_is_of_has_changed(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    assert await found(site, made, marks) == []
    moved = site.commit("main", {"app.py": "print(2)\n"})
    (conflict,) = await found(site, made, marks)
    assert (conflict.kind, conflict.id) == (FindingKind.CONFLICT, f"conflict:{made.head}:{moved}")
    site.commit("main", {"app.py": "print(1)\n"})
    assert await found(site, made, marks) == [], "and that it is over, too"


async def test_while_the_forge_works_it_out_what_it_said_last_of_the_head_holds(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    site.commit("main", {"app.py": "print(2)\n"})
    before = await found(site, made, marks)
    assert len(before) == 1
    await site.forge.change_repository(site.name, slow_mergeability=99)
    moved = site.commit("main", {"other.py": "1\n"})
    assert await found(site, made, marks) == before, "no question, and no end of what is known"
    await site.forge.change_repository(site.name, slow_mergeability=0)
    assert [each.id for each in await found(site, made, marks)] == [f"conflict:{made.head}:{moved}"]


# Checks


@pytest.mark.parametrize("how", ["unreachable", "silent"])
async def test_a_host_of_logs_that_does_not_answer_hides_nothing_else(site: Site, how: str) -> None:
    made, marks = await site.opened(), dict[str, str]()
    for name in ("unit", "lint"):
        await site.forge.set_check(site.name, ref="work", name=name, conclusion="failure", log="##[error]E1\n")
    await site.forge.comment(site.name, made.number, user="ann", body="Rename it.")
    if how == "unreachable":
        await site.forge.fail("log_host_unreachable", path=r"/jobs/\d+/logs$", times=99)
    else:
        await site.forge.fail("silent", path="^/assets/logs/", times=99)
    forges, github = await site.another(PATIENT if how == "unreachable" else QUICK)
    seen = {each.title: each for each in (await github.look(made, marks)).findings}
    await forges.close()
    assert set(seen) == {"unit: failure", "lint: failure", "ann has commented"}
    assert "does not answer" in seen["unit: failure"].text
    if how == "unreachable":
        assert await site.asked(path=r"/jobs/\d+/logs$") == 1, "the second one is not waited for, too"
    await site.forge.clear_failures()
    again = {each.title: each.text for each in await found(site, made, marks)}
    assert again["unit: failure"] == again["lint: failure"] == "##[error]E1"


async def test_a_job_that_took_too_long_has_failed_and_one_that_was_cancelled_has_not(site: Site) -> None:
    made = await site.opened()
    place = {"path": ".github", "start_line": 1, "end_line": 1}
    too_long = "The job running on runner 3 has exceeded the maximum execution time of 6 minutes."
    for name, message in (("slow", too_long), ("stopped", "The run was canceled by @ann.")):
        beside = [{**place, "message": message}]
        await site.forge.set_check(site.name, ref="work", name=name, conclusion="cancelled", annotations=beside)
    assert [each.title for each in await found(site, made)] == ["slow: timed_out"]


@pytest.mark.parametrize("may_read_checks", [True, False])
async def test_a_workflow_that_could_not_begin_is_told_unless_it_is_a_forks(site: Site, may_read_checks: bool) -> None:
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="x", conclusion="startup_failure")
    (told,) = await found(site, made)
    fork = {"name": "y", "conclusion": "startup_failure", "head_repository": "mallory/shop"}
    await site.forge.set_check(site.name, ref="work", **fork)
    if not may_read_checks:
        await site.forge.fail("forbidden", path="/check-(runs|suites)", times=9)
    assert await found(site, made) == [told]
    assert (told.kind, told.title) == (FindingKind.CHECK, "checks: startup_failure")
    assert ".github/workflows/checks.yml" in told.text and told.url


async def test_a_check_that_waits_for_a_person_is_for_a_person_until_it_fails(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    check = await site.forge.set_check(site.name, ref="work", name="visual", conclusion="action_required", app="pics")
    (waiting,) = await found(site, made, marks)
    assert (waiting.for_person, waiting.title) == (True, "visual: action_required")
    again = {"name": "visual", "app": "pics", "again": check["id"]}
    await site.forge.set_check(site.name, ref="work", conclusion="failure", **again)
    (failed,) = await found(site, made, marks)
    assert not failed.for_person and failed.id != waiting.id


# People


async def test_the_comment_after_a_full_page_is_seen(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    remarks = [{"path": "app.py", "line": 1, "body": f"Remark {number}"} for number in range(100)]
    await site.forge.review(site.name, made.number, user="ann", state="COMMENTED", comments=remarks)
    assert len(await found(site, made, marks)) == 100
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="One more.")
    assert len(await found(site, made, marks)) == 101
    assert len(await found(site, made, marks)) == 101


async def test_an_answer_goes_into_the_thread_whose_first_comment_is_gone(site: Site) -> None:
    made = await site.opened()
    first = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    number = made.number
    second = await site.forge.remark(
        site.name, number, user="ben", path="app.py", line=1, body="To what?", in_reply_to=first["id"]
    )
    async with site.forge.rest() as client:
        assert (await client.delete(f"/repos/{site.name}/pulls/comments/{first['id']}")).is_success
    for _ in range(2):
        await site.adapter.reply(made, Reply(comment=f"comment:{second['id']}", text="To `name`."))
    async with site.forge.rest() as client:
        said = (await client.get(f"/repos/{site.name}/pulls/{number}/comments")).json()
    assert [each["in_reply_to_id"] for each in said] == [first["id"], first["id"]]
    assert said[1]["body"].startswith("To `name`.")
    assert await site.asked("POST", "/replies$") == 0, "which no app may use"


async def test_where_a_thread_takes_no_answer_it_is_given_once_below(site: Site) -> None:
    made = await site.opened()
    asked = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.forge.fail("invalid", method="POST", path=r"/pulls/\d+/comments$", times=9)
    for _ in range(2):
        await site.adapter.reply(made, Reply(comment=f"comment:{asked['id']}", text="Done."))
    async with site.forge.rest() as client:
        below = (await client.get(f"/repos/{site.name}/issues/{made.number}/comments")).json()
    assert [each["body"].partition("\n")[0] for each in below] == [f"About {asked['html_url']}:"]


# Changes


async def test_changes_come_one_after_the_other_with_time_between_them(site: Site) -> None:
    made = await site.opened()
    forges, github = await site.another(ApiTimings(write=1))
    talk = [await site.forge.comment(site.name, made.number, user="ann", body=f"{each}?") for each in range(3)]
    began = time.monotonic()
    for each in talk:
        await github.reply(made, Reply(comment=f"talk:{each['id']}", text="Yes."))
    assert time.monotonic() - began >= 2, "a second between each two"
    await forges.close()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("secondary_rate_limit", {"seconds": 1}),
        ("submitted_too_quickly", {}),
        ("status", {"status": 403, "message": "You have triggered an abuse detection mechanism."}),
        ("graphql_error", {}),
        ("graphql_error", {"message": "was submitted too quickly"}),
    ],
)
async def test_what_passes_is_no_persons_business(site: Site, kind: str, fields: dict[str, object]) -> None:
    """It is tried again, or told as what it is: something that may be over later."""
    made = await site.opened(draft=True)
    asked = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    path = "graphql$" if kind == "graphql_error" else "/comments$"
    await site.forge.fail(kind, method="POST", path=path, **fields)
    forges, github = await site.another(PATIENT)
    try:
        await github.open_or_update(wanted(draft=False), made.branch, made.base, made)
        await github.reply(made, Reply(comment=f"talk:{asked['id']}", text="So."))
    except ForgeUnreachable:
        assert kind == "status", "GitHub wants a minute there, which is longer than a test waits"
    finally:
        await forges.close()
    assert await site.forge.pending_failures() == []


@pytest.mark.parametrize("app", ["github-actions", "scanner"])
async def test_what_a_check_says_of_lines_stands_below_its_log_or_its_words(site: Site, app: str) -> None:
    made = await site.opened()
    place = {"path": "app.py", "start_line": 3, "end_line": 4}
    beside = [
        {**place, "title": "F401", "message": "unused\nimport \x1b[31mos", "annotation_level": "warning"},
        {"path": ".github", "start_line": 1, "end_line": 1, "message": "Process completed with exit code 1."},
    ]
    fields: dict[str, Any] = {"ref": "work", "name": "lint", "conclusion": "failure", "annotations": beside, "app": app}
    await site.forge.set_check(site.name, **fields, log="##[error]1 problem\n", title="1 problem")
    (told,) = await found(site, made)
    said = "##[error]1 problem" if app == "github-actions" else "1 problem"
    assert told.text == f"{said}\n\nAnnotations:\napp.py:3: warning: F401: unused import os"


async def test_annotations_leave_room_for_the_log_and_are_counted_where_they_are_too_many(site: Site) -> None:
    made = await site.opened()
    beside = [
        {"path": "app.py", "start_line": number, "end_line": number, "message": "x" * 400} for number in range(1, 30)
    ]
    log = "".join(f"line {number}\n" for number in range(4000))
    await site.forge.set_check(
        site.name, ref="work", name="lint", conclusion="failure", annotations=beside, log=f"{log}##[error]the end\n"
    )
    (told,) = await found(site, made)
    assert "##[error]the end\n\nAnnotations:\napp.py:1: failure: x" in told.text
    assert told.text.endswith("… and 20 more")
    assert 8_000 < len(told.text.encode()) <= 16 * 1024


async def test_a_check_whose_annotations_may_not_be_read_is_told_without(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="lint", conclusion="failure", log="##[error]one\n")
    await site.forge.fail("forbidden", path="/annotations", times=5)
    (told,) = await found(site, made)
    assert told.text == "##[error]one"
