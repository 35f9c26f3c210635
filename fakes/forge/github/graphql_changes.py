"""GraphQL's mutations of texts, states and talk: what `gh pr` and `gh issue` change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fakes.forge import issues, talk
from fakes.forge.api_errors import Answered
from fakes.forge.calling import Call
from fakes.forge.furnishing import ask_for_reviews, changed_pull
from fakes.forge.github.graphql_nodes import (
    check_may_write,
    issue_at,
    labels_at,
    login_at,
    pull_at,
    refused,
    repository_at,
    subject_at,
    teams_at,
)
from fakes.forge.github.graphql_shapes import Graph
from fakes.forge.github.rest_talk import STATES, ReviewEvent
from fakes.forge.github.shapes import Json
from fakes.forge.issue_records import Issue
from fakes.forge.pulls import PullChange, PullWanted, change_pull, open_pull
from fakes.forge.records import Pull, PullState
from fakes.forge.store import Repository

_Change = Callable[[Json], Awaitable[Json]]


class Changes:
    """Each takes the mutation's input, and gives the fields of its payload."""

    def __init__(self, call: Call, graph: Graph) -> None:
        self._call = call
        self._forge = call.forge
        self._graph = graph

    def fields(self) -> dict[str, Any]:
        changes: dict[str, _Change] = {
            "createPullRequest": self._open,
            "updatePullRequest": self._update,
            "closePullRequest": self._close,
            "reopenPullRequest": self._reopen,
            "requestReviews": self._request_reviews,
            "addPullRequestReview": self._review,
            "addComment": self._comment,
            "addLabelsToLabelable": self._label,
            "removeLabelsFromLabelable": self._unlabel,
            "createIssue": self._open_issue,
            "closeIssue": self._close_issue,
            "reopenIssue": self._reopen_issue,
        }
        return {name: self._mutation(change, _needed(name)) for name, change in changes.items()}

    def _mutation(self, change: _Change, needed: tuple[str, ...]) -> Callable[..., Awaitable[Json]]:
        async def mutation(_info: Any, input: Json) -> Json:
            check_may_write(self._call, needed)
            try:
                made = await change(input)
            except Answered as refusal:
                raise refused(refusal.sentence) from refusal
            return {**made, "clientMutationId": input.get("clientMutationId")}

        return mutation

    async def _open(self, wanted: Json) -> Json:
        repository = repository_at(self._forge, wanted["repositoryId"])
        texts = {"title": wanted["title"], "body": wanted.get("body") or ""}
        ends = {"head": wanted["headRefName"], "base": wanted["baseRefName"]}
        opened = PullWanted(**texts, **ends, draft=bool(wanted.get("draft")))
        return self._pull(repository, await open_pull(repository, opened, self._call.login))

    async def _update(self, wanted: Json) -> Json:
        repository, pull = pull_at(self._forge, wanted["pullRequestId"])
        given = {name: wanted[name] for name in ("title", "body") if wanted.get(name) is not None}
        state = PullState(wanted["state"].lower()) if wanted.get("state") else None
        change = PullChange(base=wanted.get("baseRefName"), state=state, **given)
        pull = await change_pull(repository, pull.number, change)
        if wanted.get("assigneeIds") is not None:
            people = tuple(login_at(self._forge, each) for each in wanted["assigneeIds"])
            pull = await changed_pull(repository, pull, assignees=tuple(filter(repository.record.role, people)))
        if wanted.get("labelIds") is not None:
            pull = await changed_pull(repository, pull, labels=labels_at(repository.record, wanted["labelIds"]))
        return self._pull(repository, pull)

    async def _close(self, wanted: Json) -> Json:
        return await self._with_state(wanted, PullState.CLOSED)

    async def _reopen(self, wanted: Json) -> Json:
        return await self._with_state(wanted, PullState.OPEN)

    async def _with_state(self, wanted: Json, state: PullState) -> Json:
        repository, pull = pull_at(self._forge, wanted["pullRequestId"])
        return self._pull(repository, await change_pull(repository, pull.number, PullChange(state=state)))

    async def _request_reviews(self, wanted: Json) -> Json:
        """Those and nobody else, unless it is said that they come beside the others."""
        repository, pull = pull_at(self._forge, wanted["pullRequestId"])
        people = [login_at(self._forge, each) for each in wanted.get("userIds") or ()]
        teams = teams_at(repository.record, wanted.get("teamIds") or [])
        beside = bool(wanted.get("union"))
        return self._pull(repository, await ask_for_reviews(repository, pull, people, teams, beside=beside))

    async def _review(self, wanted: Json) -> Json:
        repository, pull = pull_at(self._forge, wanted["pullRequestId"])
        if wanted.get("event") not in set(ReviewEvent):
            raise refused("this forge keeps no reviews that are pending or dismissed at once")
        state, login = STATES[ReviewEvent(wanted["event"])], self._call.login
        talk.check_may_judge(pull, login, state)
        made = await talk.add_review(repository, pull.number, login, state, wanted.get("body") or "", ())
        return {"pullRequestReview": self._graph.review(repository.record, made)}

    async def _comment(self, wanted: Json) -> Json:
        repository, found = subject_at(self._forge, wanted["subjectId"])
        made = await talk.add_comment(repository, found.number, self._call.login, wanted["body"])
        return {"commentEdge": {"cursor": "", "node": self._graph.comment(repository.record, made)}}

    async def _label(self, wanted: Json) -> Json:
        return await self._with_labels(wanted, are_given=True)

    async def _unlabel(self, wanted: Json) -> Json:
        return await self._with_labels(wanted, are_given=False)

    async def _with_labels(self, wanted: Json, *, are_given: bool) -> Json:
        repository, found = subject_at(self._forge, wanted["labelableId"])
        names = labels_at(repository.record, wanted["labelIds"])
        if isinstance(found, Issue):
            for each in names:
                label = {"label": each} if are_given else {"unlabel": each}
                change = issues.IssueChange(user=self._call.login, **label)
                await issues.change_issue(repository, found.number, change)
            return {}
        left = tuple(each for each in found.labels if each not in names)
        await changed_pull(repository, found, labels=(*left, *names) if are_given else left)
        return {}

    async def _open_issue(self, wanted: Json) -> Json:
        if wanted.get("assigneeIds") or wanted.get("projectIds"):
            raise refused("this forge assigns nobody to an issue, and has no projects")
        repository = repository_at(self._forge, wanted["repositoryId"])
        texts = {"title": wanted["title"], "body": wanted.get("body") or ""}
        made = await issues.open_issue(repository, issues.IssueWanted(user=self._call.login, **texts))
        for label in labels_at(repository.record, wanted.get("labelIds") or []):
            change = issues.IssueChange(user=self._call.login, label=label)
            made = await issues.change_issue(repository, made.number, change)
        return self._issue(repository, made)

    async def _close_issue(self, wanted: Json) -> Json:
        return await self._with_issue(wanted, is_open=False, not_planned=wanted.get("stateReason") == "NOT_PLANNED")

    async def _reopen_issue(self, wanted: Json) -> Json:
        return await self._with_issue(wanted, is_open=True)

    async def _with_issue(self, wanted: Json, *, is_open: bool, not_planned: bool = False) -> Json:
        repository, issue = issue_at(self._forge, wanted["issueId"])
        change = issues.IssueChange(user=self._call.login, is_open=is_open, not_planned=not_planned)
        return self._issue(repository, await issues.change_issue(repository, issue.number, change))

    def _pull(self, repository: Repository, pull: Pull) -> Json:
        return {"pullRequest": self._graph.pull(repository, pull)}

    def _issue(self, repository: Repository, issue: Issue) -> Json:
        return {"issue": self._graph.issue(repository.record, issue)}


def _needed(mutation: str) -> tuple[str, ...]:
    """The permissions of which an app needs one (from memory)."""
    if mutation.endswith("Issue"):
        return ("issues",)
    is_either = mutation == "addComment" or mutation.endswith("Labelable")
    return ("issues", "pull_requests") if is_either else ("pull_requests",)
