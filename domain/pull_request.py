"""A pull request as core and daemon speak of it (rule 7): what is wanted, what was made, and what was seen of it."""

from __future__ import annotations

import hashlib
import operator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator

from domain.opening_choice import OpeningChoice
from domain.tolerant import Tolerant

MOST_NUMBER = 2**31 - 1
"""The record's integers have four bytes."""


class PullRequestState(StrEnum):
    PUSHED = "pushed"
    """A branch on the remote, without a pull request that we know of."""
    DRAFT = "draft"
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"

    @property
    def is_over(self) -> bool:
        """Nothing can be added to it any more (rule 7.3)."""
        return self in (self.MERGED, self.CLOSED)


class PullRequest(Tolerant):
    """The one that a directive's finished work goes to; a later one takes its place once it is over (rule 7.3)."""

    branch: Annotated[str, Field(max_length=500)]
    """A part of a key in the record, whose rows have a limit."""
    head: Annotated[str, Field(max_length=100)]
    """The newest commit of the branch that is known; people may have pushed it."""
    base: Annotated[str, Field(max_length=500)]
    """The base branch's name."""
    url: Annotated[str, Field(max_length=4096)] = ""
    state: PullRequestState = PullRequestState.PUSHED
    number: Annotated[int, Field(ge=0, le=MOST_NUMBER)] = 0
    """The forge's; 0: there is none at a forge."""
    version: Annotated[int, Field(ge=1, le=MOST_NUMBER)] = 1
    """The first one of the directive is 1; later ones' branches end in `-v2`, `-v3`, …"""

    @property
    def is_unseen(self) -> bool:
        """Named by an operator, and not looked at yet: its branch is not known."""
        return self.number > 0 and not self.head


class Reply(Tolerant):
    """An answer to a review comment that a fix step has dealt with; posted once, after the push."""

    comment: Annotated[str, Field(pattern=r"^([a-z]+:)?[A-Za-z0-9_-]{1,100}$")]
    """The finding's id."""
    text: Annotated[str, Field(max_length=4096)]
    settles: bool = False
    """What it answers was done: its conversation is resolved, where nothing else in it waits for an answer."""


class PullRequestWanted(Tolerant):
    """What a completion task has to bring about at the forge, and what is known of it so far."""

    title: str
    body: str
    """Markdown, with all text of people and agents escaped; at most 60,000 characters."""
    template: str = ""
    """The repository's own, which a new one's description is written into; as its base branch has it."""
    draft: bool = False
    keep_draft: bool = False
    """One that is there stays as it is, a draft or ready: a person has made it so."""
    known: PullRequest | None = None
    """The one that was made before; read again before every push (rule 7.3)."""
    branches: tuple[str, ...] = ()
    """At least two, from the known one's version on: where that is found merged or closed, the next takes its place."""
    replies: tuple[Reply, ...] = ()
    pushed: tuple[str, ...] = ()
    """What completions have pushed for the known one, oldest first."""
    retarget: str = ""
    """The base branch that an operator has chosen for the open one since the forge was last told; empty: none."""
    opening: OpeningChoice | None = Field(default=None, exclude_if=operator.not_)

    def version_of(self, branch: str) -> int:
        """Which of the directive's pull requests the one of `branch` is."""
        first = self.known.version if self.known else 1
        return first + (self.branches.index(branch) if branch in self.branches else 0)


class Shipped(Tolerant):
    """What a completion task has brought about at the forge."""

    pull_request: PullRequest
    over: tuple[PullRequest, ...] = ()
    """Those that were found merged or closed, oldest first, and whose place `pull_request` has taken."""
    unmerged: tuple[str, ...] = ()
    """What was pushed for the known one, and that it was merged without."""
    compare_url: str = ""
    """Where a person can open the pull request, if there is no API to do it (rule 7.4)."""

    @model_validator(mode="before")
    @classmethod
    def _from_older_daemons(cls, data: Any) -> Any:
        """They name the first one only, as `former`."""
        if isinstance(data, dict) and data.get("former"):
            return {**data, "over": (data["former"],)}
        return data


