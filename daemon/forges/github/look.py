"""One look at a pull request of GitHub's: what is wrong with it, and what people say (rule 7.5)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from itertools import chain
from typing import TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.github import findings
from daemon.forges.github.api import Api
from daemon.forges.github.audience import Audience, Author
from daemon.forges.github.payloads import (
    App,
    CheckRun,
    CheckRuns,
    CombinedStatus,
    Comment,
    Job,
    Jobs,
    Pull,
    Ref,
    Review,
    User,
    WorkflowRuns,
)
from daemon.forges.github.refusals import NOT_SHOWN, Declined
from daemon.forges.github.remarks import (
    admitted_findings,
    authors_of,
    is_approved,
    is_by,
    newest,
    remarks_at_lines,
    remarks_below,
    remarks_in_reviews,
    reviews_over,
    unheard_of,
    without_settled,
)
from daemon.forges.github.remembered import Remembered
from daemon.forges.github.threads import resolved_threads, settled_remarks
from domain.pull_request import Finding, FindingSource, PullRequest, Sighting, Unheard

Entry = TypeVar("Entry", Review, Comment)

PULL = TypeAdapter(Pull)
REF = TypeAdapter(Ref)
CHECK_RUNS = TypeAdapter(CheckRuns)
JOBS = TypeAdapter(Jobs)
WORKFLOW_RUNS = TypeAdapter(WorkflowRuns)
STATUSES = TypeAdapter(CombinedStatus)
REVIEWS = TypeAdapter(tuple[Review, ...])
COMMENTS = TypeAdapter(tuple[Comment, ...])

ASK_MERGEABLE = 5
"""Times; GitHub begins to work it out when it is first asked."""
MOST_REMARKS = 300
"""Of reviews, of comments at a line and of those below, that are told: the newest of those who are heard, and as many
of the others. A directive remembers 1,000 findings, and would work again on what it has forgotten.
"""


class PullRequestLook:
    """All that there is to see, at the price of what has changed since the last look with the same `marks`."""

    def __init__(
        self, api: Api, repository: str, remembered: Remembered, marks: dict[str, str], audience: Audience
    ) -> None:
        """`repository`: `owner/name`, as it is called now."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}"
        self._audience = audience
        self._remembered = remembered
        self._marks = marks

    async def pull(self, number: int) -> Pull:
        """The pull request; whether it can be merged is known, if GitHub knows it within some seconds."""
        for _ in range(ASK_MERGEABLE):
            pull = await self._remembered.read(f"{self._path}/pulls/{number}", PULL)
            if pull.mergeable is not None or pull.state != "open":
                break
            await asyncio.sleep(self._api.timings.mergeable)
        return pull

    async def base_head(self, pull: Pull) -> str:
        """The newest commit of the base branch; a pull request itself names an older one. Empty: it is gone."""
        try:
            ref = await self._remembered.read(f"{self._path}/git/ref/heads/{quote(pull.base.ref)}", REF)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
        return ref.object.sha

    async def sighting(self, seen: PullRequest, pull: Pull, me: str) -> Sighting:
        """All of it; `me`: the login whose own words are not for us, empty where it can't be known."""
        base_head = await self.base_head(pull)
        conflict = [findings.conflict_finding(pull, base_head)] if pull.mergeable is False else []
        reviews = await self._all(f"/pulls/{pull.number}/reviews", REVIEWS)
        remarks = await self._all(f"/pulls/{pull.number}/comments", COMMENTS)
        talk = await self._all(f"/issues/{pull.number}/comments", COMMENTS)
        kinds = (remarks_in_reviews(reviews, me), remarks_at_lines(remarks, me), remarks_below(talk, me))
        heard = await self._audience.of(self._path, authors_of(chain(*kinds)))
        everything = [each for kind in kinds for each in newest(kind, heard, MOST_REMARKS)]
        failures, forks = await self._failures(pull.head.sha)
        asked = admitted_findings(everything, heard, reviews_over(reviews))
        return Sighting(
            pull_request=seen,
            findings=(*conflict, *failures, *await self._without_resolved(pull.number, asked, remarks, me)),
            base_head=base_head,
            approved=is_approved(reviews, heard, me),
            unheard=(*forks, *unheard_of(everything, heard)),
        )

    async def _without_resolved(
        self, number: int, asked: list[Finding], remarks: list[Comment], me: str
    ) -> tuple[Finding, ...]:
        """What is asked for, without what was said in conversations that somebody has resolved since who is heard: the
        author of a pull request may as well, who can be a stranger.
        """
        if not any(FindingSource.COMMENT.began(each.id) for each in asked):
            return tuple(asked)
        resolved = await resolved_threads(self._api, self._repository, number)
        people = {login: Author(User(login=login)) for login in resolved.values() if login}
        heard = await self._audience.of(self._path, people.values())
        counts = {login for login, author in people.items() if is_by(author.user, me) or heard.admits(author)} | {""}
        return without_settled(asked, settled_remarks(remarks, [at for at, by in resolved.items() if by in counts]))

    async def _failures(self, sha: str) -> tuple[list[Finding], list[Unheard]]:
        """The failed checks of a commit; those that ran for a fork are its owner's business, and not told."""
        failed = [run for run in await self._runs(sha) if findings.has_failed(run)]
        jobs = [run for run in failed if findings.is_job(run) and run.check_suite is not None]
        suites = await self._suites(sha) if jobs else {}
        unheard = {run.id: reason for run in jobs if (reason := findings.why_unheard(run, suites))}
        statuses = await self._remembered.pages(f"{self._path}/commits/{sha}/status", STATUSES)
        found = [await self._check(run) for run in failed if run.id not in unheard]
        found += findings.status_findings(status for page in statuses for status in page.statuses)
        return found, [findings.unheard_check(run, reason) for run, reason in unheard.items()]

    async def _suites(self, sha: str) -> dict[int, bool]:
        """The check suites of Actions at a commit → whether they ran for this repository. Anybody can open a pull
        request from a commit of ours: its checks stand at that commit, too.
        """
        try:
            pages = await self._remembered.pages(f"{self._path}/actions/runs?head_sha={sha}", WORKFLOW_RUNS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return {}
        runs = (run for page in pages for run in page.workflow_runs)
        return {run.check_suite_id: run.is_for(self._repository) for run in runs if run.check_suite_id is not None}

    async def _runs(self, sha: str) -> list[CheckRun]:
        """All check runs; those of Actions alone for a fine-grained token, which can't be given the right to others."""
        try:
            pages = await self._remembered.pages(f"{self._path}/commits/{sha}/check-runs", CHECK_RUNS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return await self._failed_jobs(sha)
        return [run for page in pages for run in page.check_runs]

    async def _failed_jobs(self, sha: str) -> list[CheckRun]:
        actions = f"{self._path}/actions/runs"
        runs = await self._remembered.pages(f"{actions}?head_sha={sha}", WORKFLOW_RUNS)
        all_runs = (run for page in runs for run in page.workflow_runs)
        failed = [run.id for run in all_runs if findings.has_failed(run) and run.is_for(self._repository)]
        pages = [page for run in failed for page in await self._remembered.pages(f"{actions}/{run}/jobs", JOBS)]
        of_actions = {"app": App(slug=findings.ACTIONS)}
        return [job.model_copy(update=of_actions) for page in pages for job in page.jobs]

    async def _check(self, run: CheckRun) -> Finding:
        """A log is long, and doesn't change any more, unless its app runs the same check again."""
        key, end = FindingSource.CHECK.id_of(run.id), f"{run.conclusion} {run.completed_at}\n"
        if not self._marks.get(key, "").startswith(end):
            self._marks[key] = end + (await self._explained(run)).model_dump_json()
        return Finding.model_validate_json(self._marks[key].removeprefix(end))

    async def _explained(self, run: CheckRun) -> Finding:
        text = findings.output_text(run)
        if not findings.is_job(run):
            return findings.check_finding(run, "", text)
        step, log = "", b""
        try:
            step = findings.failed_step(await self._api.read(f"{self._path}/actions/jobs/{run.id}", Job))
            log = await self._api.tail(f"{self._path}/actions/jobs/{run.id}/logs", findings.LOG_WINDOW)
        except Declined as declined:
            # Logs are thrown away after a time, and a token may be without the right to read them.
            if declined.status not in NOT_SHOWN:
                raise
        return findings.check_finding(run, step, findings.job_text(log) or text)

    async def _all(self, path: str, adapter: TypeAdapter[tuple[Entry, ...]]) -> list[Entry]:
        pages = await self._remembered.pages(f"{self._path}{path}", adapter)
        return [entry for page in pages for entry in page]
