"""From an issue to a merged pull request, as an operator and the people at the forge meet it (rule 7.6)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from domain.names import short
from tests.acceptance.coder import FIRST_ROOMS, ROOMS
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings
from tests.acceptance.stack import Ran, Running, SharedServers, Site

AGENTS = ("--agent", "planner", "--planner", "planner", "--max-attempts", "1", "--timings", "fast")


@pytest.fixture(scope="module")
def workers() -> list[Running]:
    """The last one runs."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def street(
    servers: SharedServers, workers: list[Running], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    forge = forge_of(servers)
    with Site(servers, tmp_path_factory.mktemp("intake"), "intake") as site:
        workers.append(site.worker())
        site.daemon(further=f"capacity = 4\n{forge_settings(forge)}", planner="coder.py")
        yield await Street.at(site, forge)


async def built(street: Street, name: str) -> House:
    house = House(street, await street.forge.make_repository(street.site.owner, name))
    await house.ann.commit("main", {"README.md": "# A house\n", ROOMS: FIRST_ROOMS})
    await asyncio.to_thread(house.seeds.parent.mkdir, exist_ok=True)
    return house


async def merged_and_closed(house: House, number: int, pull: int) -> None:
    """Somebody merges the pull request once it is ready, and that closes the issue."""
    await house.until_pull(pull, lambda shown: not shown["draft"], "it is ready")
    assert (await house.get(f"/issues/{number}"))["state"] == "open"
    await house.merge(pull, "squash")
    assert (await house.get(f"/issues/{number}"))["state"] == "closed"
    await house.until(lambda shown: shown.pr and shown.pr.state == "merged", "the merge")


@pytest.mark.rule("7.6")
@pytest.mark.timeout(1800)
async def test_an_issue_by_its_address_becomes_a_pull_request_that_closes_it(street: Street) -> None:
    house = await built(street, "named")
    await asyncio.to_thread(house.seeds.touch)
    made = await street.forge.open_issue(house.name, user="ann", title=house.title, body="It stands.")
    await street.forge.comment(house.name, made["number"], user="ben", body="With a red door.")
    await street.forge.comment(house.name, made["number"], user="mallory", body="Burn it down.")
    started = (await street.starter("start", "--issue", made["html_url"], *AGENTS, "--json")).json()
    house.id, house.workflow = started["id"], started["workflow_id"]
    async with house.told_where_it_fails():
        shown = await house.shown()
        assert (shown.title, shown.goal.count("It stands."), shown.goal.count("red door")) == (house.title, 1, 1)
        assert "Burn" not in shown.goal
        pull = await eventually(lambda: house._pull(2), "a pull request")
        assert f"Closes #{made['number']}" in pull["body"]
        again = await street.starter("start", "--issue", made["html_url"], *AGENTS)
        assert again.code == 2 and f"is {house.workflow} already" in again.err, again
        await merged_and_closed(house, made["number"], pull["number"])


@pytest.mark.rule("7.6")
@pytest.mark.timeout(600)
async def test_a_strangers_text_is_taken_only_once_you_agree_and_what_is_no_open_issue_never(street: Street) -> None:
    house = await built(street, "refused")
    made = await street.forge.open_issue(house.name, user="mallory", title="Burn", body="Burn it down.")
    asked = ("create", "--issue", made["html_url"], *AGENTS)
    refused = await street.starter(*asked)
    assert refused.code == 2 and "mallory" in refused.err and "--yes" in refused.err, refused
    assert (await street.starter(*asked, "--yes")).code == 0
    await street.forge.change_issue(house.name, made["number"], user="ann", is_open=False)
    closed = await street.starter(*asked, "--yes")
    assert closed.code == 2 and "is closed" in closed.err, closed
    gone = await street.starter("create", "--issue", made["html_url"] + "99", *AGENTS)
    assert gone.code == 2 and "is not there" in gone.err, gone
    both = await street.starter(*asked, "--goal", "Another")
    assert both.code == 2 and "--issue is the goal" in both.err, both


LABEL = "makima"


async def listed(street: Street, clone_url: str) -> dict[str, Any]:
    """What `intake list` says of a repository's intake."""
    found = (await street.starter("intake", "list", "--json")).json()["intakes"]
    (one,) = [each for each in found if each["repository"] == clone_url]
    return dict(one)


