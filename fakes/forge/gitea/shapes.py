"""The JSON shapes of Gitea's API, made of the forge's records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fakes.forge.addresses import Addresses, account_id
from fakes.forge.check_records import CheckRun, CommitStatus, Conclusion
from fakes.forge.gitea.titles import is_marked, shown_title
from fakes.forge.records import Comment, Pull, RepositoryRecord, Review, ReviewComment, ReviewState

Json = dict[str, Any]

GHOST = -1
"""The number of an account that was deleted (from memory)."""
STATES = {
    ReviewState.APPROVED: "APPROVED",
    ReviewState.CHANGES_REQUESTED: "REQUEST_CHANGES",
    ReviewState.COMMENTED: "COMMENT",
    ReviewState.DISMISSED: "REQUEST_CHANGES",
}
_CONCLUSIONS = {Conclusion.TIMED_OUT: "failure", Conclusion.STARTUP_FAILURE: "failure", Conclusion.NEUTRAL: "skipped"}
"""What Actions there has no word for."""
_COUNTS = ("size", "stars_count", "forks_count", "watchers_count", "open_issues_count", "release_counter")
_ALLOWED = ("allow_merge_commits", "allow_rebase", "allow_rebase_explicit", "allow_squash_merge")
_HAS = ("has_issues", "has_wiki", "has_projects", "has_releases", "has_packages", "has_actions")


class GiteaShapes(Addresses):
    def user(self, login: str) -> Json:
        """Of whoever said something; empty: the account was deleted."""
        name = login or "Ghost"
        texts = dict.fromkeys(("full_name", "description", "location", "website", "language", "login_name"), "")
        flags = dict.fromkeys(("is_admin", "restricted", "prohibit_login"), False)
        return {
            "id": account_id(login) if login else GHOST,
            "login": name,
            **texts,
            **flags,
            "email": f"{account_id(name)}@noreply.forge.localhost",
            "avatar_url": f"{self.url}/{name}.png",
            "html_url": f"{self.url}/{name}",
            "active": True,
            "visibility": "public",
            "created": moment(datetime(2020, 1, 1)),
        }

    def repository(self, record: RepositoryRecord, may_write: bool, full_name: str = "") -> Json:
        """`full_name`: of a fork of it."""
        whole = full_name or record.full_name
        owner, _, name = whole.partition("/")
        page = f"{self.url}/{whole}"
        return {
            "id": account_id(whole) if full_name else record.id,
            "owner": self.user(owner),
            "name": name,
            "full_name": whole,
            "description": record.description,
            "private": record.private,
            "fork": bool(full_name),
            "html_url": page,
            "url": f"{self.url}/api/v1/repos/{whole}",
            "clone_url": f"{page}.git",
            "ssh_url": f"git@forge.localhost:{whole}.git",
            "languages_url": f"{self.url}/api/v1/repos/{whole}/languages",
            "original_url": "",
            "default_branch": record.default_branch,
            "permissions": {"admin": may_write, "push": may_write, "pull": True},
            "object_format_name": "sha1",
            "default_merge_style": "merge",
            "open_pr_counter": sum(each.is_open for each in record.pulls),
            "has_pull_requests": True,
            "created_at": moment(record.created_at),
            "updated_at": moment(record.created_at),
            **dict.fromkeys(("link", "language", "website", "avatar_url"), ""),
            **dict.fromkeys(_COUNTS, 0),
            **dict.fromkeys(_ALLOWED, True),
            **dict.fromkeys(_HAS, False),
            **dict.fromkeys(("empty", "template", "mirror", "archived", "internal"), False),
            **dict.fromkeys(("default_delete_branch_after_merge", "ignore_whitespace_conflicts"), False),
        }

    def pull(self, record: RepositoryRecord, pull: Pull, may_write: bool, *, mergeable: bool, has_branch: bool) -> Json:
        """`has_branch`: its branch is still there."""
        page = self.pull_page(record, pull)
        fork = pull.head_repository
        comments = [each for each in record.comments if each.pull == pull.number]
        remarks = [each for each in record.review_comments if each.pull == pull.number]
        head = {
            "label": pull.head,
            "ref": pull.head if has_branch else f"refs/pull/{pull.number}/head",
            "sha": pull.head_sha,
            "repo_id": account_id(fork) if fork else record.id,
            "repo": self.repository(record, may_write, fork),
        }
        base = {
            "label": pull.base,
            "ref": pull.base,
            "sha": pull.base_sha,
            "repo_id": record.id,
            "repo": self.repository(record, may_write),
        }
        return {
            "id": pull.id,
            "number": pull.number,
            "url": f"{page}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "title": shown_title(pull.title, pull.draft),
            "body": pull.body,
            "user": self.user(pull.author),
            "state": pull.state.value,
            "draft": pull.draft or is_marked(pull.title),
            "merged": pull.merged_at is not None,
            "merged_at": moment(pull.merged_at),
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "merge_commit_sha": pull.merge_commit_sha,
            "mergeable": mergeable,
            "merge_base": pull.base_seen or pull.base_sha,
            "head": head,
            "base": base,
            "comments": len(comments),
            "review_comments": len(remarks),
            "labels": [],
            "assignee": None,
            "assignees": None,
            "milestone": None,
            "requested_reviewers": None,
            "requested_reviewers_teams": None,
            "is_locked": False,
            "allow_maintainer_edit": False,
            "pin_order": 0,
            "content_version": 0,
            "due_date": None,
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
        }

    def review(self, record: RepositoryRecord, review: Review, remarks: int) -> Json:
        page = f"{self.page(record)}/pulls/{review.pull}"
        return {
            "id": review.id,
            "user": self.user(review.user),
            "team": None,
            "state": STATES[review.state],
            "body": review.body,
            "commit_id": review.commit_id,
            "stale": False,
            "official": record.role(review.user) is not None,
            "dismissed": review.state is ReviewState.DISMISSED,
            "comments_count": remarks,
            "html_url": f"{page}#issuecomment-{review.id}",
            "pull_request_url": page,
            "submitted_at": moment(review.submitted_at),
            "updated_at": moment(review.submitted_at),
        }

    def remark(self, record: RepositoryRecord, comment: ReviewComment, review: int) -> Json:
        """A side has its own number of the line; of a line that has changed since, the number is the old one."""
        page = f"{self.page(record)}/pulls/{comment.pull}"
        line = comment.line or comment.original_line or 0
        is_old = comment.side == "LEFT"
        return {
            "id": comment.id,
            "user": self.user(comment.user),
            "resolver": self.user(comment.resolved_by) if comment.resolved_by else None,
            "body": comment.body,
            "path": comment.path,
            "position": 0 if is_old else line,
            "original_position": line if is_old else 0,
            "diff_hunk": comment.diff_hunk,
            "commit_id": comment.commit_id,
            "original_commit_id": "",
            "pull_request_review_id": review,
            "html_url": f"{page}/files#issuecomment-{comment.id}",
            "pull_request_url": page,
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
        }

    def comment(self, record: RepositoryRecord, comment: Comment) -> Json:
        page = f"{self.page(record)}/pulls/{comment.pull}"
        return {
            "id": comment.id,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "pull_request_url": page,
            "issue_url": "",
            "user": self.user(comment.user),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.body,
            "assets": [],
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
        }

    def branch(self, name: str, sha: str) -> Json:
        return {
            "name": name,
            "commit": {"id": sha, "message": "", "url": ""},
            "protected": False,
            "required_approvals": 0,
            "enable_status_check": False,
            "status_check_contexts": [],
            "user_can_push": True,
            "user_can_merge": True,
            "effective_branch_protection_name": "",
        }

    def status(self, record: RepositoryRecord, status: CommitStatus) -> Json:
        return self._status(record, status.id, status.context, status.state.value, status.description,
                            status.target_url, status.sha, status.created_at)  # fmt: skip

    def status_of_job(self, record: RepositoryRecord, check: CheckRun) -> Json:
        """What Actions sets for a job; of another app's check, what that would set."""
        word = "pending" if check.conclusion is None else _STATUS_WORDS.get(check.conclusion, "failure")
        is_job = check.app == "github-actions"
        context = f"checks / {check.name} (push)" if is_job else check.name
        target = f"{self.run_page(record, check)}/jobs/0" if is_job else check.details_url
        said = "\n\n".join(filter(None, (check.title, check.summary, check.text)))
        return self._status(record, check.id, context, word, said, target, check.head_sha, check.started_at)

    def run(self, record: RepositoryRecord, check: CheckRun) -> Json:
        """The run of the workflow that is this one check."""
        page, times = self.run_page(record, check), self._times(check)
        own = self.repository(record, may_write=False)
        return {
            "id": check.id,
            "url": f"{self.url}/api/v1/repos/{record.full_name}/actions/runs/{check.id}",
            "html_url": page,
            "display_title": check.name,
            "path": "checks.yml@refs/heads/main",
            "event": "push",
            "run_attempt": 1,
            "run_number": check.id,
            "repository_id": record.id,
            "head_sha": check.head_sha,
            "head_branch": record.default_branch,
            **self._ended(check),
            "actor": self.user(record.owner),
            "trigger_actor": self.user(record.owner),
            "repository": own,
            "head_repository": self.repository(record, False, check.head_repository) if check.head_repository else own,
            **times,
        }

    def job(self, record: RepositoryRecord, check: CheckRun) -> Json:
        steps = [
            {"name": each.name, "number": number, "status": "completed", "conclusion": each.conclusion.value}
            for number, each in enumerate(check.steps, 1)
        ]
        at = f"{self.url}/api/v1/repos/{record.full_name}/actions"
        return {
            "id": check.id,
            "url": f"{at}/jobs/{check.id}",
            "html_url": f"{self.run_page(record, check)}/jobs/0",
            "run_id": check.id,
            "run_url": f"{at}/runs/{check.id}",
            "name": check.name,
            "labels": ["linux"],
            "run_attempt": 1,
            "head_sha": check.head_sha,
            "head_branch": record.default_branch,
            "runner_id": 1,
            "runner_name": "one",
            "steps": steps,
            **self._ended(check),
            "created_at": moment(check.started_at),
            **self._times(check),
        }

    def run_page(self, record: RepositoryRecord, check: CheckRun) -> str:
        return f"{self.page(record)}/actions/runs/{check.id}"

    def pull_page(self, record: RepositoryRecord, pull: Pull) -> str:
        return f"{self.page(record)}/pulls/{pull.number}"

    def _ended(self, check: CheckRun) -> Json:
        word = _CONCLUSIONS.get(check.conclusion, check.conclusion.value) if check.conclusion else ""
        return {"status": check.status.value, "conclusion": word}

    def _times(self, check: CheckRun) -> Json:
        ended = check.completed_at or check.started_at
        return {"started_at": moment(check.started_at), "completed_at": moment(ended)}

    def _status(
        self, record: RepositoryRecord, number: int, context: str, word: str, said: str, target: str, sha: str,
        at: datetime,
    ) -> Json:  # fmt: skip
        return {
            "id": number,
            "status": word,
            "context": context,
            "description": said,
            "target_url": target,
            "url": f"{self.url}/api/v1/repos/{record.full_name}/statuses/{sha}",
            "creator": self.user(record.owner),
            "created_at": moment(at),
            "updated_at": moment(at),
        }


_STATUS_WORDS = {
    Conclusion.SUCCESS: "success",
    Conclusion.NEUTRAL: "success",
    Conclusion.SKIPPED: "skipped",
    Conclusion.STALE: "pending",
    Conclusion.ACTION_REQUIRED: "pending",
    Conclusion.CANCELLED: "warning",
}


def moment(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
