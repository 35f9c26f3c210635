"""Checks, statuses and the runs of Actions as GitHub's REST API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fakes.forge.addresses import account_id, moment
from fakes.forge.bare_git import Commit
from fakes.forge.check_records import Annotation, CheckRun, CheckStatus, CommitStatus
from fakes.forge.github.shapes_places import Json, Places, node_id
from fakes.forge.merge_records import QUEUE_BRANCHES
from fakes.forge.records import RepositoryRecord

WORKFLOW = ".github/workflows/checks.yml"


class CheckShapes(Places):
    """Everything that says whether a commit is good."""

    def check(self, record: RepositoryRecord, check: CheckRun) -> Json:
        return {
            "id": check.id,
            "node_id": node_id("CheckRun", check.id),
            "external_id": str(check.id),
            "name": check.name,
            "head_sha": check.head_sha,
            "status": check.status.value,
            "conclusion": _conclusion(check),
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
            "app": self.app(check.app, record.created_at),
            "check_suite": {"id": check.run_id},
            "pull_requests": [],
        }

    def app(self, slug: str, since: datetime) -> Json:
        return {
            "id": account_id(slug),
            "node_id": node_id("App", account_id(slug)),
            "slug": slug,
            "name": slug,
            "owner": self.user("apps"),
            "description": "",
            "external_url": f"{self.url}/apps/{slug}",
            "html_url": f"{self.url}/apps/{slug}",
            "created_at": moment(since),
            "updated_at": moment(since),
            "permissions": {"checks": "write", "metadata": "read"},
            "events": [],
        }

    def annotation(self, record: RepositoryRecord, check: CheckRun, annotation: Annotation) -> Json:
        blob = f"{self.page(record)}/blob/{check.head_sha}/{annotation.path}"
        empty = dict.fromkeys(("start_column", "end_column", "raw_details"))
        return annotation.model_dump() | {**empty, "blob_href": blob}

    def job(self, record: RepositoryRecord, check: CheckRun) -> Json:
        """The job of Actions behind a check run."""
        steps = [
            {"name": each.name, "number": number, "status": "completed", "conclusion": each.conclusion.value}
            for number, each in enumerate(check.steps, 1)
        ]
        return {
            "id": check.id,
            "run_id": check.run_id,
            "run_url": f"{self.api(record)}/actions/runs/{check.run_id}",
            "run_attempt": check.attempt,
            "node_id": node_id("CheckRun", check.id),
            "name": check.name,
            "workflow_name": "checks",
            "head_sha": check.head_sha,
            "head_branch": None,
            "url": f"{self.api(record)}/actions/jobs/{check.id}",
            "status": check.status.value,
            "conclusion": _conclusion(check),
            "html_url": self.job_page(record, check),
            "check_run_url": f"{self.api(record)}/check-runs/{check.id}",
            "created_at": moment(check.started_at),
            "started_at": moment(check.started_at),
            "completed_at": moment(check.completed_at),
            "labels": [],
            **dict.fromkeys(("runner_id", "runner_name", "runner_group_id", "runner_group_name")),
            "steps": steps,
        }

    def workflow(self, record: RepositoryRecord) -> Json:
        """The one that all runs are of (from memory: the description at hand lacks it)."""
        page = self.page(record)
        return {
            "id": record.id,
            "node_id": node_id("Workflow", record.id),
            "name": "checks",
            "path": WORKFLOW,
            "state": "active",
            "created_at": moment(record.created_at),
            "updated_at": moment(record.created_at),
            "url": f"{self.api(record)}/actions/workflows/{record.id}",
            "html_url": f"{page}/blob/{record.default_branch}/{WORKFLOW}",
            "badge_url": f"{page}/workflows/checks/badge.svg",
        }

    def workflow_run(self, record: RepositoryRecord, jobs: Sequence[CheckRun], branch: str | None) -> Json:
        """The run of Actions that has these jobs, in the newest attempt; a check that joins none has one of its own."""
        check = max(jobs, key=lambda each: (each.status is not CheckStatus.COMPLETED, each.failed, each.attempt))
        attempt, number = max(each.attempt for each in jobs), check.run_id
        fork, api = check.head_repository, f"{self.api(record)}/actions/runs/{number}"
        earlier = f"{api}/attempts/{attempt - 1}" if attempt > 1 else None
        actor = self.user((fork or record.full_name).partition("/")[0])
        return {
            "id": number,
            "name": "checks",
            "display_title": check.name,
            "node_id": node_id("WorkflowRun", number),
            "check_suite_id": number,
            "run_attempt": attempt,
            "previous_attempt_url": earlier,
            "head_branch": branch,
            "head_sha": check.head_sha,
            "head_commit": None,
            "path": WORKFLOW,
            "run_number": number,
            "event": "merge_group" if branch and branch.startswith(QUEUE_BRANCHES) else "pull_request",
            "status": check.status.value,
            "conclusion": check.conclusion.value if check.conclusion else None,
            "workflow_id": record.id,
            "pull_requests": [],
            "actor": actor,
            "triggering_actor": actor,
            "created_at": moment(check.started_at),
            "updated_at": moment(check.completed_at or check.started_at),
            "run_started_at": moment(check.started_at),
            "repository": self.minimal_repository(record),
            "head_repository": self.minimal_repository(record, fork),
            "url": api,
            "html_url": f"{self.page(record)}/actions/runs/{number}",
            **{f"{name}_url": f"{api}/{name}" for name in ("jobs", "logs", "artifacts", "cancel", "rerun")},
            "check_suite_url": f"{self.api(record)}/check-suites/{number}",
            "workflow_url": f"{self.api(record)}/actions/workflows/{record.id}",
        }

    def suite(self, record: RepositoryRecord, check: CheckRun, commit: Commit) -> Json:
        """The suite that a check run belongs to: one for each run of Actions."""
        return {
            "id": check.run_id,
            "node_id": node_id("CheckSuite", check.run_id),
            "head_branch": None,
            "head_sha": check.head_sha,
            "status": check.status.value,
            "conclusion": check.conclusion.value if check.conclusion else None,
            "url": f"{self.api(record)}/check-suites/{check.run_id}",
            "before": None,
            "after": check.head_sha,
            "pull_requests": [],
            "app": self.app(check.app, record.created_at),
            "repository": self.minimal_repository(record),
            "created_at": moment(check.started_at),
            "updated_at": moment(check.completed_at or check.started_at),
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.tree,
                "message": commit.message,
                "timestamp": commit.committer.at,
                "author": {"name": commit.author.name, "email": commit.author.email},
                "committer": {"name": commit.committer.name, "email": commit.committer.email},
            },
            "latest_check_runs_count": 0 if check.is_suite_alone else 1,
            "check_runs_url": f"{self.api(record)}/check-suites/{check.run_id}/check-runs",
        }

    def combined_status(self, record: RepositoryRecord, sha: str, state: str, total: int, statuses: list[Json]) -> Json:
        """The newest of each context, with what they come to; in it, a status doesn't say who has set it."""
        return {
            "state": state,
            "sha": sha,
            "total_count": total,
            "statuses": [{name: value for name, value in each.items() if name != "creator"} for each in statuses],
            "repository": self.minimal_repository(record),
            "commit_url": f"{self.api(record)}/commits/{sha}",
            "url": f"{self.api(record)}/commits/{sha}/status",
        }

    def status(self, record: RepositoryRecord, status: CommitStatus) -> Json:
        return {
            "id": status.id,
            "node_id": node_id("StatusContext", status.id),
            "url": f"{self.api(record)}/statuses/{status.sha}",
            "avatar_url": None,
            "context": status.context,
            "state": status.state.value,
            "description": status.description or None,
            "target_url": status.target_url or None,
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
            "creator": self.user(record.owner),
        }


def _conclusion(check: CheckRun) -> str | None:
    return check.conclusion.value if check.conclusion else None