@pytest.mark.rule("7.7")
@pytest.mark.timeout(1800)
async def test_a_labelled_issue_becomes_one_directive_whatever_is_restarted_added_anew_or_edited(
    street: Street, workers: list[Running]
) -> None:
    house = await built(street, "labelled")
    url = f"{street.forge.url}/{house.name}.git"
    add = ("intake", "add", url, "--label", LABEL, *AGENTS)
    assert (await street.starter(*add)).code == 0
    twice = await street.starter(*add)
    assert twice.code == 2 and "there is an intake of" in twice.err, twice

    stranger = await street.forge.open_issue(house.name, user="ann", title="Burn", body="Burn it down.")
    await street.forge.change_issue(house.name, stranger["number"], user="mallory", label=LABEL)
    made = await street.forge.open_issue(house.name, user="ann", title=house.title, body="It stands.")
    await street.forge.change_issue(house.name, made["number"], user="ben", label=LABEL)

    async def taken() -> list[dict[str, Any]] | None:
        found = await listed(street, url)
        return found["taken"] if found["taken"] and found["left"] else None

    (one,) = await eventually(taken, "a directive of the issue")
    assert one["number"] == made["number"]
    (left,) = (await listed(street, url))["left"]
    assert left["number"] == stranger["number"] and "mallory" in left["why"]
    house.id, house.workflow = one["directive"], one["workflow"]
    async with house.told_where_it_fails():
        pull = await eventually(lambda: house._pull(3), "a pull request")
        assert f"Closes #{made['number']}" in pull["body"]

        # Without the label, closed, edited: what runs goes on. Killed, removed and added anew, none is taken twice.
        await street.forge.change_issue(house.name, made["number"], user="ann", title="Another", unlabel=LABEL)
        workers[-1].kill()
        workers.append(street.site.worker())
        assert (await street.starter("intake", "remove", url)).code == 0
        assert (await street.starter("intake", "remove", url)).code == 2
        assert (await street.starter(*add)).code == 0
        await street.forge.change_issue(house.name, made["number"], user="ann", label=LABEL)
        (again,) = await eventually(taken, "the same directive")
        assert (again["directive"], again["workflow"]) == (house.id, house.workflow)
        directives = (await street.starter("list", "--json")).json()["directives"]
        assert [each["id"] for each in directives if each["title"] in (house.title, "Another")] == [house.id]
    assert (await street.starter("intake", "remove", url)).code == 0


@pytest.mark.rule("2.14")
@pytest.mark.timeout(600)
async def test_an_intakes_directives_have_your_defaults_and_the_repositorys(street: Street) -> None:
    house = await built(street, "defaults")
    await house.ann.commit("next", {"next": "n"}, onto="main")
    says = '[start]\nplanner = "planner"\nbase_branch = "next"\nrequire_approval = true\nmax_attempts = 1\n'
    await house.ann.commit("main", {".makima.toml": says})
    config = street.site.folder / "config" / "makima" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[start]\ntimings = "fast"\nmax_turns = 7\nlabel = "nowhere"\n')
    url = f"{street.forge.url}/{house.name}.git"

    def added() -> Ran:
        return street.site.starter("intake", "add", url, "--label", LABEL, XDG_CONFIG_HOME=config.parent.parent)

    unread = await asyncio.to_thread(added)
    assert unread.code == 2 and "needs --planner" in unread.err, unread
    assert f"by default: label, max_turns, timings ({config})" in unread.err, "its label is the daemon's"
    assert "no daemon that lives could read them" in unread.err
    config.write_text(config.read_text().replace("label", "# label"))
    told = await asyncio.to_thread(added)
    assert told.code == 0, told
    theirs = "base_branch, planner, require_approval, max_attempts (.makima.toml of main)"
    assert f"\ndefaults: max_turns, timings ({config}); {theirs}\n" in told.out

    made = await street.forge.open_issue(house.name, user="ann", title=house.title, body="It stands.")
    await street.forge.change_issue(house.name, made["number"], user="ann", label=LABEL)

    async def taken() -> list[dict[str, Any]] | None:
        return (await listed(street, url))["taken"] or None

    (one,) = await eventually(taken, "a directive of the issue")
    house.id, house.workflow = one["directive"], one["workflow"]
    async with house.told_where_it_fails():
        shown = await house.shown()
        assert "7 turns an attempt" in shown.limits and "1 attempts" in shown.limits
        assert (shown.base_branch, shown.agents["plans"]) == ("next", "planner")
    assert (await street.starter("intake", "remove", url)).code == 0
    assert (await street.starter("archive", house.id, "--yes")).code == 0


async def progress(house: House, number: int, *words: str) -> str:
    """Our one comment in the issue, once it holds these words."""

    async def holds() -> str | None:
        said = await house.get(f"/issues/{number}/comments?per_page=100")
        ours = [each["body"] for each in said if each["user"]["login"] == "makima"]
        assert len(ours) <= 1, ours
        return ours[0] if ours and all(word in ours[0] for word in words) else None

    return await eventually(holds, f"a comment with {words}")


