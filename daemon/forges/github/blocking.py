"""Why GitHub doesn't let a pull request be merged (rule 7.5). Only GraphQL tells more than that something is missing:
it is asked, at the price of a request, while something blocks and once whatever else is known has changed.
"""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from daemon.forges.blocks import Block, bounded, check_failed, check_missing
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.merge_queue import QueueEvent, QueueTold
from daemon.forges.refusals import Declined
from domain.tolerant import Tolerant
from domain.value import Value

_QUESTION = """
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      mergeStateStatus
      isInMergeQueue
      isMergeQueueEnabled
      timelineItems(last: 2, itemTypes: [ADDED_TO_MERGE_QUEUE_EVENT, REMOVED_FROM_MERGE_QUEUE_EVENT]) {
        nodes {
          __typename
          ... on AddedToMergeQueueEvent { id }
          ... on RemovedFromMergeQueueEvent { id reason beforeCommit { oid } }
        }
      }
      reviewDecision
      statusCheckRollup {
        contexts(first: 100) {
          nodes {
            __typename
            ... on CheckRun { name status conclusion isRequired(pullRequestNumber: $number) }
            ... on StatusContext { context state isRequired(pullRequestNumber: $number) }
          }
        }
      }
    }
  }
}
"""
_PASSED = frozenset({"success", "neutral", "skipped"})
_UNENDED = frozenset({"PENDING", "EXPECTED"})
_MAYBE_BLOCKED = frozenset({"BLOCKED", "BEHIND", "DRAFT"})


class BlocksOf(Value):
    owner: str
    name: str
    number: int


class Query(Value):
    query: str = _QUESTION
    variables: BlocksOf


class _Context(Tolerant):
    """A check run, or a status."""

    name: str = ""
    context: str = ""
    status: str = ""
    conclusion: str | None = None
    state: str = ""
    required: bool = Field(False, alias="isRequired")

    @property
    def reason(self) -> str:
        """Empty: it has passed."""
        name = self.name or self.context
        if self.state in _UNENDED or (self.status and self.status != "COMPLETED"):
            return check_missing(name)
        return "" if (self.conclusion or self.state).lower() in _PASSED else check_failed(name)


class _Contexts(Tolerant):
    nodes: tuple[_Context | None, ...] | None = None


class _Rollup(Tolerant):
    contexts: _Contexts


class _Timeline(Tolerant):
    nodes: tuple[QueueEvent | None, ...] | None = None


class PullTold(Tolerant):
    """What GraphQL tells of a pull request."""

    state: str = Field(alias="mergeStateStatus")
    is_queued: bool = Field(False, alias="isInMergeQueue")
    is_enabled: bool = Field(False, alias="isMergeQueueEnabled")
    timeline: _Timeline | None = Field(None, alias="timelineItems")
    decision: str | None = Field(None, alias="reviewDecision")
    rollup: _Rollup | None = Field(None, alias="statusCheckRollup")

    @property
    def queue(self) -> QueueTold:
        nodes = (self.timeline.nodes if self.timeline else None) or ()
        events = tuple(each for each in nodes if each)
        return QueueTold(is_queued=self.is_queued, is_enabled=self.is_enabled, events=events)

    @property
    def blocks(self) -> tuple[str, ...] | None:
        """None: GitHub works it out."""
        return bounded(self.reasons) if self.state != "UNKNOWN" else None

    @property
    def reasons(self) -> list[str]:
        """What blocks; in the queue nothing else does, and a change request only where the base branch asks for
        approvals, and then says so.
        """
        if self.is_queued:
            return [Block.QUEUED]
        if self.state not in _MAYBE_BLOCKED:
            return []
        nodes = (self.rollup.contexts.nodes if self.rollup else None) or ()
        found = [each.reason for each in nodes if each and each.required]
        found += [Block.UNAPPROVED] if self.decision == "REVIEW_REQUIRED" else []
        found += [Block.CHANGES] if self.decision == "CHANGES_REQUESTED" and self.state == "BLOCKED" else []
        found += [Block.BEHIND] if self.state == "BEHIND" else []
        told = [each for each in found if each]
        return told or ([Block.UNNAMED] if self.state == "BLOCKED" else [])


class _Repository(Tolerant):
    pull: PullTold | None = Field(alias="pullRequest")


class _Data(Tolerant):
    repository: _Repository | None


class BlocksAnswer(Tolerant):
    data: _Data


async def told_of(api: GitHubApi, repository: str, number: int) -> PullTold | None:
    """None: GitHub doesn't tell it to this token. Raises ForgeUnreachable, ForgeRefused."""
    owner, _, name = repository.partition("/")
    question = Query(variables=BlocksOf(owner=owner, name=name, number=number))
    try:
        answer = await api.query(question, BlocksAnswer)
    except Declined as declined:
        if declined.status == HTTPStatus.UNAUTHORIZED:
            raise
        return None
    return answer.data.repository.pull if answer.data.repository else None
