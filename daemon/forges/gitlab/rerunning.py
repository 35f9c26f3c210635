"""GitLab's pipelines, as those to run again (rule 7.5). None says how often it ran: of a job that was run again, there
are two (from memory).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import GitLabPull, PipelineSummary, Project
from daemon.forges.gitlab.payloads_checks import Job, Pipeline
from daemon.forges.gitlab.pipelines import DEEPEST, JOBS, PIPELINES, Pipelines
from daemon.forges.rerunning import Run
from domain.pull_request import FindingSource, PullRequest
from domain.value import Value

MOST_PIPELINES = 10
"""Whose jobs are looked at, of a ref: the newest that have passed."""


class _Nothing(Value):
    """What is sent where an address says it all."""


class GitLabRuns:
    """See daemon.forges.rerunning.Runs."""

    def __init__(self, api: GitLabApi, project: Project, pull: Callable[[int], Awaitable[GitLabPull]]) -> None:
        self._api = api
        self._path = f"/projects/{project.id}"
        self._pipelines = Pipelines(api, self._path, project.id)
        self._pull = pull

    async def begun_once(self, known: PullRequest) -> list[Run]:
        """With those that others have started. Not those that GitLab itself has repeated a job of, nor those in which
        a job was cancelled: it would be run again, too.
        """
        pull = await self._pull(known.number)
        if pull.head.sha != known.head:
            return []
        return [run for each in await self._pipelines.current(pull) async for run in self._of(each, DEEPEST)]

    async def recovered(self, known: PullRequest) -> set[str]:
        names = set[str]()
        # That pipelines of merge requests have such a ref is from memory.
        for ref in (known.base, known.branch, f"refs/merge-requests/{known.number}/head"):
            asked = {"ref": ref, "status": "success", "order_by": "id", "sort": "desc", "per_page": MOST_PIPELINES}
            page = await self._api.get(f"{self._path}/pipelines?{urlencode(asked)}")
            assert page is not None  # no etag was sent
            for pipeline in self._api.parsed(PIPELINES, page.content):
                jobs = await self._jobs(pipeline.id)
                passed = {each.name for each in jobs if each.status == "success"}
                names |= passed & {each.name for each in jobs if each.is_failed}
        return names

    async def begin_again(self, run: Run) -> None:
        async def done() -> Pipeline | None:
            """Asked before each try: a job that fails at once would be run a third time."""
            return await self._api.read(path, Pipeline) if await self.is_begun_again(run) else None

        path = f"{self._path}/pipelines/{run.id}"
        await self._api.post_once(f"{path}/retry", _Nothing(), Pipeline, done)

    async def is_begun_again(self, run: Run) -> bool:
        return _is_repeated(await self._jobs(run.id))

    async def _of(self, pipeline: PipelineSummary, depth: int) -> AsyncIterator[Run]:
        jobs, bridges = await self._jobs(pipeline.id), await self._pipelines.bridges(pipeline)
        failed = {FindingSource.CHECK.id_of(each.id): each.name for each in jobs if each.is_failed}
        # A bridge that is run again starts another pipeline, of which nobody knows that it is the second one.
        is_held = any(each.status == "canceled" for each in jobs) or any(each.status == "failed" for each in bridges)
        if failed and not is_held and not _is_repeated(jobs):
            yield Run(pipeline.id, failed, pipeline.goes_on)
        for bridge in bridges:
            below = None if bridge.allow_failure else self._pipelines.below(bridge, depth - 1)
            if below:
                async for run in self._of(below, depth - 1):
                    yield run

    async def _jobs(self, pipeline: int) -> list[Job]:
        """Those that were run again meanwhile, too."""
        return await self._pipelines.listed(f"{self._path}/pipelines/{pipeline}/jobs?include_retried=true", JOBS)


def _is_repeated(jobs: list[Job]) -> bool:
    return any(count > 1 for count in Counter(each.name for each in jobs).values())
