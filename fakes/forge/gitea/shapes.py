"""Pull requests and what is said in them in the JSON of Gitea's API, made of the forge's records."""

from __future__ import annotations

from fakes.forge.addresses import account_id
from fakes.forge.gitea.shapes_checks import CheckShapes
from fakes.forge.gitea.shapes_places import Json, moment
from fakes.forge.gitea.titles import is_marked, shown_title
from fakes.forge.records import Comment, Pull, RepositoryRecord, Review, ReviewComment, ReviewState

STATES = {
    ReviewState.APPROVED: "APPROVED",
    ReviewState.CHANGES_REQUESTED: "REQUEST_CHANGES",
    ReviewState.COMMENTED: "COMMENT",
    ReviewState.DISMISSED: "REQUEST_CHANGES",
}


class GiteaShapes(CheckShapes):
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
            "labels": [self.label(record, each) for each in pull.labels],
            "assignee": self.user(pull.assignees[0]) if pull.assignees else None,
            "assignees": [self.user(each) for each in pull.assignees] or None,
            "milestone": self.milestone(record, pull.milestone) if pull.milestone else None,
            "requested_reviewers": [self.user(each) for each in pull.reviewers] or None,
            "requested_reviewers_teams": [self.team(record, each) for each in pull.team_reviewers] or None,
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

    def review_request(self, record: RepositoryRecord, pull: Pull, login: str) -> Json:
        """A review that nobody has written yet."""
        number = pull.id + account_id(login)
        asked = Review(
            id=number, pull=pull.number, user=login, state=ReviewState.COMMENTED, body="", commit_id=pull.head_sha,
            submitted_at=pull.updated_at,
        )  # fmt: skip
        return self.review(record, asked, 0) | {"state": "REQUEST_REVIEW"}

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
        is_below_issue = record.issue(comment.pull) is not None
        page = f"{self.page(record)}/{'issues' if is_below_issue else 'pulls'}/{comment.pull}"
        return {
            "id": comment.id,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "pull_request_url": "" if is_below_issue else page,
            "issue_url": page if is_below_issue else "",
            "user": self.user(comment.user),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.body,
            "assets": [],
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
        }

    def pull_page(self, record: RepositoryRecord, pull: Pull) -> str:
        return f"{self.page(record)}/pulls/{pull.number}"
