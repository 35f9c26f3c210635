"""What GitLab shows of merge requests."""

from __future__ import annotations

import re

from fakes.forge.addresses import account_id
from fakes.forge.bare_git import BareRepository
from fakes.forge.check_records import CheckStatus, StatusState
from fakes.forge.gitlab.shapes import Json, Shapes, moment
from fakes.forge.merges import Mergeability, MergeableState
from fakes.forge.protection import Protection
from fakes.forge.records import Pull, RepositoryRecord, ReviewState

DRAFT = re.compile(r"^\s*(?:\[draft\]|\(draft\)|draft:)\s*", re.IGNORECASE)
"""What makes a draft of a merge request: nothing but its title."""


def title_of(pull: Pull) -> str:
    """With the mark of a draft, though the pull request may have become one at another API."""
    return f"{pull.draft_mark or 'Draft: '}{pull.title}" if pull.draft else pull.title


def drafted(title: str) -> tuple[str, str]:
    """What makes a draft of it, and the rest."""
    found = DRAFT.match(title)
    return (title[: found.end()], title[found.end() :]) if found else ("", title)


def merge_request(shapes: Shapes, record: RepositoryRecord, pull: Pull) -> Json:
    """As in a list, where nobody looks anew at whether it can be merged."""
    state = "merged" if pull.merged_at else "opened" if pull.is_open else "closed"
    merged_by = shapes.user(pull.merged_by) if pull.merged_by else None
    counts = {"count": 0, "completed_count": 0}
    notes = [*(each.pull for each in record.comments), *(each.pull for each in record.review_comments)]
    source = account_id(pull.head_repository) if pull.head_repository else record.id
    settled = all(each.resolved_by for each in record.review_comments if is_first(pull, each.pull, each.in_reply_to))
    return {
        "id": pull.id,
        "iid": pull.number,
        "project_id": record.id,
        "title": title_of(pull),
        "description": pull.body or None,
        "state": "locked" if pull.is_open and record.locked else state,
        "created_at": moment(pull.created_at),
        "updated_at": moment(pull.updated_at),
        "merged_by": merged_by,
        "merge_user": merged_by,
        "merged_at": moment(pull.merged_at),
        "closed_by": None,
        "closed_at": None if pull.merged_at else moment(pull.closed_at),
        "target_branch": pull.base,
        "source_branch": pull.head,
        "user_notes_count": notes.count(pull.number),
        "upvotes": 0,
        "downvotes": 0,
        "author": shapes.user(pull.author),
        "assignees": [shapes.user(each) for each in pull.assignees],
        "assignee": shapes.user(pull.assignees[0]) if pull.assignees else None,
        "reviewers": [shapes.user(each) for each in pull.reviewers],
        "source_project_id": source,
        "target_project_id": record.id,
        "labels": list(pull.labels),
        "draft": pull.draft,
        "imported": False,
        "imported_from": "none",
        "work_in_progress": pull.draft,
        "milestone": shapes.milestone(record, pull.milestone) if pull.milestone else None,
        "merge_when_pipeline_succeeds": pull.auto_merge is not None,
        "merge_status": "unchecked" if pull.is_open else "can_be_merged",
        "detailed_merge_status": "unchecked" if pull.is_open else "not_open",
        "merge_after": None,
        "sha": pull.head_sha,
        "merge_commit_sha": pull.merge_commit_sha if pull.merged_as == "merge" else None,
        "squash_commit_sha": pull.merge_commit_sha if pull.merged_as == "squash" else None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": False,
        "prepared_at": moment(pull.created_at),
        "reference": f"!{pull.number}",
        "references": {
            "short": f"!{pull.number}",
            "relative": f"!{pull.number}",
            "full": f"{record.full_name}!{pull.number}",
        },
        "web_url": shapes.pull_page(record, pull.number),
        "time_stats": {
            "time_estimate": 0,
            "total_time_spent": 0,
            "human_time_estimate": None,
            "human_total_time_spent": None,
        },
        "squash": False,
        "squash_on_merge": False,
        "task_completion_status": counts,
        "has_conflicts": False,
        "blocking_discussions_resolved": settled,
    }


async def whole_merge_request(
    shapes: Shapes,
    record: RepositoryRecord,
    pull: Pull,
    merging: Mergeability,
    git: BareRepository,
    pipeline: Json | None,
) -> Json:
    """As it is answered alone."""
    files = (await git.diff(pull.base_sha, pull.head_sha, "--name-only")).splitlines()
    refs = {"base_sha": pull.base_sha, "head_sha": pull.head_sha, "start_sha": pull.base_sha}
    return merge_request(shapes, record, pull) | {
        **mergeability(record, pull, merging),
        "subscribed": False,
        "changes_count": str(len(files)) if files else None,
        "latest_build_started_at": None,
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": None,
        "head_pipeline": pipeline,
        "diff_refs": refs,
        "merge_error": None,
        "user": {"can_merge": True},
    }


def mergeability(record: RepositoryRecord, pull: Pull, merging: Mergeability) -> Json:
    """The three fields that tell it: the newest names the first reason only, and a draft's hides a conflict."""
    if not pull.is_open:
        return {"merge_status": "can_be_merged", "detailed_merge_status": "not_open", "has_conflicts": False}
    if merging.mergeable is None:
        return {"merge_status": "checking", "detailed_merge_status": "checking", "has_conflicts": False}
    old = "can_be_merged" if merging.mergeable else "cannot_be_merged"
    said = record.detailed_merge_status or _first_reason(record, pull, merging)
    return {"merge_status": old, "detailed_merge_status": said, "has_conflicts": not merging.mergeable}


def last_words(record: RepositoryRecord, pull: Pull) -> dict[str, ReviewState]:
    """The login of each reviewer → what was said last, remarks being no word beside another."""
    last: dict[str, ReviewState] = {}
    for each in record.reviews:
        if each.pull == pull.number and (each.state is not ReviewState.COMMENTED or each.user not in last):
            last[each.user] = each.state
    return last


def is_first(pull: Pull, of: int, asked: int | None) -> bool:
    """Whether a remark of the pull request `of`, an answer to `asked`, begins a discussion of this one."""
    return of == pull.number and asked is None


def _first_reason(record: RepositoryRecord, pull: Pull, merging: Mergeability) -> str:
    checks, statuses = record.checks_of(pull.head_sha), record.statuses_of(pull.head_sha)
    runs = any(each.status is not CheckStatus.COMPLETED for each in checks)
    pending = any(each.state is StatusState.PENDING for each in statuses)
    reasons = {
        "draft_status": pull.draft,
        "ci_still_running": record.only_green and (runs or pending),
        "ci_must_pass": record.only_green and any(each.failed for each in checks),
        "not_approved": bool(Protection(record, pull, is_behind=False).approvals_left),
        "requested_changes": ReviewState.CHANGES_REQUESTED in last_words(record, pull).values(),
        "conflict": not merging.mergeable,
        "need_rebase": merging.state is MergeableState.BEHIND,
    }
    return next((name for name, holds in reasons.items() if holds), "mergeable")