class Watch(Tolerant):
    """Look after a pull request until there is news (rule 7.5)."""

    version: str = "1.0"
    owner: str
    directive: UUID
    repository: str
    pull_request: PullRequest
    seen: tuple[str, ...] = ()
    """Ids of findings that are known already."""
    picture: str = ""
    """What the newest look has seen, as `picture_of` names it; empty: nothing that holds."""
    pushed: tuple[str, ...] = ()
    """What completions have pushed for it, oldest first."""
    retarget: str = ""
    """The base branch that an operator has chosen for it since the forge was last told; empty: none."""
    opening: OpeningChoice | None = Field(default=None, exclude_if=operator.not_)
    complete: bool = False
    """It holds all that the directive is to do: nothing is under way, failed or waiting to be pushed."""
    every: timedelta = timedelta(seconds=60)
    """Between the first polls; it grows to `at_most` while nothing happens."""
    at_most: timedelta = timedelta(minutes=15)
    heartbeat: timedelta = timedelta(seconds=60)
    """A daemon that is silent for this long while it looks is lost, and another one looks."""


class FindingKind(StrEnum):
    CHECK = "check"
    """A check of the newest commit has failed."""
    COMMENT = "comment"
    """A person's review comment or change request."""
    CONFLICT = "conflict"
    """The base branch has moved so that it can't be merged."""
    TROUBLE = "trouble"
    """The forge refuses us: a person has to give a right or a token."""


class FindingSource(StrEnum):
    """What the id of a finding begins with: where in the forge it was found."""

    CHECK = "check"
    STATUS = "status"
    CONFLICT = "conflict"
    COMMENT = "comment"
    """At a line."""
    TALK = "talk"
    """Below the pull request."""
    REVIEW = "review"
    QUEUE = "queue"
    """A merge queue has put it out: which time, and which head."""
    TROUBLE = "trouble"
    """The forge refuses us."""

    def id_of(self, *parts: object) -> str:
        """The id of the finding that these parts name; the same ones name the same finding."""
        return ":".join((self.value, *map(str, parts)))[:200]

    def began(self, finding: str) -> bool:
        """Whether `finding` is the id of one from here."""
        return finding.startswith(f"{self.value}:")


class Place(Tolerant):
    """What a remark of a review is about."""

    path: Annotated[str, Field(max_length=1000)]
    line: int | None = None
    """The last line; None: the file as a whole."""
    start_line: int | None = None
    """The first of several lines."""
    side: str = "RIGHT"
    """`RIGHT`: the file as the pull request has it; `LEFT`: as it was before."""
    start_side: str = ""
    """Of the first of several lines; empty: the same."""
    quoted: Annotated[str, Field(max_length=4096)] = ""
    """The end of the diff hunk: its last line is the one that the remark stands at."""
    outdated: bool = False
    """The lines have changed since; their numbers are those of the commit that was reviewed."""


