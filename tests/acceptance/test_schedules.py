"""A goal that comes back, as an operator meets it (rule 2.16)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import Client

from tests.acceptance.greeter import Greeter
from tests.acceptance.stack import Site, client_at, until

WEEKLY = ("schedule", "add", "weekly", "--cron", "0 3 * * 1", "--time-zone", "Europe/Berlin")


def listed(site: Site) -> dict[str, Any]:
    (one,) = site.starter("schedule", "list", "--json").json()["schedules"]
    return dict(one)


def triggered(site: Site) -> dict[str, Any]:
    return site.starter("schedule", "trigger", "weekly", "--json").json()


def fired(site: Site) -> str:
    """Trigger it; the directive that it starts."""
    before = listed(site)["fired"]
    assert triggered(site)["outcome"] != "skipped"
    until(lambda: listed(site)["fired"] == before + 1, "a firing")
    return str(listed(site)["last"]["directive"])


def a_daemon(site: Site) -> None:
    site.daemon()
    until(lambda: "one" in site.starter("daemons").out, "the daemon's report")


def last_of(site: Site, firing: str) -> dict[str, Any]:
    """What is listed of its last firing once that stands so."""

    def standing() -> dict[str, Any] | None:
        shown = listed(site)
        last = shown["last"]
        assert last is not None and last["firing"] in (firing, "running"), last
        # The schedule itself learns of an end a moment later, and would skip what is triggered until then.
        return dict(last) if last["firing"] == firing and not shown["running"] else None

    return until(standing, f"a firing that is {firing}")


def directives_of(site: Site) -> list[str]:
    return [each["id"] for each in site.starter("list", "--json").json()["directives"]]


def watched(site: Site, reached: Callable[[Client], Any]) -> None:
    """Wait until what is asked of Temporal itself is true."""

    async def asked() -> bool:
        return bool(await reached(await client_at(site.servers)))

    until(lambda: asyncio.run(asked()), "what Temporal knows")


@pytest.mark.rule("2.16")
@pytest.mark.timeout(1200)
def test_a_schedule_from_its_first_firing_to_its_removal(site: Site) -> None:
    site.worker()
    a_daemon(site)
    greeter = Greeter(site)
    added = site.starter(*WEEKLY, *greeter.options(), "--json")
    assert added.code == 0, added
    assert site.starter(*WEEKLY, *greeter.options()).code == 2
    first = fired(site)
    greeter.until_running("Greeter package")
    triggered(site)
    until(lambda: listed(site)["skipped"] == 1, "a firing that is skipped")
    greeter.let("all")
    assert last_of(site, "completed")["directive"] == first
    assert greeter.shown(first)["status"] == "idle"

    paused = site.starter("schedule", "pause", "weekly", "--note", "freeze")
    assert paused.code == 0 and "paused: freeze" in paused.out
    assert site.starter("schedule", "resume", "weekly").code == 0

    # Its repository is gone for one firing, which fails; the next one is as if nothing had been.
    elsewhere = greeter.origin.rename(greeter.origin.with_name("elsewhere"))
    broken = fired(site)
    failed = last_of(site, "failed")
    assert failed["status"] is None and greeter.origin.name in failed["failure"], failed
    assert f"failed: {failed['failure']}" in site.starter("schedule", "list").out
    elsewhere.rename(greeter.origin)
    again = fired(site)
    assert last_of(site, "completed")["status"] == "idle"
    assert sorted(directives_of(site)) == sorted([first, again]) and broken not in (first, again)

    told = site.starter("schedule", "remove", "weekly")
    assert told.out == "removed weekly: what it has started goes on\n"
    assert site.starter("schedule", "list", "--json").json()["schedules"] == []
    assert sorted(directives_of(site)) == sorted([first, again])


@pytest.mark.rule("2.16")
@pytest.mark.timeout(1200)
def test_a_worker_that_is_killed_in_the_middle_of_a_firing_leaves_one_directive(site: Site) -> None:
    worker = site.worker()
    a_daemon(site)
    greeter = Greeter(site)
    assert site.starter(*WEEKLY, *greeter.options()).code == 0
    worker.kill()
    directive = fired(site)  # nobody is there who could begin it
    workflow = listed(site)["last"]["workflow_id"]

    async def is_begun(client: Client) -> bool:
        told = await client.get_workflow_handle(workflow).describe()
        return bool(told.raw_description.pending_activities) or told.history_length > 8

    async def is_started(client: Client) -> bool:
        return bool(
            [
                each
                async for each in client.list_workflows(f"WorkflowId STARTS_WITH 'directive-greeter-{directive[:8]}'")
            ]
        )

    for reached in (is_begun, is_started):
        worker = site.worker()
        watched(site, reached)
        worker.kill()
    site.worker()
    greeter.until_running("Greeter package")
    greeter.let("all")
    assert last_of(site, "completed")["directive"] == directive
    assert directives_of(site) == [directive]
    assert greeter.planned_times() == 1
    assert listed(site)["fired"] == 1
