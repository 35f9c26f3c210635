"""The fake forge for tests: a process of its own in a folder, and a typed client of its control API.

    async with forge_under_test(tmp_path / "forge") as forge:
        repository = await forge.make_repository("acme", "shop", source=origin)   # or empty
        ann = Person(tmp_path / "ann", forge.url_with("acme/shop"))                # a person with a clone and git
        await ann.commit("my-branch", {"file": "text"}, onto="main")               # …and pushed
        …open a pull request over forge.api_url with forge.token…
        await forge.set_check("acme/shop", ref="my-branch", name="test", conclusion="failure", log="1 failed")
        await forge.review("acme/shop", 1, user="ann", state="CHANGES_REQUESTED", body="Please rename it.")
        await forge.fail("rate_limit", method="POST", path=r"/pulls$", times=2, seconds=30)
        await forge.restart()                                                      # killed; same port, same state
        assert len(await forge.requests(method="POST", path=r"/pulls$")) == 1

`forge.url` is where people look, `forge.api_url` GitHub's REST API (Enterprise's prefix; the root answers too),
`forge.token` may do everything as `makima`, `forge.add_token` makes others. Everything else a test wants of the forge
it does as a user would: git for pushes of people, REST by `forge.rest()` for merging.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import TypeAdapter

from daemon.forges.connections import certificates
from fakes.forge.forge import ReceivedRequest
from fakes.forge.injected_failures import FailureKind
from tests.forge_schemas import Held

_READY_WITHIN = 90.0  # seconds
_REQUESTS = TypeAdapter(list[ReceivedRequest])


@dataclass(frozen=True)
class ForgeRepository:
    """A repository on the forge."""

    full_name: str
    clone_url: str
    """http, without credentials."""
    path: Path
    """The bare repository itself."""


class Person:
    """Somebody with git and a clone in `folder`, who pushes to `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        who = {
            f"GIT_{role}_{part}": "ann@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        self._env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **who}

    async def settle(self) -> None:
        """Make the clone, unless it is there; everything but `commit` needs it."""
        if not (self.folder / ".git").exists():
            await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
            await self.git("init", "--quiet", "--initial-branch=unborn")
            await self.git("remote", "add", "origin", self.url)

    async def commit(self, branch: str, files: dict[str, str], *, onto: str | None = None) -> str:
        """One commit, with these files written, on top of the remote's `onto` (default: of `branch`; a branch that is
        nowhere begins anew), pushed to `branch`; gives the commit."""
        await self.settle()
        await self.git("fetch", "--quiet", "--prune", "origin")
        start = f"refs/remotes/origin/{onto or branch}"
        if await self.git("for-each-ref", start):
            await self.git("checkout", "--quiet", "--force", "--detach", start)
        else:
            await self.git("checkout", "--quiet", "--orphan", f"new-{branch}")
        for name, text in files.items():
            await asyncio.to_thread((self.folder / name).write_text, text)
        await self.git("add", "--all")
        await self.git("commit", "--quiet", "--message", f"Change {', '.join(files)}")
        await self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return await self.git("rev-parse", "HEAD")

    async def git(self, *args: str) -> str:
        """The output of git in the clone; AssertionError with its stderr where it fails."""
        code, output, errors = await self.try_git(*args)
        assert code == 0, f"{args}: {errors}"
        return output

    async def try_git(self, *args: str) -> tuple[int | None, str, str]:
        """Exit code, output and stderr of git in the clone."""
        process = await asyncio.create_subprocess_exec(
            "git", *args, cwd=self.folder, env=self._env | {"GIT_TERMINAL_PROMPT": "0"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        return process.returncode, output.decode().strip(), errors.decode().strip()


class ForgeUnderTest:
    """A running forge; make it with `forge_under_test`."""

    def __init__(self, folder: Path, unix_socket: Path | None) -> None:
        self.folder = folder
        self.unix_socket = unix_socket
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._kept: httpx.AsyncClient | None = None
        """Of one that was started here, for as long as it runs: to make one takes longer than most orders."""
        self._held = Held(self.record)

    @property
    def record(self) -> Path:
        """What it was asked and has answered, as `fakes.forge.exchanges` writes it."""
        return self.folder.with_name(f"{self.folder.name}.exchanges")

    def hold_to_schema(self) -> None:
        """AssertionError where an answer since the last time, or a request of the adapter's, isn't as GitHub has it."""
        self._held.check()

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text().strip()

    def url_with(self, repository: str, token: str | None = None) -> str:
        """The clone URL of `owner/name` with a token in it, as a person's git would use it."""
        return f"http://x-access-token:{token or self.token}@{self.url.removeprefix('http://')}/{repository}.git"

    def rest(self, token: str | None = None) -> httpx.AsyncClient:
        """A client of the REST API with these credentials (default: the forge's own; empty: none)."""
        value = self.token if token is None else token
        headers = {"Authorization": f"Bearer {value}"} if value else {}
        return httpx.AsyncClient(base_url=self.api_url, headers=headers, timeout=20, verify=certificates())

    async def make_repository(
        self, owner: str, name: str, *, source: Path | str | None = None, private: bool = False,
        writers: Sequence[str] = ("ann", "ben"),
    ) -> ForgeRepository:  # fmt: skip
        """Make a repository, empty or with what `source` holds; everybody but its `writers` is a stranger."""
        wanted = {"owner": owner, "name": name, "source": str(source) if source else None, "private": private}
        made = await self._control("POST", "repos", wanted)
        path = self.folder / "repositories" / owner / f"{name}.git"
        roles = [{"login": login, "role": "write"} for login in writers]
        if roles:
            await self._control("PUT", f"repos/{made['full_name']}/collaborators", roles)
        return ForgeRepository(made["full_name"], made["clone_url"], path)

    async def set_role(self, repository: str, login: str, role: str | None) -> None:
        """`read`, `triage`, `write`, `maintain` or `admin`; None: a stranger."""
        await self._control("PUT", f"repos/{repository}/collaborators", {"login": login, "role": role})

    async def open_from_fork(self, repository: str, fork: str, head: str, *, title: str = "Mine") -> dict[str, Any]:
        """A stranger's pull request, whose branch has the name and the commit of one of ours; GitHub's shape."""
        fields = {"head_repository": fork, "head": head, "title": title}
        made: dict[str, Any] = await self._control("POST", f"repos/{repository}/pulls", fields)
        return made

    async def change_repository(self, repository: str, **changes: object) -> None:
        """Change a field of `fakes.forge.control.RepositoryChange`."""
        await self._control("PATCH", f"repos/{repository}", changes)

    async def add_token(
        self, token: str, login: str, *, scopes: Sequence[str] = ("repo",), write: bool = True,
        permissions: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`permissions`: of the installation of an app, whose login ends in `[bot]`; None: it is a person's."""
        fields = {"scopes": list(scopes), "write": write, "permissions": permissions}
        await self._control("PUT", "tokens", {"token": token, "login": login, **fields})

    async def remove_token(self, token: str) -> None:
        await self._control("DELETE", "tokens", {"token": token})

    async def set_check(self, repository: str, *, ref: str, name: str, **fields: object) -> dict[str, Any]:
        """A check run of a branch or commit; further fields as in `fakes.forge.control.NewCheck`; GitHub's shape."""
        made: dict[str, Any] = await self._control(
            "POST", f"repos/{repository}/checks", {"ref": ref, "name": name, **fields}
        )
        return made

    async def set_status(self, repository: str, *, ref: str, context: str, state: str, **fields: object) -> None:
        await self._control("POST", f"repos/{repository}/statuses", {"ref": ref, "context": context, "state": state}
                            | fields)  # fmt: skip

    async def review(
        self, repository: str, number: int, *, user: str, state: str, body: str = "",
        comments: Sequence[dict[str, object]] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """A review (`APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`) with remarks `{path, line, body}`; GitHub's shape."""
        fields = {"user": user, "state": state, "body": body, "comments": list(comments)}
        made: dict[str, Any] = await self._control("POST", f"repos/{repository}/pulls/{number}/reviews", fields)
        return made

    async def remark(
        self, repository: str, number: int, *, user: str, path: str, body: str, **further: object
    ) -> dict[str, Any]:
        """A comment on a line, by a person; further fields as in `fakes.forge.control.NewRemark`; GitHub's shape."""
        fields = {"user": user, "path": path, "body": body, **further}
        made: dict[str, Any] = await self._control("POST", f"repos/{repository}/pulls/{number}/remarks", fields)
        return made

    async def comment(self, repository: str, number: int, *, user: str, body: str) -> dict[str, Any]:
        """A comment on the pull request as a whole, by a person; GitHub's shape."""
        made: dict[str, Any] = await self._control(
            "POST", f"repos/{repository}/pulls/{number}/comments", {"user": user, "body": body}
        )
        return made

    async def open_issue(self, repository: str, *, user: str, title: str, body: str = "") -> dict[str, Any]:
        """An issue, by a person; GitHub's shape."""
        made: dict[str, Any] = await self._control(
            "POST", f"repos/{repository}/issues", {"user": user, "title": title, "body": body}
        )
        return made

    async def change_issue(self, repository: str, number: int, *, user: str, **changes: object) -> None:
        """Something that a person does with an issue; fields as in `fakes.forge.issues.IssueChange`."""
        await self._control("PATCH", f"repos/{repository}/issues/{number}", {"user": user, **changes})

    async def edit(self, repository: str, comment: int, body: str) -> None:
        """A comment below the pull request has another text; by its author, or by somebody with write access."""
        async with self.rest() as client:
            answer = await client.patch(f"/repos/{repository}/issues/comments/{comment}", json={"body": body})
            assert answer.is_success, answer.text

    async def resolve(self, repository: str, number: int, comment: int, *, again: bool = False) -> None:
        """The conversation that a comment at a line began is resolved by a person; `again`: it is opened again."""
        owner, _, name = repository.partition("/")
        threads = (
            f'query{{repository(owner:"{owner}",name:"{name}"){{pullRequest(number:{number}){{'
            "reviewThreads(first:100){nodes{id comments(first:1){nodes{fullDatabaseId}}}}}}}"
        )
        found = (await self.graphql(threads))["repository"]["pullRequest"]["reviewThreads"]["nodes"]
        (thread,) = [each["id"] for each in found if each["comments"]["nodes"][0]["fullDatabaseId"] == str(comment)]
        change = "unresolveReviewThread" if again else "resolveReviewThread"
        await self.graphql(f'mutation{{{change}(input:{{threadId:"{thread}"}}){{thread{{isResolved}}}}}}')

    async def resolve_as(self, user: str, repository: str, number: int, comment: int) -> None:
        """The same, by whoever it may be: the author of a pull request may."""
        await self._control("POST", f"repos/{repository}/pulls/{number}/resolutions", {"user": user, "remark": comment})

    async def turn_off_auto_merge(self, user: str, repository: str, number: int) -> None:
        """It is no longer to be merged by itself: somebody has said so."""
        await self._control("POST", f"repos/{repository}/pulls/{number}/auto-merge", {"user": user})

    async def queue(self, repository: str, number: int, does: str, **fields: object) -> None:
        """`enter`, `leave`, `merge` or `eject`; further fields as in `fakes.forge.control_queue.QueueOrder`."""
        await self._control("POST", f"repos/{repository}/pulls/{number}/queue", {"does": does, **fields})

    async def graphql(self, query: str) -> dict[str, Any]:
        async with self.rest() as client:
            answer = await client.post(f"{self.url}/api/graphql", json={"query": query})
        shown: dict[str, Any] = answer.json()
        assert answer.is_success and "errors" not in shown, answer.text
        data: dict[str, Any] = shown["data"]
        return data

    async def several(self, path: str, bodies: Sequence[dict[str, Any]], *, method: str = "POST") -> None:
        """As many control requests, in one: docs/forge.md has path and body."""
        await self._control(method, path, bodies)

    async def add_hook(self, repository: str, kind: str, url: str, secret: str) -> None:
        """Tell this address of what people do to the issues, as forges of this kind do."""
        await self._control("POST", f"repos/{repository}/hooks", {"kind": kind, "url": url, "secret": secret})

    async def hook_answers(self) -> list[int]:
        """How deliveries were answered, 0: not at all."""
        answers: list[int] = await self._control("GET", "hooks/answers")
        return answers

    async def fail(self, kind: FailureKind | str, **order: object) -> None:
        """The next requests fail: `kind` and fields as in `fakes.forge.injected_failures.FailureOrder`."""
        await self._control("POST", "failures", {"kind": FailureKind(kind).value, **order})

    async def pending_failures(self) -> list[dict[str, Any]]:
        """Those that were ordered and have not happened as often as they shall."""
        pending: list[dict[str, Any]] = await self._control("GET", "failures")
        return pending

    async def clear_failures(self) -> None:
        await self._control("DELETE", "failures")

    async def requests(self, *, method: str = ".*", path: str = "") -> list[ReceivedRequest]:
        """What was received since the start or `forget_requests`, matched as failures are."""
        received = _REQUESTS.validate_python(await self._control("GET", "requests"))
        return [each for each in received if re.fullmatch(method, each.method) and re.search(path, each.path)]

    async def forget_requests(self) -> None:
        await self._control("DELETE", "requests")

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def restart(self) -> None:
        """Kill the forge and start it again on the same port."""
        await self.kill()
        await self.start(int(self.url.rpartition(":")[2]))

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._kept:
            await self._kept.aclose()

    async def start(self, port: int = 0) -> None:
        extra = ("--unix-socket", str(self.unix_socket)) if self.unix_socket else ()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fakes.forge", "--data", str(self.folder), "--port", str(port),
            "--record", str(self.record), *extra,
            stdout=asyncio.subprocess.PIPE, process_group=0, env={**os.environ, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _READY_WITHIN)
        self.url = line.decode().removeprefix("forge:").strip()
        assert self.url, "the forge ended before it listened"
        self._kept = _control_client()

    async def _control(
        self, method: str, path: str, body: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with nullcontext(self._kept) if self._kept else _control_client() as client:
            answer = await client.request(method, f"{self.url}/_control/{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


def _control_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=60, verify=certificates(), trust_env=False)


async def clock_passes(moment: datetime) -> None:
    """Wait until a forge says another time than `moment`: it has seconds."""
    while datetime.now(UTC).replace(microsecond=0) <= moment:
        await asyncio.sleep(0.05)


@asynccontextmanager
async def forge_under_test(folder: Path, *, unix_socket: Path | None = None) -> AsyncIterator[ForgeUnderTest]:
    """Run a forge on a free port; its state lies in `folder`, which is made if it is missing."""
    forge = ForgeUnderTest(folder, unix_socket)
    try:
        await forge.start()
        yield forge
    finally:
        await forge.kill()  # one that was slow to answer runs, too
    forge.hold_to_schema()