class Unheard(Tolerant):
    """Something that was said about a pull request by somebody whose words don't count; without the words."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    """As a finding's."""
    author: Annotated[str, Field(max_length=100)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""


class Finding(Tolerant):
    """Something about a pull request that asks for work."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    """The same finding has the same id: `check:<run id>`, `status:<id>`, `comment:<id>` (at a line), `talk:<id>` (below
    the pull request), `review:<id>`, `conflict:<head>:<base>`."""
    kind: FindingKind
    title: Annotated[str, Field(max_length=300)]
    """The check's name with the step that failed; the comment's author and place; what has to be done."""
    text: Annotated[str, Field(max_length=16 * 1024)] = ""
    """The log's tail, or the comment's beginning."""
    url: Annotated[str, Field(max_length=4096)] = ""
    place: Place | None = None
    """Of a remark on lines or a file."""
    for_person: bool = False
    """No agent can do anything about it: it waits for a person at the forge, who is asked."""
    said_at: datetime | None = None
    """Of what somebody has said."""


MOST_BLOCKS = 10
"""Reasons that one sighting tells."""
MOST_FINDINGS = 30
"""That one sighting tells; the others are told by the next one, since they were not seen."""
MOST_UNHEARD = 1000
"""That one sighting tells, and that a directive counts: the newest."""


class Sighting(Tolerant):
    """What is new of a pull request: its state or head has changed, or there are findings that were not seen before."""

    pull_request: PullRequest
    findings: tuple[Finding, ...] = ()
    base_head: str = ""
    """The base branch's commit at this moment."""
    unmerged: tuple[str, ...] = ()
    """What was pushed for it, and that it was merged without."""
    approved: bool = False
    """Somebody's last word is yes and nobody's is no, of those who are heard."""
    blocked: tuple[Annotated[str, Field(max_length=200)], ...] = ()
    """Why it can't be merged now, beside that it is a draft; as far as the forge tells."""
    queued: bool = False
    """It waits in the forge's merge queue, which a push would take it out of."""
    unheard: tuple[Unheard, ...] = ()
    """What was said, and doesn't count: all of it, whether it was told before or not."""
    standing: tuple[str, ...] | None = None
    """Ids of all findings that hold, whether they were told before or not: whatever is known beside them has ended.
    None: that is not known, since the forge refuses us, the pull request is over, or the daemon is an older one."""
    failing: tuple[str, ...] = ()
    """Titles of all failed checks of its head; to be read where `standing` is known."""
    more: bool = False
    """There are new findings that it doesn't tell: the next look does."""
    picture: str = ""
    daemon: str = ""


def picture_of(sighting: Sighting) -> str:
    """A name for all that holds of a pull request; the same for the same, empty where there is nothing."""
    findings, unheard = ({each.id for each in found} for found in (sighting.findings, sighting.unheard))
    if not (findings or unheard or sighting.approved or sighting.blocked):
        return ""
    blocked = ("", *sighting.blocked) if sighting.blocked else ()
    told = "\n".join([str(sighting.approved), *sorted(findings), "", *sorted(unheard), *blocked])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def news_of(watch: Watch, sighting: Sighting) -> Sighting | None:
    """What of `sighting`, which tells everything that holds, the watcher doesn't know yet; None: nothing. That a forge
    answers again is news, too, and that a finding holds no more.
    """
    known, seen = watch.pull_request, sighting.pull_request.model_copy(update={"version": watch.pull_request.version})
    new = tuple(finding for finding in sighting.findings if finding.id not in watch.seen)
    refused = any(FindingSource.TROUBLE.began(each) for each in watch.seen)
    refuses = any(finding.kind is FindingKind.TROUBLE for finding in sighting.findings)
    moved = (known.state, known.head, known.branch, known.base) != (seen.state, seen.head, seen.branch, seen.base)
    # While the forge refuses us, nothing is known of what it would tell.
    picture = watch.picture if refuses else picture_of(sighting)
    if not new and not moved and picture == watch.picture and not (refused and not refuses):
        return None
    # What refuses us is told as long as it does: news without it would say that the forge answers again.
    refusing = tuple(finding for finding in sighting.findings if finding.kind is FindingKind.TROUBLE)
    return sighting.model_copy(
        update={
            "pull_request": seen,
            "findings": tuple(dict.fromkeys((*refusing, *new)))[:MOST_FINDINGS],
            "more": len({each.id for each in (*refusing, *new)}) > MOST_FINDINGS,
            "unheard": sighting.unheard[-MOST_UNHEARD:],
            "standing": None if refuses or seen.state.is_over else tuple(each.id for each in sighting.findings),
            "failing": tuple(each.title for each in sighting.findings if is_failed(each)),
            "picture": picture,
        }
    )


def is_failed(finding: Finding) -> bool:
    """Whether it is a check that has failed; one that waits for a person has not."""
    return finding.kind is FindingKind.CHECK and not finding.for_person
