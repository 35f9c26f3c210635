"""What GraphQL answers of a repository and its pull requests; what costs git something is only made if asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fakes.forge.addresses import moment
from fakes.forge.bare_git import Commit
from fakes.forge.check_records import CheckRun
from fakes.forge.github import graphql_queue
from fakes.forge.github.graphql_issues import NOTHING, IssueGraph
from fakes.forge.github.graphql_parts import (
    changed_file,
    connection,
    decision,
    is_wanted,
    latest_reviews,
    rolled_up,
    state_of,
    status_context,
    threads_of,
)
from fakes.forge.github.shapes import Json, Shapes, node_id, pull_node, thread_node
from fakes.forge.issue_records import Issue
from fakes.forge.merges import protection_of
from fakes.forge.pulls import follow_branches
from fakes.forge.records import Pull, RepositoryRecord, Review, ReviewComment
from fakes.forge.store import Repository

_MERGEABLE = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}


@dataclass(frozen=True)
class Graph(IssueGraph):
    """See IssueGraph; and the repository itself with its pull requests."""

    def repository(self, repository: Repository) -> Json:
        record = repository.record

        async def pull_request(_info: Any, number: int) -> Json | None:
            pull = (await follow_branches(repository)).pull(number)
            return self.pull(repository, pull) if pull else None

        async def pull_requests(_info: Any, **wanted: Any) -> Json:
            found = [each for each in (await follow_branches(repository)).pulls if is_wanted(each, wanted)]
            if (wanted.get("orderBy") or {}).get("direction", "ASC") == "DESC":
                found.reverse()
            return connection([self.pull(repository, each) for each in found])(_info, **wanted)

        def merge_queue(_info: Any, branch: str | None = None) -> Json | None:
            page = Shapes(self.forge.url).page(record)
            return graphql_queue.queue_of(record, branch or record.default_branch, page, self.actor)

        of_issues = self.of_issues(repository)

        async def either(info: Any, number: int) -> Json | None:
            return of_issues["issue"](info, number) or await pull_request(info, number)

        return {
            **of_issues,
            "issueOrPullRequest": either,
            "__typename": "Repository",
            "id": node_id("Repository", record.id),
            "name": record.name,
            "nameWithOwner": record.full_name,
            "owner": self.user(record.owner),
            "description": record.description,
            "url": Shapes(self.forge.url).page(record),
            "isPrivate": record.private,
            **dict.fromkeys(("isFork", "isArchived", "hasWikiEnabled"), False),
            "viewerPermission": "ADMIN" if self.account and self.account.write else "READ",
            "defaultBranchRef": {"id": "", "name": record.default_branch},
            **dict.fromkeys(("mergeCommitAllowed", "squashMergeAllowed", "rebaseMergeAllowed"), True),
            "deleteBranchOnMerge": False,
            "pullRequest": pull_request,
            "pullRequests": pull_requests,
            "mergeQueue": merge_queue,
        }

    def subject(self, repository: Repository, found: Pull | Issue) -> Json:
        if isinstance(found, Issue):
            return self.issue(repository.record, found)
        return self.pull(repository, found)

    def pull(self, repository: Repository, pull: Pull) -> Json:
        record, git = repository.record, repository.git

        async def commits(info: Any, **page: Any) -> Json:
            found = await git.commits(pull.base_sha, pull.head_sha)
            shapes = [{"id": each.sha, "commit": self.commit(record, each)} for each in found]
            return connection(shapes)(info, **page)

        async def files(info: Any = None, **page: Any) -> Json:
            lines = (await git.diff(pull.base_sha, pull.head_sha, "--numstat")).splitlines()
            return connection([changed_file(*line.split("\t")) for line in lines])(info, **page)

        async def changed(name: str) -> int:
            return sum(each[name] for each in (await files())["nodes"])

        async def file_count(_info: Any) -> int:
            return len((await files())["nodes"])

        async def mergeable(_info: Any) -> str:
            return _MERGEABLE[(await self.forge.mergeabilities.of(repository, pull)).mergeable]

        async def review_decision(_info: Any) -> str | None:
            return decision(await protection_of(repository, pull))

        async def merge_state(_info: Any) -> str:
            return (await self.forge.mergeabilities.of(repository, pull)).state.value.upper()

        strict = {"requiresStrictStatusChecks": record.up_to_date} if record.is_protected else None
        asked = [*map(self.user, pull.reviewers), *(self.team(record, each) for each in pull.team_reviewers)]
        shape: Json = {
            "__typename": "PullRequest",
            "id": pull_node(record, pull),
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "url": Shapes(self.forge.url).pull_page(record, pull),
            "state": state_of(pull),
            "closed": not pull.is_open,
            "merged": pull.merged_at is not None,
            "isDraft": pull.draft,
            "isCrossRepository": False,
            "maintainerCanModify": False,
            "viewerCanUpdate": bool(self.account and self.account.write),
            "author": self.actor(pull.author),
            "createdAt": moment(pull.created_at),
            "updatedAt": moment(pull.updated_at),
            "closedAt": moment(pull.closed_at),
            "mergedAt": moment(pull.merged_at),
            "mergedBy": self.actor(pull.merged_by) if pull.merged_by else None,
            "mergeCommit": {"id": pull.merge_commit_sha, "oid": pull.merge_commit_sha} if pull.merged_at else None,
            "autoMergeRequest": {"enabledAt": moment(pull.turns[-1].at)} if pull.auto_merge else None,
            "mergeable": mergeable,
            "mergeStateStatus": merge_state,
            "reviewDecision": review_decision,
            "baseRef": {"id": "", "name": pull.base, "branchProtectionRule": strict},
            "baseRefName": pull.base,
            "baseRefOid": pull.base_sha,
            "headRefName": pull.head,
            "headRefOid": pull.head_sha,
            "headRef": {"id": "", "name": pull.head},
            "headRepository": lambda _info: self.repository(repository),
            "baseRepository": lambda _info: self.repository(repository),
            "headRepositoryOwner": self.user(record.owner),
            "additions": lambda _info: changed("additions"),
            "deletions": lambda _info: changed("deletions"),
            "changedFiles": file_count,
            "commits": commits,
            "files": files,
            "reviews": connection(self.review(record, each) for each in record.reviews if each.pull == pull.number),
            "latestReviews": connection(self.review(record, each) for each in latest_reviews(record, pull)),
            "comments": self.comments(record, pull.number),
            "reviewThreads": connection(self.thread(record, each) for each in threads_of(record, pull)),
            "labels": self.labels(record, pull.labels),
            "assignees": connection(self.user(each) for each in pull.assignees),
            "reviewRequests": connection({"requestedReviewer": each} for each in asked),
            "milestone": {"number": record.milestones.index(pull.milestone) + 1, "title": pull.milestone}
            if pull.milestone
            else None,
            **{name: connection(()) for name in NOTHING},
            "reactionGroups": [],
            "statusCheckRollup": self._rollup(record, pull.head_sha),
        }
        shape.update(graphql_queue.of_pull(record, pull, shape, self.actor))
        return shape

    def commit(self, record: RepositoryRecord, commit: Commit) -> Json:
        author = {"name": commit.author.name, "email": commit.author.email}
        return {
            "__typename": "Commit",
            "id": commit.sha,
            "oid": commit.sha,
            "abbreviatedOid": commit.sha[:7],
            "message": commit.message,
            "messageHeadline": commit.subject,
            "messageBody": commit.message.partition("\n")[2].strip(),
            "authoredDate": commit.author.at,
            "committedDate": commit.committer.at,
            "authors": connection([author]),
            "statusCheckRollup": self._rollup(record, commit.sha),
        }

    def _rollup(self, record: RepositoryRecord, sha: str) -> Json | None:
        checks, statuses = record.checks_of(sha), record.statuses_of(sha)
        if not checks and not statuses:
            return None
        contexts = [self._check(record, each) for each in checks] + [status_context(record, each) for each in statuses]
        return {"id": sha, "state": rolled_up(checks, statuses), "contexts": connection(contexts)}

    def _check(self, record: RepositoryRecord, check: CheckRun) -> Json:
        return {
            "__typename": "CheckRun",
            "id": node_id("CheckRun", check.id),
            "databaseId": check.id,
            "name": check.name,
            "status": check.status.value.upper(),
            "conclusion": check.conclusion.value.upper() if check.conclusion else None,
            "startedAt": moment(check.started_at),
            "completedAt": moment(check.completed_at),
            "detailsUrl": check.details_url or Shapes(self.forge.url).job_page(record, check),
            "title": check.title,
            "summary": check.summary,
            "text": check.text,
            "isRequired": check.name in record.required_checks,
            "checkSuite": {"id": "", "workflowRun": {"event": "pull_request", "workflow": {"name": "checks"}}},
        }

    def review(self, record: RepositoryRecord, review: Review) -> Json:
        return {
            "__typename": "PullRequestReview",
            "id": node_id("PullRequestReview", review.id),
            "author": self.actor(review.user) if review.user else None,
            "authorAssociation": record.association(review.user),
            "state": review.state.value,
            "body": review.body,
            "url": Shapes(self.forge.url).review(record, review)["html_url"],
            "submittedAt": moment(review.submitted_at),
            "includesCreatedEdit": False,
            "reactionGroups": [],
            "commit": {"id": review.commit_id, "oid": review.commit_id},
        }

    def thread(self, record: RepositoryRecord, first: ReviewComment) -> Json:
        """A conversation at a line, by its first comment."""
        root = first.in_reply_to or first.id
        comments = [each for each in record.review_comments if root in (each.id, each.in_reply_to)]
        return {
            "__typename": "PullRequestReviewThread",
            "id": thread_node(record, first),
            "isResolved": bool(first.resolved_by),
            "resolvedBy": self.user(first.resolved_by) if first.resolved_by else None,
            "path": first.path,
            "line": first.line,
            "comments": connection(self._remark(record, each) for each in comments),
        }

    def _remark(self, record: RepositoryRecord, comment: ReviewComment) -> Json:
        return {
            "__typename": "PullRequestReviewComment",
            "id": node_id("PullRequestReviewComment", comment.id),
            "fullDatabaseId": str(comment.id),
            "author": self.actor(comment.user) if comment.user else None,
            "body": comment.body,
            "path": comment.path,
            "url": Shapes(self.forge.url).review_comment(record, comment)["html_url"],
        }
