"""Lists that end with a page, go on for one entry more, or fill two (rule 7.5): none of it is lost, at any forge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest
from tests.fixtures_forges import KINDS, Site

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", KINDS)]
COUNTS = (100, 101, 200)
Added = Callable[[Site, PullRequest, range], Awaitable[None]]


async def talk(site: Site, made: PullRequest, numbers: range) -> None:
    said = [{"user": "ann", "body": f"{each}?"} for each in numbers]
    await site.forge.several(f"repos/{site.name}/pulls/{made.number}/comments", said)


async def remarks(site: Site, made: PullRequest, numbers: range) -> None:
    said = [{"path": "app.py", "line": 1, "body": f"Remark {each}"} for each in numbers]
    await site.forge.review(site.name, made.number, user="ann", state="COMMENTED", comments=said)


async def statuses(site: Site, made: PullRequest, numbers: range) -> None:
    failed = [{"ref": "work", "context": f"ci/{each}", "state": "failure"} for each in numbers]
    await site.forge.several(f"repos/{site.name}/statuses", failed)


async def jobs(site: Site, made: PullRequest, numbers: range) -> None:
    """Of one run; those before the last of a page have passed."""
    ends = {each: "failure" if each in (0, 99, 100, 199) else "success" for each in numbers}
    made_here = [{"ref": "work", "name": f"job {each}", "conclusion": end, "run": 7} for each, end in ends.items()]
    await site.forge.several(f"repos/{site.name}/checks", made_here)


@pytest.mark.shows("lists that fill their pages exactly")
@pytest.mark.parametrize(
    ("added", "found"),
    [(talk, COUNTS), (remarks, COUNTS), (statuses, COUNTS), (jobs, (2, 3, 4))],
    ids=["talk", "remarks", "statuses", "jobs"],
)
async def test_a_look_reads_every_entry_of_a_list(site: Site, added: Added, found: tuple[int, ...]) -> None:
    made, marks, before = await site.opened(), dict[str, str](), 0
    for count, expected in zip(COUNTS, found, strict=True):
        await added(site, made, range(before, count))
        for _ in range(2):
            assert len((await site.adapter.look(made, marks)).findings) == expected, f"of {count}"
        before = count


async def test_a_look_reads_every_review(site: Site) -> None:
    made, marks, before = await site.opened(), dict[str, str](), 0
    for count in COUNTS:
        said = [{"user": "ann", "state": "COMMENTED", "body": f"{each}?"} for each in range(before, count)]
        await site.forge.several(f"repos/{site.name}/pulls/{made.number}/reviews", said)
        assert len((await site.adapter.look(made, marks)).findings) == count
        before = count


async def test_an_intake_is_told_of_every_labelled_issue_and_of_its_last_labeller(site: Site) -> None:
    asking, before = (await site.adapter.issues()).asking, 0
    for count in COUNTS:
        opened = [{"user": "ann", "title": f"Issue {each}", "label": "makima"} for each in range(before, count)]
        await site.forge.several(f"repos/{site.name}/issues", opened)
        assert len(await asking.labelled("makima")) == count
        before = count
    again = [{"user": "ann", "unlabel": "makima"}, {"user": "ann", "label": "makima"}] * 50
    again[-1]["user"] = "ben"
    await site.forge.several(f"repos/{site.name}/issues/1", again, method="PATCH")
    labeller = await asking.labeller(1, "makima")
    assert labeller and labeller.login == "ben", "of 101 events it is the last"


async def test_every_comment_below_an_issue_is_read(site: Site) -> None:
    number = (await site.forge.open_issue(site.name, user="ann", title="Prices"))["number"]
    asking, before = (await site.adapter.issues()).asking, 0
    for count in COUNTS:
        said = [{"user": "ann", "body": f"{each}?"} for each in range(before, count)]
        await site.forge.several(f"repos/{site.name}/issues/{number}/comments", said)
        assert len((await asking.issue(number)).said) == count
        before = count


async def test_the_last_of_many_labels_and_milestones_is_found(site: Site) -> None:
    made = await site.opened()
    for count in COUNTS:
        names = [f"name {each}" for each in range(count)]
        await site.forge.change_repository(site.name, labels=names, milestones=names)
        policy = OpeningPolicy(labels=(names[-1],), milestone=names[-1])
        assert await site.adapter.furnish(made, policy) == ()
        async with site.forge.rest() as client:
            told = (await client.get(f"/repos/{site.name}/pulls/{made.number}")).json()
        assert told["milestone"]["title"] == names[-1]


async def test_of_many_that_were_closed_an_older_open_one_is_found(site: Site) -> None:
    made = await site.opened()
    path = f"/repos/{site.name}/pulls"
    async with site.forge.rest() as client:
        await client.patch(f"{path}/{made.number}", json={"state": "closed"})
        for _ in range(100):
            again = await client.post(path, json={"title": "Again", "head": "work", "base": "main"})
            await client.patch(f"{path}/{again.json()['number']}", json={"state": "closed"})
        await client.patch(f"{path}/{made.number}", json={"state": "open"})
    found = await site.adapter.find("work", "main")
    assert found and found.number == made.number
