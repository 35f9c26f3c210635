"""The fake forge's merge queue, in GitHub's dialect."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.forges.forge_settings import ForgeKind
from tests.fixtures_forges import Site, run_git

pytestmark = pytest.mark.parametrize("forge_kind", [ForgeKind.GITHUB])
Json = dict[str, Any]
_ENTRY = """mergeQueueEntry{position state jump solo estimatedTimeToMerge enqueuedAt enqueuer{login} headCommit{oid}
    baseCommit{oid} pullRequest{number}}"""


async def opened(site: Site, branch: str = "work", *, draft: bool = False) -> int:
    """A pull request into a base branch that has a queue."""
    await site.forge.change_repository(site.name, queue_of=["main"])
    async with site.forge.rest() as client:
        wanted = {"title": f"Add {branch}", "head": branch, "base": "main", "draft": draft}
        answer = await client.post(f"/repos/{site.name}/pulls", json=wanted)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["number"]
    return number


async def another(site: Site, branch: str, files: dict[str, str]) -> int:
    site.commit(branch, files, parent=run_git(site.repository.path, "rev-parse", "main"))
    return await opened(site, branch)


async def graph(site: Site, number: int, fields: str) -> Json:
    owner, name = site.name.split("/")
    asked = f'query{{repository(owner:"{owner}",name:"{name}"){{pullRequest(number:{number}){{{fields}}}}}}}'
    told: Json = (await site.forge.graphql(asked))["repository"]["pullRequest"]
    return told


async def rest(site: Site, path: str) -> Any:
    async with site.forge.rest() as client:
        answer = await client.get(f"/repos/{site.name}{path}")
    assert answer.is_success, answer.text
    return answer.json()


async def wait_for_auto_merge(site: Site, number: int) -> None:
    """Have it merged by itself, as GitHub's own command line asks for it."""
    node = (await rest(site, f"/pulls/{number}"))["node_id"]
    wanted = f'pullRequestId:"{node}",mergeMethod:MERGE'
    await site.forge.graphql(f"mutation{{enablePullRequestAutoMerge(input:{{{wanted}}}){{pullRequest{{number}}}}}}")


async def is_queued(site: Site, number: int) -> bool:
    await rest(site, f"/pulls/{number}")
    return bool((await graph(site, number, "isInMergeQueue"))["isInMergeQueue"])


async def left(site: Site, number: int) -> list[tuple[str, str | None]]:
    """Who has made it leave the queue, and why."""
    event = "...on RemovedFromMergeQueueEvent{actor{login} reason enqueuer{login} beforeCommit{oid}}"
    items = f"timelineItems(last:10,itemTypes:[REMOVED_FROM_MERGE_QUEUE_EVENT]){{nodes{{{event}}}}}"
    told = (await graph(site, number, items))["timelineItems"]["nodes"]
    return [(each["actor"]["login"], each["reason"]) for each in told]


async def test_what_lacks_nothing_goes_into_the_queue_and_what_lacks_something_once_it_is_there(site: Site) -> None:
    await site.forge.change_repository(site.name, required_checks=["ci"])
    number = await opened(site)
    await wait_for_auto_merge(site, number)
    assert not await is_queued(site, number) and (await rest(site, f"/pulls/{number}"))["auto_merge"]
    await site.forge.set_status(site.name, ref="work", context="ci", state="success")
    assert await is_queued(site, number)
    assert (await rest(site, f"/pulls/{number}"))["auto_merge"] is None
    second = await another(site, "second", {"second.py": "2\n"})
    await site.forge.set_status(site.name, ref="second", context="ci", state="success")
    await wait_for_auto_merge(site, second)
    assert await is_queued(site, second)


async def test_the_queue_is_told_as_the_description_has_it(site: Site) -> None:
    first, second = await opened(site), await another(site, "second", {"second.py": "2\n"})
    assert (await graph(site, first, f"isInMergeQueue isMergeQueueEnabled {_ENTRY}")) == {
        "isInMergeQueue": False, "isMergeQueueEnabled": True, "mergeQueueEntry": None
    }  # fmt: skip
    for number in (first, second):
        await site.forge.queue(site.name, number, "enter", user="ben")
    entry, behind = [(await graph(site, each, _ENTRY))["mergeQueueEntry"] for each in (first, second)]
    assert (entry["position"], entry["enqueuer"], entry["state"]) == (1, {"login": "ben"}, "AWAITING_CHECKS")
    main = run_git(site.repository.path, "rev-parse", "main")
    assert (entry["baseCommit"]["oid"], behind["baseCommit"]) == (main, entry["headCommit"])
    branch = f"gh-readonly-queue/main/pr-{second}-{entry['headCommit']['oid']}"
    assert run_git(site.repository.path, "rev-parse", branch) == behind["headCommit"]["oid"]
    owner, name = site.name.split("/")
    entries = "entries(first:9){totalCount nodes{position}}"
    whole = f'mergeQueue(branch:"main"){{id url resourcePath nextEntryEstimatedTimeToMerge {entries}}}'
    told = (await site.forge.graphql(f'query{{repository(owner:"{owner}",name:"{name}"){{{whole}}}}}'))["repository"]
    assert told["mergeQueue"]["entries"] == {"totalCount": 2, "nodes": [{"position": 1}, {"position": 2}]}


