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
from daemon.forges.remembered import MOST_PAGES
from domain.tolerant import Tolerant
from domain.value import Value

_QUESTION = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
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
        contexts(first: 100, after: $after) {
          pageInfo { hasNextPage endCursor }
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
    after: str | None = None
    """The end of the page of checks before."""


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


class _PageInfo(Tolerant):
    more: bool = Field(False, alias="hasNextPage")
    after: str | None = Field(None, alias="endCursor")


class _Contexts(Tolerant):
    nodes: tuple[_Context | None, ...] | None = None
    page: _PageInfo = Field(_PageInfo(), alias="pageInfo")


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
    def following(self) -> str | None:
        """Where the next page of its checks begins, if one is needed."""
        page = self.rollup.contexts.page if self.rollup and self.state in _MAYBE_BLOCKED else _PageInfo()
        return page.after if page.more else None

    def with_checks_of(self, other: PullTold) -> PullTold:
        """The next page, with the checks of the pages before."""
        if self.rollup is None or other.rollup is None:
            return self
        nodes = (*(other.rollup.contexts.nodes or ()), *(self.rollup.contexts.nodes or ()))
        contexts = self.rollup.contexts.model_copy(update={"nodes": nodes})
        return self.model_copy(update={"rollup": _Rollup(contexts=contexts)})

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
    asked, pull = BlocksOf(owner=owner, name=name, number=number), None
    for _ in range(MOST_PAGES):
        try:
            answer = await api.query(Query(variables=asked), BlocksAnswer)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            return None
        found = answer.data.repository.pull if answer.data.repository else None
        pull = found.with_checks_of(pull) if found and pull else found
        if pull is None or pull.following is None:
            break
        asked = asked.model_copy(update={"after": pull.following})
    return pull
