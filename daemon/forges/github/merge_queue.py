"""What GitHub's merge queue has put out, and why (rule 7.5). Only GraphQL tells that, in words that are from memory.
What has failed there has failed on a commit that no pull request has: its checks are found by the branch that the queue
had for it, and by the commit that the event names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field, TypeAdapter

from daemon.forges.blocks import put_out
from daemon.forges.findings import link, tail, title_of
from daemon.forges.github.checks import Checks
from daemon.forges.github.payloads_checks import WorkflowRuns
from daemon.forges.pulls import Pull
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.remembered import Remembered
from domain.pull_request import Finding, FindingKind, FindingSource, is_failed
from domain.tolerant import Tolerant

QUEUE_LOGIN = "github-merge-queue[bot]"
"""Who puts out, where it isn't a person (from memory)."""
RUNS = TypeAdapter(WorkflowRuns)
MOST_CHECKS = 10
LOGS = 5 * 1024
"""Bytes of a step's task that the logs of all of them share."""
_NONE = "none"
_BRANCH, _ENTERED, _PUT_OUT = "merge queue", "in the merge queue", "put out of the merge queue"
"""Marks: whether the base branch has one; where it went in, and the head; what has put it out, and of which head."""


class LeftQueue(StrEnum):
    """Why it has left, where that says something about it."""

    FAILED_CHECKS = "failed_checks"
    CONFLICT = "merge_conflict"


_NOT_THE_QUEUE = ("", "manual", "merged")
"""Reasons that name what a person or a push has done, or that all is well."""


_OUT, _BEFORE = "The merge queue has put the pull request out", "what was to be merged before it"


class _Oid(Tolerant):
    oid: str = ""


class QueueEvent(Tolerant):
    """That it went in, or left."""

    kind: str = Field("", alias="__typename")
    id: str = ""
    reason: str | None = None
    before: _Oid | None = Field(None, alias="beforeCommit")

    @property
    def has_left(self) -> bool:
        return self.kind == "RemovedFromMergeQueueEvent"


class QueueTold(Tolerant):
    """What GraphQL tells of it."""

    is_queued: bool = False
    is_enabled: bool = False
    events: tuple[QueueEvent, ...] = ()
    """The last ones, oldest first."""


class MergeQueue:
    """Of one pull request."""

    def __init__(self, repository: str, remembered: Remembered, marks: dict[str, str]) -> None:
        """`repository`: `owner/name`."""
        self._path = f"/repos/{repository}"
        self._remembered = remembered
        self._marks = marks

    @property
    def is_asked_about(self) -> bool:
        """Not where its base branch had none when that was last told."""
        return self._marks.get(_BRANCH) != _NONE

    def note(self, pull: Pull, told: QueueTold) -> None:
        """Remember where it stands: of an event nobody tells which head it was about."""
        last = told.events[-1] if told.events else None
        self._marks[_BRANCH] = "there" if told.is_enabled or told.is_queued or last else _NONE
        entered = [each.id for each in told.events if not each.has_left][-1:]
        if told.is_queued and entered:
            self._marks[_ENTERED] = f"{entered[0]} {pull.head.sha}"
        elif last and last.has_left and self._marks.get(_PUT_OUT, "").partition(" ")[0] != last.id:
            when, _, head = self._marks.get(_ENTERED, "").partition(" ")
            self._marks[_PUT_OUT] = f"{last.id} {head if [when] == entered else pull.head.sha}"

    def put_out(self, pull: Pull, told: QueueTold) -> QueueEvent | None:
        """What has put this head out, if it isn't in again, and no person has done it."""
        last = told.events[-1] if told.events else None
        if told.is_queued or last is None or not last.has_left or (last.reason or "") in _NOT_THE_QUEUE:
            return None
        return last if self._marks.get(_PUT_OUT) == f"{last.id} {pull.head.sha}" else None

    async def finding(self, pull: Pull, event: QueueEvent, checks: Checks) -> list[Finding]:
        """Of its own fault: nothing for any other reason. It is worked out once, as a failed check is."""
        if event.reason not in (LeftQueue.FAILED_CHECKS, LeftQueue.CONFLICT):
            return []
        key = FindingSource.QUEUE.id_of(event.id, pull.head.sha)
        if key not in self._marks:
            is_conflict = event.reason == LeftQueue.CONFLICT
            made = _conflict(key, pull) if is_conflict else _failed(key, pull, await self._failed(pull, event, checks))
            self._marks[key] = made.model_dump_json()
        return [Finding.model_validate_json(self._marks[key])]

    async def _failed(self, pull: Pull, event: QueueEvent, checks: Checks) -> list[Finding]:
        shas = [await self._group(pull), event.before.oid if event.before else ""]
        found = [each for sha in dict.fromkeys(shas) if sha and sha != pull.head.sha for each in
                 (await checks.failures(sha))[0]]  # fmt: skip
        return list({each.id: each for each in found if is_failed(each)}.values())

    async def _group(self, pull: Pull) -> str:
        """The newest commit that Actions has checked for it there; empty: the token may not see it, or none was."""
        path = f"{self._path}/actions/runs?event=merge_group&per_page=100"
        try:
            runs = (await self._remembered.read(path, RUNS)).workflow_runs
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return ""
        own = re.compile(rf"gh-readonly-queue/{re.escape(pull.base.ref)}/pr-{pull.number}-[0-9a-f]+")
        return next((each.head_sha for each in runs if own.fullmatch(each.head_branch or "")), "")


def block_of(event: QueueEvent) -> str:
    return put_out((event.reason or "").replace("_", " "))


def _conflict(key: str, pull: Pull) -> Finding:
    return Finding(
        id=key,
        kind=FindingKind.CONFLICT,
        title=title_of(f"conflict in the merge queue of {pull.base.ref}"),
        text=f"{_OUT}: {pull.head.sha} is in conflict with {pull.base.ref}, or with {_BEFORE}.",
        url=pull.html_url,
    )


def _failed(key: str, pull: Pull, failures: Sequence[Finding]) -> Finding:
    shown = failures[:MOST_CHECKS]
    room = LOGS // max(len(shown), 1)
    begin = f"{_OUT}: checks have failed on what {pull.base.ref} would be with it, and with {_BEFORE}."
    told = [f"{each.title}\n{each.url}\n{_end(each.text, room)}".strip() for each in shown]
    if not told:
        told = [f"Which ones can't be read: see {pull.html_url}, and run the checks yourself on the merge."]
    return Finding(
        id=key,
        kind=FindingKind.CHECK,
        title=title_of(f"merge queue: {', '.join(each.title for each in shown) or 'checks have failed'}"),
        text=tail("\n\n".join([begin, *told])),
        url=link(next((each.url for each in shown if each.url), pull.html_url)),
    )


def _end(text: str, room: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= room else "… " + encoded[-room:].decode(errors="ignore")
