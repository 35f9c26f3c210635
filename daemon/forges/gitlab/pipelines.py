"""GitLab's pipelines of a merge request, and what is listed of them (rule 7.5)."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter

from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import GitLabPull, PipelineSummary
from daemon.forges.gitlab.payloads_checks import Bridge, CommitStatus, Job
from daemon.forges.refusals import NOT_SHOWN, Declined

Entry = TypeVar("Entry", PipelineSummary, Job, Bridge, CommitStatus)

PIPELINES = TypeAdapter(tuple[PipelineSummary, ...])
JOBS = TypeAdapter(tuple[Job, ...])
BRIDGES = TypeAdapter(tuple[Bridge, ...])
STATUSES = TypeAdapter(tuple[CommitStatus, ...])

DEEPEST = 3
"""Pipelines below each other that are looked into; GitLab takes two below the first (from memory)."""


class Pipelines:
    """Those of one project."""

    def __init__(self, api: GitLabApi, path: str, project: int) -> None:
        """`path`: the project's in the API."""
        self._api = api
        self.path = path
        self.project = project

    async def current(self, pull: GitLabPull) -> list[PipelineSummary]:
        """Of each ref and cause the newest pipeline at the head, and the one that GitLab goes by, whose commit may be
        that of the merge: whoever runs one again has the older one no longer count.
        """
        listed = await self.listed(f"{self.path}/merge_requests/{pull.number}/pipelines", PIPELINES)
        by_id = {each.id: each for each in listed}
        if pull.pipeline:
            by_id.setdefault(pull.pipeline.id, pull.pipeline)
        own = [each for each in by_id.values() if each.project_id in (None, self.project)]
        goes_by = pull.pipeline.id if pull.pipeline else None
        counting = [each for each in own if each.sha == pull.head.sha or each.id == goes_by]
        newest: dict[tuple[str | None, bool], PipelineSummary] = {}
        for each in sorted(counting, key=lambda each: each.id):
            newest[each.ref, each.source == "external"] = each
        return list(newest.values())

    async def bridges(self, pipeline: PipelineSummary) -> list[Bridge]:
        return await self.listed(f"{self.path}/pipelines/{pipeline.id}/bridges", BRIDGES)

    def below(self, bridge: Bridge, depth: int) -> PipelineSummary | None:
        """The pipeline that it has started, where that can be looked into; `depth`: how many more may be."""
        below = bridge.downstream_pipeline
        return below if below and below.project_id == self.project and depth > 0 else None

    async def listed(self, path: str, adapter: TypeAdapter[tuple[Entry, ...]]) -> list[Entry]:
        """Nothing where the account may not see it, or the project has no CI."""
        try:
            return await self._api.all(path, adapter)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return []
