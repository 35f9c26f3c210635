"""A daemon's look at a pull request: the real adapter against the fake forge, in an activity (rule 7.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import ConnectConfig, ServiceClient
from temporalio.testing import ActivityEnvironment

from activities.pull_requests import PullRequestActivities
from daemon.git.repositories import Repositories
from daemon.logs.masking import Masker
from daemon.pull_requests.shepherding import PullRequestShepherd
from domain.errors import ForgeUnreachable, GitError, Refused
from domain.protocol import ErrorType
from domain.pull_request import FindingKind, PullRequest, PullRequestState, Sighting, Watch
from domain.tidied import Tidied, Tidying
from runtime.masked_failures import with_masked_failures
from tests.fixtures_forges import Site

pytestmark = pytest.mark.rule("7.5")


@pytest_asyncio.fixture
async def shepherd(site: Site, repositories: Repositories) -> AsyncIterator[PullRequestShepherd]:
    yield PullRequestShepherd("me", repositories, site.forges)


def watch(site: Site, known: PullRequest, *seen: str, owner: str = "me") -> Watch:
    return Watch(
        owner=owner,
        directive=uuid4(),
        repository=site.repository.clone_url,
        pull_request=known.model_copy(update={"version": 2}),
        seen=seen,
    )


async def test_a_look_tells_what_is_new_and_nothing_twice(site: Site, shepherd: PullRequestShepherd) -> None:
    known = await site.opened()
    assert await shepherd.look(watch(site, known)) is None
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="failure")
    seen = await shepherd.look(watch(site, known))
    assert seen is not None
    assert [finding.kind for finding in seen.findings] == [FindingKind.CHECK]
    assert seen.pull_request.version == 2, "the forge knows nothing of versions"
    informed = watch(site, known, seen.findings[0].id).model_copy(update={"picture": seen.picture})
    assert await shepherd.look(informed) is None
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="success")
    passed = await shepherd.look(informed)
    assert passed and (passed.findings, passed.standing, passed.failing) == ((), (), ()), "its end is news, too"


async def test_a_head_that_people_pushed_and_a_merge_are_news(site: Site, shepherd: PullRequestShepherd) -> None:
    known = await site.opened()
    pushed = site.commit("work", {"more.py": "1\n"})
    seen = await shepherd.look(watch(site, known))
    assert seen and seen.pull_request.head == pushed
    await site.merge(known.number)
    over = await shepherd.look(watch(site, seen.pull_request))
    assert over and over.pull_request.state is PullRequestState.MERGED


@pytest.mark.rule("7.2")
@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
async def test_what_the_forge_has_merged_without_is_told(site: Site, shepherd: PullRequestShepherd, how: str) -> None:
    known = await site.opened()
    later = site.commit("later", {"more.py": "1\n"}, parent=known.head)  # as a push that the forge has not seen yet
    rewritten = site.commit("rewritten", {"app.py": "print(2)\n"}, parent="main")
    await site.merge(known.number, how)
    watched = watch(site, known.model_copy(update={"head": later}))
    over = await shepherd.look(watched.model_copy(update={"pushed": (rewritten, known.head, later)}))
    assert over and over.unmerged == (later,)
    lost = await shepherd.look(watched.model_copy(update={"pushed": (known.head, "f" * 40)}))
    assert lost and lost.unmerged == ("f" * 40,)
    nothing = await shepherd.look(watched.model_copy(update={"pushed": (known.head,)}))
    assert nothing and nothing.unmerged == ()


async def test_looking_again_costs_the_forge_next_to_nothing(site: Site, shepherd: PullRequestShepherd) -> None:
    known = await site.opened()
    await shepherd.look(watch(site, known))
    await site.forge.forget_requests()
    await shepherd.look(watch(site, known))
    answers = await site.forge.requests(method="GET", path=site.name)
    assert answers and {answer.status for answer in answers} == {304}


async def test_a_forge_that_refuses_us_is_one_finding(site: Site, shepherd: PullRequestShepherd) -> None:
    known = await site.opened()
    await site.forge.fail("forbidden", method="GET", path=site.name, scope="repo", times=99)
    seen = await shepherd.look(watch(site, known))
    assert seen is not None
    (trouble,) = seen.findings
    assert trouble.kind is FindingKind.TROUBLE
    assert await shepherd.look(watch(site, known, trouble.id)) is None


@pytest.mark.rule("6.11")
async def test_no_secret_in_a_log_or_a_comment_leaves_the_daemon(site: Site, repositories: Repositories) -> None:
    known, own = await site.opened(), "a-key-of-this-machine"
    shepherd = PullRequestShepherd("me", repositories, site.forges, Masker([own]))
    token = "ghp_" + "x1" * 18
    log = f"deploying with {token}\nand {own}\n##[error]exit code 1\n"
    await site.forge.set_check(site.name, ref="work", name="deploy", conclusion="failure", log=log)
    await site.forge.comment(site.name, known.number, user="ann", body=f"Use {token}, it works for me.")
    seen = await shepherd.look(watch(site, known))
    assert seen is not None
    check, comment = seen.findings
    assert check.text == "deploying with ***\nand ***\n##[error]exit code 1"
    assert comment.text == "Use ***, it works for me."
    told = seen.model_dump_json()
    assert token not in told and own not in told


@pytest.mark.rule("6.11")
async def test_no_secret_in_an_error_leaves_the_daemon() -> None:
    client = Client(await ServiceClient.connect(ConnectConfig(target_host="nowhere:1", lazy=True)))
    own = "a-key-of-this-machine"
    converter = with_masked_failures(client, Masker([own]).mask).data_converter
    try:
        try:
            raise GitError(f"fatal: could not read from https://x:{own}@example.invalid/r.git")
        except GitError as error:
            raise ApplicationError(f"the remote says {own}", type="Any") from error
    except ApplicationError as error:
        failure = Failure()
        await converter.encode_failure(error, failure)
    assert own not in str(failure)
    assert failure.message == "the remote says ***"
    assert failure.cause.message == "fatal: could not read from https://***@example.invalid/r.git"


async def test_another_owners_pull_request_is_refused(site: Site, shepherd: PullRequestShepherd) -> None:
    with pytest.raises(Refused, match="serves owner 'me'"):
        await shepherd.look(watch(site, await site.opened(), owner="you"))


class Away:
    """A forge that doesn't answer, or asks for patience."""

    def __init__(self, until: datetime | None = None) -> None:
        self.until = until

    async def look(self, watch: Watch) -> Sighting | None:
        raise ForgeUnreachable("try later", self.until)

    async def tidy(self, tidying: Tidying) -> Tidied:
        return Tidied()


