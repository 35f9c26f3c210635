"""Pages for people: repositories, pull requests, jobs. Everything is escaped, nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.forge import Forge
from fakes.forge.merges import Mergeability, MergeableState
from fakes.forge.pulls import follow_branches
from fakes.forge.records import Pull, RepositoryRecord
from fakes.forge.store import Repository

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TEMPLATES = Path(__file__).with_name("templates")
# Even if some text got through unescaped, a browser would run and load nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
LINES_SHOWN = 1_000
"""Of each file."""


@dataclass(frozen=True)
class Standing:
    """In words, whether it can be merged."""

    headline: str
    text: str


_STANDINGS = {
    MergeableState.CLEAN: Standing("Ready to merge", "No conflict with the base branch, and no check has failed."),
    MergeableState.DIRTY: Standing("In conflict", "The branch has conflicts with the base branch."),
    MergeableState.DRAFT: Standing("A draft", "No conflict with the base branch; it is not ready for review yet."),
    MergeableState.UNSTABLE: Standing("Not all checks have passed", "No conflict with the base branch."),
    MergeableState.UNKNOWN: Standing("Being looked at", "Whether it can be merged is not known yet."),
}


class Pages:
    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["markdown"] = _markdown

    def routes(self) -> list[Route]:
        return [
            Route("/", self._guarded(self._repositories)),
            Route("/assets/forge.css", self._style),
            Route("/{owner}/{repo}", self._guarded(self._pulls)),
            Route("/{owner}/{repo}/pulls", self._guarded(self._pulls)),
            Route("/{owner}/{repo}/pull/{number:int}.diff", self._guarded(self._diff)),
            Route("/{owner}/{repo}/pull/{number:int}", self._guarded(self._pull)),
            Route("/{owner}/{repo}/pulls/{number:int}", self._guarded(self._pull)),
            Route("/{owner}/{repo}/compare/{ends:path}", self._guarded(self._compare)),
            Route("/{owner}/{repo}/actions/runs/{run:int}/job/{id:int}", self._guarded(self._job)),
        ]

    async def _repositories(self, _request: Request) -> Response:
        records = [each.record for each in self._forge.store.all() if not each.record.private]
        return self._page("repositories.html", repositories=records)

    async def _pulls(self, request: Request) -> Response:
        repository = self._repository(request)
        record = await follow_branches(repository)
        branches = await repository.git.branches()
        clone_url = f"{self._forge.addresses.page(record)}.git"
        pulls = tuple(reversed(record.pulls))
        return self._page("pulls.html", record=record, pulls=pulls, branches=branches, clone_url=clone_url)

    async def _pull(self, request: Request) -> Response:
        repository, pull = await self._pull_of(request)
        record, git = repository.record, repository.git
        merging = await self._forge.mergeabilities.of(repository, pull)
        return self._page(
            "pull.html",
            record=record,
            pull=pull,
            merging=merging,
            standing=_standing(pull, merging),
            commits=await git.commits(pull.base_sha, pull.head_sha),
            files=files_of(await git.diff(pull.base_sha, pull.head_sha)),
            checks=record.checks_of(pull.head_sha),
            statuses=record.statuses_of(pull.head_sha),
            reviews=[each for each in record.reviews if each.pull == pull.number],
            talk=conversation(record, pull),
            job_url=partial(self._forge.addresses.job_page, record),
        )

    async def _diff(self, request: Request) -> Response:
        repository, pull = await self._pull_of(request)
        return PlainTextResponse(await repository.git.diff(pull.base_sha, pull.head_sha), headers=_HEADERS)

    async def _compare(self, request: Request) -> Response:
        """Where GitHub opens a pull request by hand; here, to the one of this branch, or to the list."""
        record = await follow_branches(self._repository(request))
        head = request.path_params["ends"].rpartition("...")[2]
        found = next((each for each in reversed(record.pulls) if each.head == head), None)
        page = self._forge.addresses.pull_page(record, found) if found else self._forge.addresses.page(record)
        return RedirectResponse(page)

    async def _job(self, request: Request) -> Response:
        record = self._repository(request).record
        found = next((each for each in record.checks if each.id == request.path_params["id"]), None)
        if found is None:
            raise not_found()
        return self._page("job.html", record=record, check=found)

    async def _style(self, _request: Request) -> Response:
        return Response(self._templates.get_template("forge.css").render(), media_type="text/css")

    def _guarded(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                return await page(request)
            except Answered as refusal:
                return PlainTextResponse(f"{refusal.message}\n", refusal.status, headers=_HEADERS)

        return guarded

    def _page(self, template: str, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values), headers=_HEADERS)

    def _repository(self, request: Request) -> Repository:
        found = self._forge.store.find(request.path_params["owner"], request.path_params["repo"])
        if found is None or found.record.private:
            raise not_found()
        return found

    async def _pull_of(self, request: Request) -> tuple[Repository, Pull]:
        repository = self._repository(request)
        pull = (await follow_branches(repository)).pull(request.path_params["number"])
        if pull is None:
            raise not_found()
        return repository, pull


def _standing(pull: Pull, merging: Mergeability) -> Standing:
    if pull.merged_at:
        who = f"{pull.merged_by} merged it" if pull.merged_by else "It was merged by a push"
        return Standing("Merged", f"{who} into {pull.base}.")
    if not pull.is_open:
        return Standing("Closed", "It was closed without being merged.")
    return _STANDINGS[merging.state]


def _markdown(text: str) -> Markup:
    # As at GitHub nobody sees a comment of HTML. All other HTML is shown as text, and pictures, which would be loaded
    # from elsewhere, as links.
    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    return Markup(renderer.render(_COMMENT.sub("", text)))  # noqa: S704  (rendered with everything escaped)


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of the conversation, with the answers to it."""

    anchor: str
    user: str
    at: datetime
    body: str
    verdict: str = ""
    place: str = ""
    answers: tuple[TimelineEntry, ...] = ()