async def test_nothing_else_is_merged_into_that_base_branch_and_no_draft_is_queued(site: Site) -> None:
    number = await opened(site)
    async with site.forge.rest() as client:
        answer = await client.put(f"/repos/{site.name}/pulls/{number}/merge", json={})
    assert (answer.status_code, answer.json()["message"]) == (405, "Changes must be made through the merge queue")
    site.commit("second", {"b": "2\n"}, parent=run_git(site.repository.path, "rev-parse", "main"))
    draft = await opened(site, "second", draft=True)
    with pytest.raises(AssertionError, match="not in the correct state to be enqueued"):
        await site.forge.queue(site.name, draft, "enter")


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_the_queue_merges_the_first_by_its_own_method(site: Site, method: str) -> None:
    await site.forge.change_repository(site.name, queue_method=method)
    first, second = await opened(site), await another(site, "second", {"second.py": "2\n"})
    for number in (first, second):
        await site.forge.queue(site.name, number, "enter")
    with pytest.raises(AssertionError, match="not the first"):
        await site.forge.queue(site.name, second, "merge")
    groups = [(await graph(site, each, _ENTRY))["mergeQueueEntry"]["headCommit"]["oid"] for each in (first, second)]
    for number, group in zip((first, second), groups, strict=True):
        await site.forge.queue(site.name, number, "merge")
        assert (await rest(site, f"/pulls/{number}"))["merged"]
        assert run_git(site.repository.path, "rev-parse", "main") == group
    parents = run_git(site.repository.path, "show", "--no-patch", "--format=%P", "main").split()
    assert len(parents) == (2 if method == "merge" else 1)
    assert await left(site, first) == [("github-merge-queue", "merged")]
    assert run_git(site.repository.path, "for-each-ref", "refs/heads/gh-readonly-queue") == ""


@pytest.mark.parametrize("reason", ["failed_checks", "merge_conflict"])
async def test_one_that_is_ejected_tells_why_and_those_behind_it_stay(site: Site, reason: str) -> None:
    first, second = await opened(site), await another(site, "second", {"second.py": "2\n"})
    for number in (first, second):
        await site.forge.queue(site.name, number, "enter", user="ben")
    await site.forge.queue(site.name, first, "eject", reason=reason)
    assert not await is_queued(site, first) and await is_queued(site, second)
    assert await left(site, first) == [("github-merge-queue", reason)]
    events = await rest(site, f"/issues/{first}/events")
    assert [(each["event"], each["actor"]["login"]) for each in events] == [
        ("added_to_merge_queue", "ben"), ("removed_from_merge_queue", "github-merge-queue[bot]")
    ]  # fmt: skip
    behind = (await graph(site, second, _ENTRY))["mergeQueueEntry"]
    assert behind["baseCommit"]["oid"] == run_git(site.repository.path, "rev-parse", "main")
    await site.forge.queue(site.name, second, "merge")


async def test_one_that_is_in_conflict_with_what_is_before_it_can_not_be_merged(site: Site) -> None:
    first, second = await opened(site), await another(site, "second", {"app.py": "other\n"})
    for number in (first, second):
        await site.forge.queue(site.name, number, "enter")
    entry = (await graph(site, second, _ENTRY))["mergeQueueEntry"]
    assert (entry["state"], entry["headCommit"]) == ("UNMERGEABLE", None)
    await site.forge.queue(site.name, first, "merge")
    with pytest.raises(AssertionError, match="in conflict"):
        await site.forge.queue(site.name, second, "merge")


@pytest.mark.parametrize("how", ["a push", "closed", "a person"])
async def test_a_push_a_person_and_its_end_take_it_out(site: Site, how: str) -> None:
    number = await opened(site)
    await site.forge.queue(site.name, number, "enter")
    if how == "a push":
        site.commit("work", {"more.py": "1\n"})
    elif how == "closed":
        async with site.forge.rest() as client:
            await client.patch(f"/repos/{site.name}/pulls/{number}", json={"state": "closed"})
    else:
        await site.forge.queue(site.name, number, "leave", user="ben")
    assert not await is_queued(site, number)
    assert await left(site, number) == [
        {"a push": ("ann", None), "closed": ("makima", None), "a person": ("ben", "manual")}[how]
    ]


async def test_checks_of_what_waits_run_for_a_branch_of_the_queue(site: Site) -> None:
    number = await opened(site)
    await site.forge.queue(site.name, number, "enter")
    group = (await graph(site, number, _ENTRY))["mergeQueueEntry"]["headCommit"]["oid"]
    await site.forge.set_check(site.name, ref=group, name="all", conclusion="failure", log="1 failed")
    await site.forge.set_check(site.name, ref="work", name="unit")
    await site.forge.queue(site.name, number, "eject")
    (run,) = (await rest(site, "/actions/runs?event=merge_group"))["workflow_runs"]
    assert run["head_sha"] == group and run["head_branch"].startswith(f"gh-readonly-queue/main/pr-{number}-")
    (other,) = (await rest(site, "/actions/runs?event=pull_request"))["workflow_runs"]
    assert other["head_branch"] == "work"
