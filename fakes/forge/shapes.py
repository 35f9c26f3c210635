"""The JSON shapes of GitHub's REST API, made of the forge's records."""

from __future__ import annotations

import zlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fakes.forge.bare_git import Commit, Signature
from fakes.forge.check_records import Annotation, CheckRun, CommitStatus
from fakes.forge.merges import Mergeability
from fakes.forge.records import Account, Comment, Pull, RepositoryRecord, Review
from fakes.forge.records import ReviewComment as LineComment

Json = dict[str, Any]


def account_id(login: str) -> int:
    """The account's number: the same in whatever case its login is written."""
    return zlib.crc32(login.lower().encode())


@dataclass(frozen=True)
class Shapes:
    """`url` is the forge's own, which all links begin with."""

    url: str

    def author(self, login: str) -> Json | None:
        """Of something that was said: None once the account was deleted."""
        return self.user(login) if login else None

    def user(self, login: str) -> Json:
        number = account_id(login)
        return {
            "login": login,
            "id": number,
            "node_id": node_id("User", number),
            "avatar_url": "",
            "url": f"{self.url}/api/v3/users/{login}",
            "html_url": f"{self.url}/{login}",
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def repository(self, record: RepositoryRecord, account: Account | None) -> Json:
        may_write = account is not None and account.write
        return {
            "id": record.id,
            "node_id": node_id("Repository", record.id),
            "name": record.name,
            "full_name": record.full_name,
            "owner": self.user(record.owner),
            "private": record.private,
            "visibility": "private" if record.private else "public",
            "description": record.description,
            "fork": False,
            "archived": False,
            "default_branch": record.default_branch,
            "url": self.api(record),
            "html_url": self.page(record),
            "clone_url": f"{self.page(record)}.git",
            "permissions": {"admin": may_write, "maintain": may_write, "push": may_write, "pull": True},
            "allow_merge_commit": True,
            "allow_squash_merge": True,
            "allow_rebase_merge": True,
            "delete_branch_on_merge": False,
            "created_at": moment(record.created_at),
        }

    def pull(self, record: RepositoryRecord, pull: Pull, account: Account | None) -> Json:
        """As in a list."""
        api, page = f"{self.api(record)}/pulls/{pull.number}", self.pull_page(record, pull)
        return {
            "id": pull.id,
            "node_id": pull_node(record, pull),
            "number": pull.number,
            "url": api,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "comments_url": f"{self.api(record)}/issues/{pull.number}/comments",
            "review_comments_url": f"{api}/comments",
            "statuses_url": f"{self.api(record)}/statuses/{pull.head_sha}",
            "state": pull.state.value,
            "locked": False,
            "title": pull.title,
            "body": pull.body or None,
            "user": self.user(pull.author),
            "draft": pull.draft,
            "labels": [],
            "assignees": [],
            "requested_reviewers": [],
            "head": self._head(record, pull, account),
            "base": self._end(record, pull.base, pull.base_sha, account),
            "merge_commit_sha": pull.merge_commit_sha,
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "merged_at": moment(pull.merged_at),
        }

    def whole_pull(
        self, record: RepositoryRecord, pull: Pull, account: Account | None, merging: Mergeability, commits: int
    ) -> Json:
        """As it is answered alone."""
        return self.pull(record, pull, account) | {
            "merged": pull.merged_at is not None,
            "mergeable": merging.mergeable,
            "mergeable_state": merging.state.value,
            "merge_commit_sha": merging.commit,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": sum(each.pull == pull.number for each in record.comments),
            "review_comments": sum(each.pull == pull.number for each in record.review_comments),
            "commits": commits,
            "maintainer_can_modify": False,
        }

    def commit(self, record: RepositoryRecord, commit: Commit) -> Json:
        return {
            "sha": commit.sha,
            "url": f"{self.api(record)}/commits/{commit.sha}",
            "commit": {
                "message": commit.message,
                "author": _signature(commit.author),
                "committer": _signature(commit.committer),
            },
            "parents": [{"sha": each} for each in commit.parents],
        }

    def review(self, record: RepositoryRecord, review: Review) -> Json:
        return {
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.author(review.user),
            "body": review.body,
            "state": review.state.value,
            "html_url": f"{self.page(record)}/pull/{review.pull}#pullrequestreview-{review.id}",
            "author_association": record.association(review.user),
            "commit_id": review.commit_id,
            "submitted_at": moment(review.submitted_at),
        }

    def review_comment(self, record: RepositoryRecord, comment: LineComment) -> Json:
        answers = {"in_reply_to_id": comment.in_reply_to} if comment.in_reply_to else {}
        return {
            "id": comment.id,
            "node_id": node_id("PullRequestReviewComment", comment.id),
            "pull_request_review_id": comment.review,
            "user": self.author(comment.user),
            "path": comment.path,
            "line": comment.line,
            "original_line": comment.line or comment.original_line,
            "start_line": comment.start_line,
            "original_start_line": comment.start_line or comment.original_start_line,
            "side": comment.side,
            "start_side": comment.side if comment.start_line else None,
            "diff_hunk": comment.diff_hunk,
            "subject_type": "line" if comment.line or comment.original_line else "file",
            "body": comment.body,
            "commit_id": comment.commit_id,
            "original_commit_id": comment.commit_id,
            "html_url": f"{self.page(record)}/pull/{comment.pull}#discussion_r{comment.id}",
            "pull_request_url": f"{self.api(record)}/pulls/{comment.pull}",
            "author_association": record.association(comment.user),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
            **answers,
        }

    def comment(self, record: RepositoryRecord, comment: Comment) -> Json:
        return {
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self.author(comment.user),
            "body": comment.body,
            "html_url": f"{self.page(record)}/pull/{comment.pull}#issuecomment-{comment.id}",
            "author_association": record.association(comment.user),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
        }

    def check(self, record: RepositoryRecord, check: CheckRun) -> Json:
        return {
            "id": check.id,
            "node_id": node_id("CheckRun", check.id),
            "name": check.name,
            "head_sha": check.head_sha,
            "status": check.status.value,
            "conclusion": check.conclusion.value if check.conclusion else None,
            "started_at": moment(check.started_at),
            "completed_at": moment(check.completed_at),
            "url": f"{self.api(record)}/check-runs/{check.id}",
            "html_url": self.job_page(record, check),
            "details_url": check.details_url or self.job_page(record, check),
            "output": {
                "title": check.title or None,
                "summary": check.summary or None,
                "text": check.text or None,
                "annotations_count": len(check.annotations),
                "annotations_url": f"{self.api(record)}/check-runs/{check.id}/annotations",
            },
            "app": {"id": 15368, "slug": check.app, "name": check.app},
            "check_suite": {"id": check.id},
            "pull_requests": [],
        }

    def annotation(self, annotation: Annotation) -> Json:
        return annotation.model_dump() | {"start_column": None, "end_column": None, "raw_details": None}

    def job(self, record: RepositoryRecord, check: CheckRun) -> Json:
        """The job of Actions behind a check run."""
        return {
            "id": check.id,
            "run_id": check.id,
            "name": check.name,
            "head_sha": check.head_sha,
            "status": check.status.value,
            "conclusion": check.conclusion.value if check.conclusion else None,
            "html_url": self.job_page(record, check),
            "check_run_url": f"{self.api(record)}/check-runs/{check.id}",
            "started_at": moment(check.started_at),
            "completed_at": moment(check.completed_at),
            "steps": [
                {"name": each.name, "number": number, "status": "completed", "conclusion": each.conclusion.value}
                for number, each in enumerate(check.steps, 1)
            ],
        }

    def status(self, status: CommitStatus) -> Json:
        return {
            "id": status.id,
            "context": status.context,
            "state": status.state.value,
            "description": status.description or None,
            "target_url": status.target_url or None,
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
        }

    def api(self, record: RepositoryRecord) -> str:
        return f"{self.url}/api/v3/repos/{record.full_name}"

    def page(self, record: RepositoryRecord) -> str:
        return f"{self.url}/{record.full_name}"

    def pull_page(self, record: RepositoryRecord, pull: Pull) -> str:
        return f"{self.page(record)}/pull/{pull.number}"

    def job_page(self, record: RepositoryRecord, check: CheckRun) -> str:
        return f"{self.page(record)}/actions/runs/{check.id}/job/{check.id}"

    def _head(self, record: RepositoryRecord, pull: Pull, account: Account | None) -> Json:
        """As the base's end, but of the fork that it may come from."""
        end = self._end(record, pull.head, pull.head_sha, account)
        if not pull.head_repository:
            return end
        owner, _, name = pull.head_repository.partition("/")
        whose = {"full_name": pull.head_repository, "owner": self.user(owner), "name": name, "fork": True}
        return end | {"label": pull.label(record.owner), "user": self.user(owner), "repo": end["repo"] | whose}

    def _end(self, record: RepositoryRecord, branch: str, sha: str, account: Account | None) -> Json:
        return {
            "label": f"{record.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(record.owner),
            "repo": self.repository(record, account),
        }


def node_id(kind: str, number: int) -> str:
    """An id as GraphQL takes it: opaque, and the same at every time."""
    return b64encode(f"{kind}:{number}".encode()).decode()


def pull_node(record: RepositoryRecord, pull: Pull) -> str:
    return node_id("PullRequest", pull.id)


def thread_node(record: RepositoryRecord, first: LineComment) -> str:
    """Of the conversation that begins with `first`."""
    return b64encode(f"PullRequestReviewThread:{record.id}:{first.id}".encode()).decode()


def moment(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def _signature(signature: Signature) -> Json:
    return {"name": signature.name, "email": signature.email, "date": signature.at}