def conversation(record: RepositoryRecord, pull: Pull) -> list[TimelineEntry]:
    """Reviews, remarks on lines with their answers, and comments, in the order in which they were said."""
    lines = [each for each in record.review_comments if each.pull == pull.number]
    reviews = (
        TimelineEntry(f"pullrequestreview-{each.id}", each.user, each.submitted_at, each.body, each.state.value)
        for each in record.reviews
        if each.pull == pull.number
    )
    comments = (
        TimelineEntry(f"issuecomment-{each.id}", each.user, each.created_at, each.body)
        for each in record.comments
        if each.pull == pull.number
    )
    remarks = (
        TimelineEntry(
            f"discussion_r{each.id}",
            each.user,
            each.created_at,
            each.body,
            place=f"{each.path}:{each.line}" if each.line else each.path,
            answers=tuple(
                TimelineEntry(f"discussion_r{answer.id}", answer.user, answer.created_at, answer.body)
                for answer in lines
                if answer.in_reply_to == each.id
            ),
        )
        for each in lines
        if each.in_reply_to is None
    )
    return sorted((*reviews, *comments, *remarks), key=lambda said: said.at)


@dataclass(frozen=True)
class Line:
    text: str
    kind: str
    """`add`, `cut`, `hunk` or `same`."""


@dataclass(frozen=True)
class FileDiff:
    name: str
    added: int
    removed: int
    lines: tuple[Line, ...]
    left_out: int
    """How many lines are not among `lines`."""


def files_of(diff: str) -> tuple[FileDiff, ...]:
    """The files of git's unified diff, each with what comes after its header."""
    files: list[list[str]] = []
    for text in diff.split("\n"):
        if text.startswith("diff --git "):
            files.append([])
        if files:
            files[-1].append(text)
    return tuple(_file(lines) for lines in files)


def _file(texts: list[str]) -> FileDiff:
    start = next((place for place, text in enumerate(texts) if text.startswith("@@")), len(texts))
    header, body = texts[:start], texts[start:]
    lines = [Line(text, _kind(text)) for text in (body or header[1:]) if text]
    counts = {kind: sum(line.kind == kind for line in lines) for kind in ("add", "cut")}
    return FileDiff(
        _name(header), counts["add"], counts["cut"], tuple(lines[:LINES_SHOWN]), max(len(lines) - LINES_SHOWN, 0)
    )


def _name(header: list[str]) -> str:
    """The file's new name, or its old one where it is gone."""
    for mark in ("+++ b/", "rename to ", "--- a/"):
        for text in header:
            if text.startswith(mark):
                return text.removeprefix(mark).rstrip("\t")
    return header[0].rpartition(" b/")[2]


def _kind(text: str) -> str:
    return {"+": "add", "-": "cut", "@": "hunk"}.get(text[0], "same")
