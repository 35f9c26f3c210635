"""Statuses of commits, and the runs and jobs of Actions, in the JSON of Gitea's API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fakes.forge.addresses import account_id
from fakes.forge.check_records import CheckRun, CheckStatus, CommitStatus, Conclusion
from fakes.forge.gitea.shapes_places import Json, PlaceShapes, moment
from fakes.forge.records import Pull, RepositoryRecord
from fakes.forge.runs import attempts_of, newest_of

_CONCLUSIONS = {Conclusion.TIMED_OUT: "failure", Conclusion.STARTUP_FAILURE: "failure", Conclusion.NEUTRAL: "skipped"}
"""What Actions there has no word for."""
_STATUS_WORDS = {
    Conclusion.SUCCESS: "success",
    Conclusion.NEUTRAL: "success",
    Conclusion.SKIPPED: "skipped",
    Conclusion.STALE: "pending",
    Conclusion.ACTION_REQUIRED: "pending",
    Conclusion.CANCELLED: "warning",
}


class CheckShapes(PlaceShapes):
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

    def run(self, record: RepositoryRecord, jobs: Sequence[CheckRun]) -> Json:
        """The run of the workflow that has these jobs, in every attempt."""
        check = max(newest_of(jobs), key=lambda each: (each.status is not CheckStatus.COMPLETED, each.failed))
        page, times, attempt = self.run_page(record, check), self._times(check), attempts_of(jobs)
        at = f"{self.url}/api/v1/repos/{record.full_name}/actions/runs/{check.run_id}"
        earlier = {"previous_attempt_url": f"{at}/attempts/{attempt - 1}"} if attempt > 1 else {}
        return {
            "id": check.run_id,
            "url": at,
            "html_url": page,
            "display_title": check.name,
            "path": "checks.yml@refs/heads/main",
            "event": "pull_request" if check.of_pull or check.head_repository else "push",
            "pull_requests": self._pulls_of(record, check),
            "run_attempt": attempt,
            **earlier,
            "run_number": check.run_id,
            "repository_id": record.id,
            "head_sha": check.head_sha,
            "head_branch": check.branch or record.default_branch,
            **self._ended(check),
            "actor": self.user(record.owner),
            "trigger_actor": self.user(record.owner),
            "repository": self.repository(record, may_write=False),
            **times,
        }

    def _pulls_of(self, record: RepositoryRecord, check: CheckRun) -> list[Json]:
        """Of a push all open ones of its branch; no run says for which repository it ran."""
        if check.of_pull or check.head_repository:
            found = [each for each in record.pulls if each.number == check.of_pull]
        else:
            own = (each for each in record.pulls if each.is_open and not each.head_repository)
            found = [each for each in own if each.head == check.branch]
        return [self._pull_of(record, each, check.head_sha) for each in found]

    def _pull_of(self, record: RepositoryRecord, pull: Pull, sha: str) -> Json:
        at = f"{self.url}/api/v1/repos"

        def side(ref: str, sha: str, fork: str) -> Json:
            whole = fork or record.full_name
            repo = {"id": account_id(fork) if fork else record.id, "url": f"{at}/{whole}", "name": whole.split("/")[1]}
            return {"ref": ref, "sha": sha, "repo": repo}

        return {
            "id": pull.id,
            "number": pull.number,
            "url": f"{at}/{record.full_name}/pulls/{pull.number}",
            "head": side(pull.head, sha, pull.head_repository),
            "base": side(pull.base, pull.base_sha, ""),
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
            "run_id": check.run_id,
            "run_url": f"{at}/runs/{check.run_id}",
            "name": check.name,
            "labels": ["linux"],
            "run_attempt": check.attempt,
            "head_sha": check.head_sha,
            "head_branch": check.branch or record.default_branch,
            "runner_id": 1,
            "runner_name": "one",
            "steps": steps,
            **self._ended(check),
            "created_at": moment(check.started_at),
            **self._times(check),
        }

    def run_page(self, record: RepositoryRecord, check: CheckRun) -> str:
        return f"{self.page(record)}/actions/runs/{check.run_id}"

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
