"""The JSON shapes of GitHub's REST API, made of the forge's records: pull requests and what is said about them."""

from __future__ import annotations

from base64 import b64encode

from fakes.forge.addresses import moment
from fakes.forge.bare_git import Commit, Signature
from fakes.forge.github.shapes_checks import CheckShapes
from fakes.forge.github.shapes_issues import IssueShapes
from fakes.forge.github.shapes_places import BOT, Json, Places, node_id
from fakes.forge.merges import Mergeability
from fakes.forge.records import Account, Comment, Pull, RepositoryRecord, Review
from fakes.forge.records import ReviewComment as LineComment

__all__ = ["BOT", "Json", "Places", "Shapes", "node_id", "pull_node", "thread_node"]


class Shapes(CheckShapes, IssueShapes):
    """All of them."""

    def pull(self, record: RepositoryRecord, pull: Pull, account: Account | None) -> Json:
        """As in a list."""
        api, page = f"{self.api(record)}/pulls/{pull.number}", self.pull_page(record, pull)
        issue = f"{self.api(record)}/issues/{pull.number}"
        links = {
            "self": api,
            "html": page,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{api}/comments",
            "review_comment": f"{self.api(record)}/pulls/comments{{/number}}",
            "commits": f"{api}/commits",
            "statuses": f"{self.api(record)}/statuses/{pull.head_sha}",
        }
        return {
            "id": pull.id,
            "node_id": pull_node(record, pull),
            "number": pull.number,
            "url": api,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            **{f"{name}_url": address for name, address in links.items() if name not in ("self", "html")},
            "_links": {name: {"href": address.removesuffix("{/number}")} for name, address in links.items()},
            "author_association": record.association(pull.author),
            "auto_merge": self._auto_merge(pull),
            **self.of_issue(record, pull),
            "state": pull.state.value,
            "locked": False,
            "title": pull.title,
            "body": pull.body or None,
            "user": self.user(pull.author),
            "draft": pull.draft,
            "requested_reviewers": [self.user(each) for each in pull.reviewers],
            "requested_teams": [self.team(record, each) | {"parent": None} for each in pull.team_reviewers],
            "head": self._head(record, pull, account),
            "base": self._end(record, pull.base, pull.base_seen or pull.base_sha, account),
            "merge_commit_sha": pull.merge_commit_sha,
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "merged_at": moment(pull.merged_at),
        }

    def _auto_merge(self, pull: Pull) -> Json | None:
        wanted = pull.auto_merge
        texts = {"commit_title": pull.title, "commit_message": ""}
        return {"enabled_by": self.user(wanted.user), "merge_method": wanted.method, **texts} if wanted else None

    def whole_pull(
        self, record: RepositoryRecord, pull: Pull, account: Account | None, merging: Mergeability, sizes: Json
    ) -> Json:
        """As it is answered alone; `sizes`: how many commits, files and lines it changes."""
        return self.pull(record, pull, account) | {
            "requested_teams": [self.team(record, each) for each in pull.team_reviewers],
            "merged": pull.merged_at is not None,
            "mergeable": merging.mergeable,
            "mergeable_state": merging.state.value,
            "merge_commit_sha": merging.commit,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": sum(each.pull == pull.number for each in record.comments),
            "review_comments": sum(each.pull == pull.number for each in record.review_comments),
            "maintainer_can_modify": False,
            **sizes,
        }

    def commit(self, record: RepositoryRecord, commit: Commit) -> Json:
        return {
            "sha": commit.sha,
            "node_id": commit.sha,
            "url": f"{self.api(record)}/commits/{commit.sha}",
            "html_url": f"{self.page(record)}/commit/{commit.sha}",
            "comments_url": f"{self.api(record)}/commits/{commit.sha}/comments",
            "commit": {
                "message": commit.message,
                "author": _signature(commit.author),
                "committer": _signature(commit.committer),
                "comment_count": 0,
                "tree": {"sha": commit.tree, "url": f"{self.api(record)}/git/trees/{commit.tree}"},
                "url": f"{self.api(record)}/git/commits/{commit.sha}",
            },
            "author": None,  # of no account, as far as its address says
            "committer": None,
            "parents": [{"sha": each, "url": f"{self.api(record)}/commits/{each}"} for each in commit.parents],
        }

    def branch(self, record: RepositoryRecord, name: str, commit: Commit) -> Json:
        api, page = f"{self.api(record)}/branches/{name}", f"{self.page(record)}/tree/{name}"
        return {
            "name": name,
            "commit": self.commit(record, commit),
            "_links": {"self": api, "html": page},
            "protected": record.is_protected,
            "protection": {"enabled": record.is_protected},
            "protection_url": f"{api}/protection",
        }

    def review(self, record: RepositoryRecord, review: Review) -> Json:
        page = f"{self.page(record)}/pull/{review.pull}#pullrequestreview-{review.id}"
        pull = f"{self.api(record)}/pulls/{review.pull}"
        return {
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.author(review.user),
            "body": review.body,
            "state": review.state.value,
            "html_url": page,
            "pull_request_url": pull,
            "_links": {"html": {"href": page}, "pull_request": {"href": pull}},
            "author_association": record.association(review.user),
            "commit_id": review.commit_id,
            "submitted_at": moment(review.submitted_at),
        }

    def review_comment(self, record: RepositoryRecord, comment: LineComment) -> Json:
        answers = {"in_reply_to_id": comment.in_reply_to} if comment.in_reply_to else {}
        own = f"{self.api(record)}/pulls/comments/{comment.id}"
        page = f"{self.page(record)}/pull/{comment.pull}#discussion_r{comment.id}"
        pull = f"{self.api(record)}/pulls/{comment.pull}"
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
            "url": own,
            "html_url": page,
            "pull_request_url": pull,
            "_links": {"self": {"href": own}, "html": {"href": page}, "pull_request": {"href": pull}},
            "author_association": record.association(comment.user),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
            **answers,
        }

    def comment(self, record: RepositoryRecord, comment: Comment) -> Json:
        kind = "issues" if record.issue(comment.pull) else "pull"
        return {
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "url": f"{self.api(record)}/issues/comments/{comment.id}",
            "issue_url": f"{self.api(record)}/issues/{comment.pull}",
            "user": self.author(comment.user),
            "body": comment.body,
            "html_url": f"{self.page(record)}/{kind}/{comment.pull}#issuecomment-{comment.id}",
            "author_association": record.association(comment.user),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at or comment.created_at),
        }

    def _head(self, record: RepositoryRecord, pull: Pull, account: Account | None) -> Json:
        """As the base's end, but of the fork that it may come from."""
        end = self._end(record, pull.head, pull.head_sha, account)
        if not pull.head_repository:
            return end
        fork = self.repository(record, account, pull.head_repository)
        return end | {"label": pull.label(record.owner), "user": fork["owner"], "repo": fork}

    def _end(self, record: RepositoryRecord, branch: str, sha: str, account: Account | None) -> Json:
        return {
            "label": f"{record.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(record.owner),
            "repo": self.repository(record, account),
        }


def pull_node(record: RepositoryRecord, pull: Pull) -> str:
    return node_id("PullRequest", pull.id)


def thread_node(record: RepositoryRecord, first: LineComment) -> str:
    """Of the conversation that begins with `first`."""
    return b64encode(f"PullRequestReviewThread:{record.id}:{first.id}".encode()).decode()


def _signature(signature: Signature) -> Json:
    return {"name": signature.name, "email": signature.email, "date": signature.at}