async def polled(shepherd: Any, watched: Watch, quiet: int = 0) -> tuple[timedelta, list[Any]]:
    """How long the poll wants to wait, and what it leaves for the next one."""
    environment = ActivityEnvironment()
    beats: list[Any] = []
    environment.on_heartbeat = lambda *details: beats.extend(details)
    if quiet:
        environment.info = ActivityEnvironment.default_info().__class__(
            **{**vars(environment.info), "heartbeat_details": [quiet]}
        )
    with pytest.raises(ApplicationError) as ended:
        await environment.run(PullRequestActivities(shepherd, "one").watch_pull_request, watched)
    assert ended.value.type == ErrorType.NO_NEWS and not ended.value.non_retryable
    assert ended.value.next_retry_delay
    return ended.value.next_retry_delay, beats


async def test_polls_grow_from_a_minute_to_a_quarter_of_an_hour(site: Site, shepherd: PullRequestShepherd) -> None:
    watched = watch(site, await site.opened())
    pause, beats = await polled(shepherd, watched)
    assert (pause, beats) == (timedelta(seconds=60), [1])
    pause, beats = await polled(shepherd, watched, quiet=2)
    assert (pause, beats) == (timedelta(seconds=135), [3])
    assert (await polled(shepherd, watched, quiet=50))[0] == timedelta(minutes=15)


async def test_a_forge_that_asks_for_patience_gets_it_and_a_silent_one_is_no_news(site: Site) -> None:
    watched = watch(site, await site.opened())
    pause, beats = await polled(Away(datetime.now(UTC) + timedelta(hours=1)), watched, quiet=1)
    assert timedelta(minutes=59) < pause <= timedelta(hours=1)
    assert beats == [1], "nobody has looked"
    assert (await polled(Away(), watched))[0] == timedelta(seconds=60)
