"""Directives whose repository is at the fake forge, as an operator and the people at the forge meet them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from domain.view import DirectiveView, QuestionView, StepView
from runtime.whole_tasks import REFUSED
from tests.acceptance.coder import FIRST_ROOMS, ROOMS, asks, seeds
from tests.acceptance.stack import Ran, Site, Stack, client_at
from tests.forge import ForgeRepository, ForgeUnderTest, Person
from tests.polling import pause
from workflows.directive import DirectiveWorkflow

_T = TypeVar("_T")


async def eventually(answer: Callable[[], Awaitable[_T | None]], what: str, seconds: float = 400) -> _T:
    """The first answer that is true; AssertionError with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if found := await answer():
            return found
        answered = time.monotonic()
        assert answered < deadline, f"waited {seconds:g} s for {what}"
        await asyncio.sleep(pause(answered - asked))


def forge_of(servers: Stack) -> ForgeUnderTest:
    """The forge beside them."""
    forge = ForgeUnderTest(servers.data / "forge", None)
    forge.url = servers.addresses.forge_url
    return forge


def forge_settings(*forges: ForgeUnderTest, kind: str = "github") -> str:
    """Lines of a daemon's TOML file; the kind is said, since the fake forge answers as all of them."""
    return "".join(
        f'[forges."{forge.url.removeprefix("http://")}"]\nkind = "{kind}"\ntoken_file = "{forge.folder / "token"}"\n'
        for forge in forges
    )


@dataclass(frozen=True)
class Street:
    """Where one owner's houses are built: processes of ours, and a forge."""

    site: Site
    forge: ForgeUnderTest
    client: Client
    """It asks what `starter.py status` asks, for a hundredth of a process."""
    _begun: list[House] = field(default_factory=list)

    @classmethod
    async def at(cls, site: Site, forge: ForgeUnderTest) -> Street:
        return cls(site, forge, await client_at(site.servers))

    async def house(self, name: str, *options: str, branch: str = "") -> House:
        """`starter.py start` on a repository of its own, which holds a README and the first of the rooms; on `branch`,
        which begins there, a file more.
        """
        repository = await self.forge.make_repository(self.site.owner, name)
        house = House(self, repository)
        await house.ann.commit("main", {"README.md": "# A house\n", ROOMS: FIRST_ROOMS})
        if branch:
            await house.ann.commit(branch, {f"{branch}.txt": "more\n"}, onto="main")
        await self.start(house, repository.clone_url, *options)
        return house

    async def start(self, house: House, url: str, *options: str) -> None:
        """`starter.py start` for this house."""
        about = ("--title", house.title, "--goal", "A house", "--repo", url, "--timings", "fast")
        agents = ("--agent", "planner", "--planner", "planner", "--max-attempts", "1")
        started = (await self.starter("start", *about, *agents, *options, "--json")).json()
        house.id, house.workflow = started["id"], started["workflow_id"]
        self._begun.append(house)

    async def leave(self) -> None:
        """End the directives so far: what a test leaves open is looked at every few seconds, which the tests after it
        would wait for.
        """
        while self._begun:
            with suppress(RPCError):  # it has ended already, or the server is slow: then it goes on being looked at
                await self.client.get_workflow_handle(self._begun.pop().workflow).terminate()

    async def starter(self, *args: str) -> Ran:
        """A command of starter.py, run to its end."""
        return await asyncio.to_thread(self.site.starter, *args)