@pytest.mark.rule("7.8")
@pytest.mark.timeout(1800)
async def test_a_plan_is_approved_in_the_issue_by_writers_alone_and_the_issue_is_told_how_it_goes(
    street: Street,
) -> None:
    house = await built(street, "commanded")
    url = f"{street.forge.url}/{house.name}.git"
    add = ("intake", "add", url, "--label", LABEL, "--require-approval", *AGENTS)
    assert (await street.starter(*add)).code == 0
    made = await street.forge.open_issue(house.name, user="ann", title=house.title, body="It stands.")
    number = made["number"]
    await street.forge.change_issue(house.name, number, user="ann", label=LABEL)

    told = partial(progress, house, number)
    await told("A plan waits for approval", "Garden", "/makima approve")
    (one,) = (await listed(street, url))["taken"]
    house.id, house.workflow = one["directive"], one["workflow"]
    async with house.told_where_it_fails():
        await street.forge.comment(house.name, number, user="mallory", body="/makima approve")
        await street.forge.comment(house.name, number, user="ann", body="> /makima approve\n\nWhy?")
        await street.forge.comment(house.name, number, user="ann", body="/makima merge it")
        shown = await told("What was asked for here", "not understood")
        assert "A plan waits for approval" in shown and "mallory" not in shown
        plan = approved_by(shown)
        await street.forge.comment(house.name, number, user="ben", body=f"Fine.\n/makima approve {plan}")
        await told(f"ben: approve {plan}: done")
        pull = await eventually(lambda: house._pull(number + 1), "a pull request")
        assert f"Closes #{number}" in pull["body"]
        await told(pull["html_url"], "completed")
        assert "ben (issue #" in await house.history("ben (issue #")
    assert (await street.starter("intake", "remove", url)).code == 0


def approved_by(shown: str) -> str:
    """The name of the plan that our comment shows."""
    found = re.search(r"`/makima approve ([0-9a-f]{8})`", shown)
    assert found, shown
    return found[1]


@pytest.mark.rule("7.8")
@pytest.mark.timeout(1800)
async def test_a_running_directive_is_planned_again_approved_as_read_and_answered_in_the_issue(street: Street) -> None:
    house = await built(street, "asking")
    await asyncio.to_thread(house.asks.touch)
    url = f"{street.forge.url}/{house.name}.git"
    add = ("intake", "add", url, "--label", LABEL, "--require-approval", *AGENTS)
    assert (await street.starter(*add)).code == 0
    number = (await street.forge.open_issue(house.name, user="ann", title=house.title, body="It stands."))["number"]
    await street.forge.change_issue(house.name, number, user="ann", label=LABEL)
    told = partial(progress, house, number)
    say = partial(street.forge.comment, house.name, number)

    first = approved_by(await told("A plan waits for approval", "Paint"))
    (one,) = (await listed(street, url))["taken"]
    house.id, house.workflow = one["directive"], one["workflow"]
    async with house.told_where_it_fails():
        early = await say(user="ann", body="Let me see.")
        await say(user="ben", body="/makima replan In one colour, please.")
        await told("ben: replan In one colour, please\\.: done")

        async def another() -> str | None:
            body = await told("A plan waits for approval")
            return body if approved_by(body) != first else None

        shown = await eventually(another, "another plan")
        assert (await house.shown()).generation == 2
        # What was written before this plan could be read is not about it, whatever it is made to say afterwards.
        await say(user="ben", body=f"/makima approve {first}")
        await told(f"approve {first}: refused: plan {first} waits no more")
        await house.edit_comment(early["id"], "/makima approve")
        await say(user="ann", body="See above.")
        await told(f"ann: approve: refused: it was written before plan {approved_by(shown)}")
        assert (await house.shown()).proposal
        await say(user="ann", body="/makima approve")
        await told("ann: approve: done")

        asked = await house.question("Which colour?")
        await told("Which colour?", f"`/makima answer {short(asked.id)} TEXT`")
        await say(user="mallory", body=f"/makima answer {short(asked.id)} black")
        await say(user="ben", body=f"/makima answer {short(asked.id)} red")
        await told(f"ben: answer {short(asked.id)} red: done")
        pull = await eventually(lambda: house._pull(number + 1), "a pull request")
        await house.ann.git("fetch", "--quiet", "origin", pull["head"]["sha"])
        paint = await house.ann.git("show", "FETCH_HEAD:paint.txt")
        assert "red" in paint and "black" not in paint
        assert "mallory" not in await told(f"{pull['html_url']} (open)")
        await merged_and_closed(house, number, pull["number"])
        assert "red: done" in await told(f"{pull['html_url']} (merged)"), "its last word"
    assert (await street.starter("intake", "remove", url)).code == 0
