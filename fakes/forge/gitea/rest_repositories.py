"""Gitea's REST: repository, branches, who may do what, the caller, the server; statuses, and jobs of Actions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.check_records import CheckRun, CheckStatus, StatusState
from fakes.forge.gitea.shapes import GiteaShapes
from fakes.forge.records import RepositoryRecord, Role
from fakes.forge.runs import begin_again, newest_of, runs_of
from fakes.forge.statuses import add_status
from fakes.forge.store import OWN_LOGIN, Repository

_REPOSITORY = "/repos/{owner}/{repo}"
_ACTIONS = f"{_REPOSITORY}/actions"
VERSION = "1.27.3"


class StatusBody(BaseModel):
    state: StatusState
    context: str = "default"
    description: str = ""
    target_url: str = ""


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/version", GET=get_version),
        api.route("/user", GET=get_user),
        api.route(_REPOSITORY, GET=get_repository),
        api.route(f"{_REPOSITORY}/collaborators/{{login}}/permission", GET=get_permission),
        api.route(f"{_REPOSITORY}/branches/{{branch:path}}", GET=get_branch),
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/status", GET=combined_status),
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/statuses", GET=list_statuses),
        api.route(f"{_REPOSITORY}/statuses/{{ref}}", GET=list_statuses, POST=set_status),
        api.route(f"{_ACTIONS}/runs", GET=list_runs),
        api.route(f"{_ACTIONS}/runs/{{id:int}}", GET=get_run),
        api.route(f"{_ACTIONS}/runs/{{id:int}}/jobs", GET=list_jobs),
        api.route(f"{_ACTIONS}/runs/{{id:int}}/attempts/{{attempt:int}}/jobs", GET=list_jobs),
        api.route(f"{_ACTIONS}/runs/{{id:int}}/rerun-failed-jobs", POST=run_failed_again),
        api.route(f"{_ACTIONS}/jobs/{{id:int}}/logs", GET=job_log),
    ]


async def get_version(call: Call) -> ApiAnswer:
    return ApiAnswer({"version": VERSION})


async def get_user(call: Call) -> ApiAnswer:
    return ApiAnswer(GiteaShapes(call.forge.url).user(call.login))


async def get_repository(call: Call) -> ApiAnswer:
    return ApiAnswer(GiteaShapes(call.forge.url).repository(call.repository().record, _may_write(call)))


async def get_permission(call: Call) -> ApiAnswer:
    """Only an administrator of the repository may ask about others (from memory)."""
    record, login = call.repository().record, call.request.path_params["login"]
    asking = call.account.login if call.account else ""
    if not (asking == OWN_LOGIN or record.role(asking) is Role.ADMIN or asking.lower() == login.lower()):
        raise Answered(403, "Only admins can query all permissions, repo admins can query all repo permissions")
    role = Role.ADMIN if login.lower() == OWN_LOGIN else record.role(login)
    everybodys = "none" if record.private else "read"
    permission = role.permission if role else everybodys
    if login.lower() == record.owner.lower():
        permission = "owner"
    user = GiteaShapes(call.forge.url).user(login)
    return ApiAnswer({"permission": permission, "role_name": permission, "user": user})


async def get_branch(call: Call) -> ApiAnswer:
    repository, branch = call.repository(), call.request.path_params["branch"]
    sha = (await repository.git.branches()).get(branch)
    if sha is None:
        raise not_found()
    return ApiAnswer(GiteaShapes(call.forge.url).branch(repository.record, branch, sha))


async def combined_status(call: Call) -> ApiAnswer:
    """The newest of each context: what systems outside have set, and what Actions sets for its jobs."""
    repository, sha = await _commit(call)
    record, shapes = repository.record, GiteaShapes(call.forge.url)
    listed = _statuses(shapes, record, sha)
    page, headers = call.page(listed)
    words = {str(each["status"]) for each in listed}
    worst = ("error", "failure", "warning", "pending", "success", "skipped")
    at = f"{call.forge.url}/api/v1/repos/{record.full_name}/commits/{sha}"
    answer = {
        "state": next((each for each in worst if each in words), "pending"),
        "sha": sha,
        "total_count": len(listed),
        "statuses": list(page) or None,
        "repository": shapes.repository(record, _may_write(call)),
        "commit_url": at,
        "url": f"{at}/status",
    }
    return ApiAnswer(answer, headers=headers)


async def list_statuses(call: Call) -> ApiAnswer:
    repository, sha = await _commit(call)
    page, headers = call.page(_statuses(GiteaShapes(call.forge.url), repository.record, sha))
    return ApiAnswer(list(page), headers=headers)


async def set_status(call: Call) -> ApiAnswer:
    (repository, sha), wanted = await _commit(call), await call.body(StatusBody)
    made = await add_status(repository, sha, wanted.state, wanted.context, wanted.description, wanted.target_url)
    return ApiAnswer(GiteaShapes(call.forge.url).status(repository.record, made), 201)


async def list_runs(call: Call) -> ApiAnswer:
    """The newest first."""
    record, query = call.repository().record, call.request.query_params
    shapes = GiteaShapes(call.forge.url)
    shown = [shapes.run(record, jobs) for jobs in runs_of(record, query.get("head_sha")).values()]
    found = [
        each
        for each in shown
        if query.get("branch") in (None, each["head_branch"])
        and query.get("status") in (None, each["status"], each["conclusion"])
    ]
    page, headers = call.page(found)
    return ApiAnswer({"total_count": len(found), "workflow_runs": list(page)}, headers=headers)


async def get_run(call: Call) -> ApiAnswer:
    repository, jobs = _run(call)
    return ApiAnswer(GiteaShapes(call.forge.url).run(repository.record, jobs))


async def list_jobs(call: Call) -> ApiAnswer:
    """Of the newest attempt, or of an earlier one."""
    repository, jobs = _run(call)
    attempt = call.request.path_params.get("attempt")
    kept = [each for each in newest_of(jobs, attempt) if not each.is_suite_alone]
    page, headers = call.page([GiteaShapes(call.forge.url).job(repository.record, each) for each in kept])
    return ApiAnswer({"total_count": len(page), "jobs": list(page)}, headers=headers)


async def run_failed_again(call: Call) -> ApiAnswer:
    """What was cancelled, too."""
    repository, jobs = _run(call)
    newest = newest_of(jobs)
    if any(each.status is not CheckStatus.COMPLETED for each in newest):
        raise Answered(400, "this workflow run is not done")
    if not any(each.failed for each in newest):
        raise Answered(400, "this workflow run has no failed jobs to re-run")
    await begin_again(repository, newest)
    return ApiAnswer(text="", status=201)


async def job_log(call: Call) -> ApiAnswer:
    """The text itself, unlike GitHub."""
    _, check = _check(call)
    return ApiAnswer(text=check.log)


def _statuses(shapes: GiteaShapes, record: RepositoryRecord, sha: str) -> list[dict[str, Any]]:
    jobs = [each for each in record.checks_of(sha) if not each.is_suite_alone]
    said = [shapes.status(record, each) for each in record.statuses_of(sha)]
    return said + [shapes.status_of_job(record, each) for each in jobs]


def _run(call: Call) -> tuple[Repository, list[CheckRun]]:
    """All jobs of a run, in every attempt."""
    repository = call.repository()
    jobs = runs_of(repository.record, None).get(call.number("id"))
    if jobs is None:
        raise not_found()
    return repository, jobs


def _check(call: Call) -> tuple[Repository, CheckRun]:
    repository, number = call.repository(), call.number("id")
    found = next((each for each in repository.record.checks if each.id == number), None)
    if found is None:
        raise not_found()
    return repository, found


async def _commit(call: Call) -> tuple[Repository, str]:
    repository = call.repository()
    sha = await repository.git.resolve(call.request.path_params["ref"])
    if sha is None:
        raise not_found()
    return repository, sha


def _may_write(call: Call) -> bool:
    return call.account is not None and call.account.write