class House:
    """One directive, and its repository at the forge."""

    def __init__(self, street: Street, repository: ForgeRepository) -> None:
        self.forge = street.forge
        self.name = repository.full_name
        """`OWNER/NAME`, of the repository."""
        self.title = f"House {self.name.partition('/')[2]}"
        self.id = ""
        self.workflow = ""
        self.street = street

    @cached_property
    def ann(self) -> Person:
        """Who pushes as people do."""
        return Person(self.street.site.folder / f"ann-{self.title}", self.forge.url_with(self.name))

    @property
    def seeds(self) -> Path:
        """A file without which the garden fails."""
        return seeds(self.street.site.folder, self.title)

    @property
    def asks(self) -> Path:
        """With this file the plan is one step, which asks for a colour."""
        return asks(self.street.site.folder, self.title)

    @asynccontextmanager
    async def told_where_it_fails(self) -> AsyncIterator[None]:
        """A failure within is told with what `starter.py` shows of the directive."""
        try:
            yield
        except Exception as error:
            error.add_note(await self.says("status"))
            error.add_note(await self.says("history"))
            raise

    async def says(self, command: str, *args: str) -> str:
        """The output of a command of starter.py about this directive."""
        ran = await self.street.starter(command, self.id, *args)
        assert ran.code == 0, ran
        return ran.out

    async def history(self, *events: str) -> str:
        """What `history` prints once these events stand in it: the record follows the workflow a moment later."""

        async def answer() -> str | None:
            told = await self.says("history")
            return told if all(event in told for event in events) else None

        return await eventually(answer, f"{events} in the history")

    async def shown(self) -> DirectiveView:
        """What the directive says of itself; a worker that has just started may refuse a query (decision 0035)."""
        handle = self.street.client.get_workflow_handle_for(DirectiveWorkflow.run, self.workflow)

        async def answer() -> DirectiveView | None:
            try:
                return await handle.query(DirectiveWorkflow.status)
            except WorkflowQueryFailedError as error:
                if REFUSED not in str(error):
                    raise
                return None

        return await eventually(answer, "what the directive says of itself")

    async def until(self, holds: Callable[[DirectiveView], object], what: str, seconds: float = 400) -> DirectiveView:
        """The first view of the directive for which it `holds`."""

        async def answer() -> DirectiveView | None:
            shown = await self.shown()
            return shown if holds(shown) else None

        return await eventually(answer, what, seconds)

    async def question(self, about: str) -> QuestionView:
        """The one open question, which is about this."""
        (asked,) = (await self.until(lambda shown: shown.questions, f"a question about {about}")).questions
        assert about in asked.text, asked
        return asked

    async def pull(self, number: int) -> dict[str, Any]:
        """GitHub's shape of it; waited for until it is there."""
        return await eventually(lambda: self._pull(number), f"pull request {number}")

    async def until_pull(self, number: int, holds: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        async def answer() -> dict[str, Any] | None:
            pull = await self.pull(number)
            return pull if holds(pull) else None

        return await eventually(answer, f"pull request {number}: {what}")

    async def get(self, path: str) -> Any:
        """What the forge's API says of the repository."""
        async with self.forge.rest() as client:
            answer = await client.get(f"/repos/{self.name}{path}")
        assert answer.is_success, answer.text
        return answer.json()

    async def files(self, number: int) -> set[str]:
        """The files of a pull request, as the forge shows them to people."""
        return {each["filename"] for each in await self.get(f"/pulls/{number}/files?per_page=100")}

    async def rooms(self, number: int) -> list[str]:
        """How a pull request changes the rooms: lines with their `-` or `+`."""
        await self.ann.git("fetch", "--quiet", "origin", f"+refs/pull/{number}/head:pull", "+main:main")
        diff = await self.ann.git("diff", "--unified=0", "main...pull", "--", ROOMS)
        return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    async def edit_comment(self, comment: int, body: str) -> None:
        """As its author does."""
        await self._press("PATCH", f"/issues/comments/{comment}", {"body": body})

    async def merge(self, number: int, method: str) -> None:
        """As somebody who presses the button."""
        await self._press("PUT", f"/pulls/{number}/merge", {"merge_method": method})

    async def retarget(self, number: int, base: str) -> None:
        """As somebody who chooses another base branch."""
        await self._press("PATCH", f"/pulls/{number}", {"base": base})

    async def rename(self, branch: str, new: str) -> None:
        """As somebody who renames it in the repository's settings."""
        await self._press("POST", f"/branches/{branch}/rename", {"new_name": new})

    async def close(self, number: int) -> None:
        await self._press("PATCH", f"/pulls/{number}", {"state": "closed"})

    async def reopen(self, number: int) -> None:
        await self._press("PATCH", f"/pulls/{number}", {"state": "open"})

    async def refs(self) -> set[str]:
        """All refs at the forge, but those of pull requests."""
        listed = await self.ann.git("ls-remote", "--quiet", "origin")
        refs = {line.split()[1] for line in listed.splitlines()}
        return {ref for ref in refs if not ref.startswith("refs/pull/")} - {"HEAD"}

    async def _pull(self, number: int) -> dict[str, Any] | None:
        async with self.forge.rest() as client:
            answer = await client.get(f"/repos/{self.name}/pulls/{number}")
        return answer.json() if answer.is_success else None

    async def _press(self, method: str, path: str, body: dict[str, str]) -> None:
        async with self.forge.rest() as client:
            answer = await client.request(method, f"/repos/{self.name}{path}", json=body)
        assert answer.is_success, answer.text


def step_of(shown: DirectiveView, name: str) -> StepView:
    """The one step whose name begins so."""
    (found,) = [step for step in shown.steps if step.name.startswith(name)]
    return found


def statuses(shown: DirectiveView) -> dict[str, str]:
    return {step.name: step.status.value for step in shown.steps}


def is_idle(shown: DirectiveView) -> bool:
    return shown.status == "idle"
