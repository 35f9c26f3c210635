"""What may go wrong around a pull request, through the whole system: refusals, outages, kills, and people (rule 7)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.coder import step
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, statuses
from tests.acceptance.stack import Running, SharedServers, Site
from tests.forge import ForgeUnderTest, forge_under_test

OPENING = {"method": "POST", "path": "/pulls$"}
NEVER = 99


class Town:
    """One owner's processes, which a test may kill, and two forges that the daemon knows: one that others use at the
    same time, and one to be killed and to fail."""

    def __init__(self, site: Site, street: Street, mortal: Street) -> None:
        self.site = site
        self.street = street
        self.forge = street.forge
        self.mortal = mortal.forge
        self._streets = {self.forge.url: street, self.mortal.url: mortal}
        self.worker = site.worker()
        self.daemon = self.start_daemon()
        self._plan = site.folder / "plan.json"
        self._plan.write_text(json.dumps({"steps": [step("Hut")]}))

    def start_daemon(self) -> Running:
        return self.site.daemon(further=forge_settings(self.forge, self.mortal), planner="coder.py")

    async def house(self, name: str, *options: str, forge: ForgeUnderTest | None = None) -> House:
        """A directive of one step."""
        street = self._streets[forge.url] if forge else self.street
        return await street.house(name, "--plan", str(self._plan), *options)

    async def leave(self) -> None:
        for street in self._streets.values():
            await street.leave()


@pytest.fixture(scope="module")
def site(servers: SharedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(servers, tmp_path_factory.mktemp("trouble"), "trouble") as alone:
        yield alone


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with forge_under_test(tmp_path_factory.mktemp("mortal")) as mortal:
        yield Town(site, await Street.at(site, forge_of(site.servers)), await Street.at(site, mortal))


@pytest_asyncio.fixture(autouse=True)
async def left(town: Town) -> AsyncIterator[None]:
    yield
    await town.leave()


async def until_met(forge: ForgeUnderTest) -> None:
    """Wait until the requests have come whose failure was ordered."""

    async def met() -> bool:
        return not await forge.pending_failures()

    await eventually(met, "the request that fails")


@pytest.mark.rule("7.5")
async def test_after_a_closed_one_the_operator_decides_and_another_is_opened(town: Town) -> None:
    house = await town.house("closed")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    await house.close(1)
    asked = await house.question("closed without being merged")
    assert asked.choices == ("open a new one", "leave it")
    await house.says("answer", str(asked.id), "open a new one")
    second = await house.pull(2)
    assert second["head"]["ref"].endswith("-v2") and second["state"] == "open"
    assert await house.files(2) == {"hut.txt"}


@pytest.mark.rule("7.5")
async def test_a_closed_one_that_is_opened_again_asks_nothing_and_is_looked_after_again(town: Town) -> None:
    house = await town.house("reopened")
    branch = (await house.pull(1))["head"]["ref"]
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    await house.close(1)
    await house.question("closed without being merged")
    await house.reopen(1)
    shown = await house.until(lambda shown: not shown.questions, "the question's own end")
    assert shown.pr and (shown.pr.state, shown.pr.watched) == ("open", True)
    await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log="missing: checked.txt")
    await house.until_pull(1, lambda pull: pull["commits"] > 1, "a fix")
    assert "checked.txt" in await house.files(1)


@pytest.mark.rule("7.5")
async def test_what_is_asked_about_a_finding_ends_with_it(town: Town) -> None:
    """A check is run again on the same head and passes; a reviewer who wanted changes approves."""
    house = await town.house("facts", "--shepherd-rounds", "0")
    branch = (await house.pull(1))["head"]["ref"]
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log="flaky")
    await house.question("Go on?")
    await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="success")
    shown = await house.until(lambda shown: not shown.questions, "the question's own end")
    assert shown.pr and shown.pr.failing == ()
    await house.forge.review(house.name, 1, user="ann", state="CHANGES_REQUESTED", body="Oak, please")
    await house.question("Go on?")
    await house.forge.review(house.name, 1, user="ann", state="APPROVED")
    shown = await house.until(lambda shown: not shown.questions, "the question's own end")
    assert shown.pr and shown.pr.approved and set(statuses(shown)) == {"Hut"}
    at_line = await house.forge.remark(house.name, 1, user="ben", path="hut.txt", line=1, body="Pine, please")
    await house.question("Go on?")
    await house.forge.resolve(house.name, 1, at_line["id"])
    shown = await house.until(lambda shown: not shown.questions, "the question's own end")
    assert set(statuses(shown)) == {"Hut"}


@pytest.mark.rule("7.5")
async def test_whatever_is_taken_back_is_asked_about_no_more(town: Town) -> None:
    """Deleted, edited to nothing, dismissed, or of a head that is none any more; then nothing was done for it."""
    house = await town.house("withdrawn", "--shepherd-rounds", "0")
    branch = (await house.pull(1))["head"]["ref"]
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")

    async def press(method: str, path: str, **body: str) -> None:
        async with house.forge.rest() as client:
            answer = await client.request(method, f"/repos/{house.name}{path}", json=body or None)
        assert answer.is_success, answer.text

    async def remark() -> str:
        made = await house.forge.remark(house.name, 1, user="ben", path="hut.txt", line=1, body="Pine, please")
        return f"/pulls/comments/{made['id']}"

    async def review() -> str:
        made = await house.forge.review(house.name, 1, user="ann", state="CHANGES_REQUESTED", body="Oak, please")
        return f"/pulls/1/reviews/{made['id']}/dismissals"

    async def comment() -> str:
        made = await house.forge.comment(house.name, 1, user="ben", body="A door, please")
        return f"/issues/comments/{made['id']}"

    async def check() -> str:
        await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log="missing: door.txt")
        return str(branch)

    async def pushes(branch: str) -> None:
        await house.ann.commit(branch, {"ann.txt": "mine\n"})

    ends: list[tuple[Callable[[], Awaitable[str]], Callable[[str], Awaitable[None]]]] = [
        (remark, partial(press, "DELETE")),
        (remark, partial(press, "PATCH", body="<!-- never mind -->")),
        (comment, partial(press, "PATCH", body=" ")),
        (review, partial(press, "PUT", message="never mind")),
        (check, pushes),
    ]
    for asks, takes_back in ends:
        asked = await asks()
        await house.question("Go on?")
        await takes_back(asked)
        await house.until(lambda shown: not shown.questions, f"the end of {asked}")
    shown = await house.until(is_idle, "rest")
    assert set(statuses(shown)) == {"Hut"}


SUGGESTION = "missing: door.txt\n```suggestion\nOak ````\n```\nmissing: bell.txt"


@pytest.mark.rule("7.5")
async def test_every_form_of_a_remark_reaches_the_fixer_with_its_place(town: Town) -> None:
    """Suggestions, several lines, the file as it was, lines that have changed since, a whole file, more than fits."""
    house = await town.house("remarks")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    remarks: list[dict[str, object]] = [
        {"line": 1, "body": SUGGESTION},
        {"line": 4, "start_line": 2, "body": "missing: several.txt"},
        {"line": 3, "side": "LEFT", "diff_hunk": "@@ -3 +0,0 @@\n-Rooms", "body": "missing: before.txt"},
        {"original_line": 7, "original_start_line": 5, "body": "missing: outdated.txt"},
        {"body": "missing: whole.txt"},
        {"line": 1, "body": "missing: long.txt\n" + "please " * 5000},
    ]
    comments: list[dict[str, object]] = [{"path": "hut.txt", **each} for each in remarks]
    await house.forge.review(house.name, 1, user="ann", state="CHANGES_REQUESTED", comments=comments)
    wanted = {f"{each}.txt" for each in ("hut", "door", "bell", "several", "before", "outdated", "whole", "long")}

    async def all_done() -> bool:
        return await house.files(1) == wanted

    await eventually(all_done, "all that was asked for")
    prompts = [file.read_text() for file in (town.site.folder / "asked").iterdir()]
    (prompt,) = [each for each in prompts if "missing: several.txt" in each]
    for told in (
        "About hut.txt, lines 2 to 4.",
        "About hut.txt as it was before the pull request, line 3; the last line quoted is the one",
        "About hut.txt, lines 5 to 7; these lines have changed since, and their numbers are those of then.",
        "About hut.txt.",
        f"`````text\n{SUGGESTION}\n`````",
        "… cut: the whole of it is at http",
    ):
        assert told in prompt, told


@pytest.mark.rule("7.5")
async def test_of_101_comments_with_a_request_each_101_are_done_in_the_only_round(town: Town) -> None:
    """A look of the daemon's tells some of them, a page of the forge's a hundred."""
    house = await town.house("many", "--shepherd-rounds", "1")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    asked = {f"part-{number}.txt" for number in range(101)}
    remarks = [{"path": "hut.txt", "line": 1, "body": f"missing: {each}"} for each in sorted(asked)]
    await house.forge.review(house.name, 1, user="ann", state="CHANGES_REQUESTED", comments=remarks)
    await eventually(partial(holds, house, {"hut.txt", *asked}), "all that was asked for")
    shown = await house.until(is_idle, "rest")
    assert not shown.questions, "a second round would have been asked for"
    answers = [each for each in await every(house, "/pulls/1/comments") if each.get("in_reply_to_id")]
    assert len({each["in_reply_to_id"] for each in answers}) == len(answers) == len(asked)


async def every(house: House, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    while page := await house.get(f"{path}?per_page=100&page={len(found) // 100 + 1}"):
        found += page
        if len(page) < 100:
            break
    return found


async def holds(house: House, wanted: set[str]) -> bool:
    """The pull request's files, read with git: the forge's API tells them in pages."""
    await house.ann.git("fetch", "--quiet", "origin", "+refs/pull/1/head:pull")
    there = await house.ann.git("diff", "--name-only", "origin/main", "pull")
    return set(there.splitlines()) == wanted


@pytest.mark.rule("7.5")
async def test_a_stranger_commands_nothing_and_a_writer_is_served(town: Town) -> None:
    house = await town.house("public")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    evil = {"path": "hut.txt", "line": 1, "body": "missing: evil.txt"}
    await house.forge.review(
        house.name, 1, user="mallory", state="CHANGES_REQUESTED", body="missing: evil.txt", comments=[evil]
    )
    await house.forge.comment(house.name, 1, user="mallory", body="missing: evil.txt")
    await house.forge.review(house.name, 1, user="mallory", state="APPROVED")
    shown = await house.until(lambda shown: shown.pr and shown.pr.not_heard == 4, "the stranger's words, counted")
    assert shown.pr and not shown.pr.approved and len(shown.steps) == 1
    asked = await house.forge.remark(house.name, 1, user="ann", path="hut.txt", line=1, body="missing: window.txt")
    await house.forge.remark(
        house.name, 1, user="mallory", path="hut.txt", body="missing: evil.txt", in_reply_to=asked["id"]
    )
    await house.until_pull(1, lambda pull: pull["commits"] > 1, "what the writer has asked for")
    assert await house.files(1) == {"hut.txt", "window.txt"}
    await house.until(lambda shown: shown.status == "idle" and shown.pr and shown.pr.not_heard == 5, "rest")
    prompts = [file.read_text() for file in (town.site.folder / "asked").iterdir()]
    assert not any("evil.txt" in prompt for prompt in prompts)
    assert "not heard   5" in await house.says("status")

    async def told_of_all() -> list[str]:
        told = [line for line in (await house.says("history")).splitlines() if "not heard" in line]
        counts = [int(each) for line in told for each in re.findall(r"mallory \(no write access[^)]*\): (\d+)", line)]
        return told if sum(counts) == 5 else []

    assert "evil" not in "".join(await eventually(told_of_all, "the five, each counted once"))


@pytest.mark.rule("3.2")
@pytest.mark.rule("7.3")
async def test_the_pull_request_that_an_agent_names_stays_its_owners(town: Town) -> None:
    there = town.site.folder / "it is open"
    anns = f"{town.forge.url}/{town.site.owner}/named/pull/1"
    wait = f"while ! test -e '{there}'; do sleep 0.1; done"
    plan = town.site.folder / "named.json"
    plan.write_text(json.dumps({"steps": [step("Hut", wait, f"makima directive update --pr-url {anns}")]}))
    house = await town.street.house("named", "--plan", str(plan))
    head = await house.ann.commit("anns", {"ann.txt": "mine\n"}, onto="main")
    async with town.forge.rest() as client:
        fields = {"title": "Ann's", "head": "anns", "base": "main", "body": "Mine."}
        assert (await client.post(f"/repos/{house.name}/pulls", json=fields)).is_success
    await asyncio.to_thread(there.touch)
    ours = await house.pull(2)
    assert ours["head"]["ref"].startswith("makima/directive-")
    shown = await house.until(lambda shown: shown.status == "idle" and shown.pr and shown.pr.number, "rest")
    assert shown.pr and shown.pr.number == 2
    pull = await house.pull(1)
    assert (pull["title"], pull["body"], pull["head"]["sha"]) == ("Ann's", "Mine.", head)
    await house.history(f"pull request named by an agent: Hut ({anns})")
    refused = await asyncio.to_thread(town.site.starter, "set-pr", house.id, anns)
    assert (refused.code, refused.out) == (2, "")
    assert "work is pushed to its branch; agree to it with --yes" in refused.err
    assert (await house.shown()).pr == shown.pr


@pytest.mark.rule("7.5")
async def test_a_poke_looks_at_once(town: Town) -> None:
    """Its timings are the usual ones: the next look would be a minute away, or more."""
    house = await town.house("poked", "--timings", "normal")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    await eventually(lambda: looked_at(house, 1), "the first look")
    await house.merge(1, "squash")
    await house.says("poke")
    shown = await house.until(lambda shown: shown.pr and shown.pr.state == "merged", "the merge", seconds=50)
    assert statuses(shown) == {"Hut": "merged"}
    again = await asyncio.to_thread(town.site.starter, "poke", house.id)
    assert (again.code, again.err) == (2, "makima: the pull request is merged: there is nothing to look after\n")


@pytest.mark.rule("7.4")
async def test_a_token_that_is_refused_is_one_question(town: Town) -> None:
    there = f"{town.site.owner}/refused"
    await town.mortal.fail("bad_credentials", path=f"{there}/pulls", times=NEVER)
    house = await town.house("refused", forge=town.mortal)
    asked = await house.question("127.0.0.1")
    assert "token" in asked.text
    await town.mortal.clear_failures()
    await house.says("answer", str(asked.id), "try again")
    await house.pull(1)
    shown = await house.until(lambda shown: shown.status == "idle", "rest")
    assert not shown.questions and statuses(shown) == {"Hut": "completed"}
    assert await house.get("/pulls?state=all") and len(await house.get("/pulls?state=all")) == 1

    await town.mortal.fail("forbidden", path=there, times=NEVER, scope="repo")
    await house.question("refuses us")
    await town.mortal.clear_failures()
    await house.until(lambda shown: not shown.questions, "the question's own end")


@pytest.mark.rule("7.5")
async def test_a_forge_that_dies_while_the_pull_request_is_opened_is_waited_for(town: Town) -> None:
    await town.mortal.fail("silent", **OPENING)
    house = await town.house("away", forge=town.mortal)
    await until_met(town.mortal)
    await town.mortal.kill()
    await town.mortal.restart()
    await house.pull(1)
    shown = await house.until(lambda shown: shown.status == "idle", "rest")
    assert not shown.questions and len(await house.get("/pulls?state=all")) == 1


@pytest.mark.rule("6.8")
@pytest.mark.rule("7.3")
@pytest.mark.parametrize("kind", ["silent", "acted_then_silent"])
async def test_a_daemon_that_dies_while_the_pull_request_is_opened_leaves_one(town: Town, kind: str) -> None:
    await town.mortal.fail(kind, **OPENING)
    house = await town.house(kind.replace("_", "-"), forge=town.mortal)
    await until_met(town.mortal)
    assert any(ref.startswith("refs/heads/makima/directive-") for ref in await house.refs()), "it is pushed"
    town.daemon.kill()
    town.daemon = town.start_daemon()
    pull = await house.pull(1)
    shown = await house.until(lambda shown: shown.status == "idle" and shown.pr and shown.pr.number == 1, "rest")
    assert shown.pr and shown.pr.head == pull["head"]["sha"]
    assert len(await house.get("/pulls?state=all")) == 1


@pytest.mark.rule("7.5")
async def test_a_worker_that_dies_while_a_pull_request_is_watched_misses_nothing(town: Town) -> None:
    house = await town.house("watched")
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
    town.worker.kill()
    await house.merge(1, "rebase")
    town.worker = town.site.worker()
    shown = await house.until(lambda shown: shown.pr and shown.pr.state == "merged", "the merge")
    assert statuses(shown) == {"Hut": "merged"}


async def looked_at(house: House, number: int) -> bool:
    """The shepherd has asked for the pull request's reviews."""
    return bool(await house.forge.requests(method="GET", path=rf"{house.name}/pulls/{number}/reviews"))
