"""REST: check runs, commit statuses, and the jobs of Actions behind them."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.check_records import CheckRun, CheckStatus, CommitStatus, StatusState
from fakes.forge.forge import Forge
from fakes.forge.github.shapes import Shapes
from fakes.forge.runs import begin_again, newest_of, runs_of
from fakes.forge.statuses import add_status
from fakes.forge.store import Repository

_REPOSITORY = "/repos/{owner}/{repo}"


class StatusBody(BaseModel):
    state: StatusState
    context: str = "default"
    description: str = ""
    target_url: str = ""


def routes(api: Routes) -> list[Route]:
    return [
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/check-runs", GET=list_checks),
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/check-suites", GET=list_suites),
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/status", GET=combined_status),
        api.route(f"{_REPOSITORY}/commits/{{ref:path}}/statuses", GET=list_statuses),
        api.route(f"{_REPOSITORY}/statuses/{{ref}}", POST=set_status),
        api.route(f"{_REPOSITORY}/check-runs/{{id:int}}", GET=get_check),
        api.route(f"{_REPOSITORY}/check-runs/{{id:int}}/annotations", GET=list_annotations),
        api.route(f"{_REPOSITORY}/actions/workflows", GET=list_workflows),
        api.route(f"{_REPOSITORY}/actions/workflows/{{id:int}}", GET=get_workflow),
        api.route(f"{_REPOSITORY}/actions/runs", GET=list_runs),
        api.route(f"{_REPOSITORY}/actions/runs/{{id:int}}", GET=get_run),
        api.route(f"{_REPOSITORY}/actions/runs/{{id:int}}/jobs", GET=list_jobs),
        api.route(f"{_REPOSITORY}/actions/runs/{{id:int}}/artifacts", GET=list_artifacts),
        api.route(f"{_REPOSITORY}/actions/runs/{{id:int}}/rerun-failed-jobs", POST=run_failed_again),
        api.route(f"{_REPOSITORY}/actions/jobs/{{id:int}}", GET=get_job),
        api.route(f"{_REPOSITORY}/actions/jobs/{{id:int}}/logs", GET=job_log),
    ]


def log_route(forge: Forge) -> Route:
    """Where a job's log really lies; GitHub's API redirects to such an address, which needs no token."""

    async def log(request: Request) -> Response:
        for repository in forge.store.all():
            for check in repository.record.checks:
                if check.id == request.path_params["id"]:
                    return PlainTextResponse(check.log)
        return PlainTextResponse("not found\n", 404)

    return Route("/assets/logs/{id:int}.txt", log)


async def list_checks(call: Call) -> ApiAnswer:
    repository, sha = await _commit(call)
    record, name = repository.record, call.request.query_params.get("check_name")
    found = [each for each in record.checks_of(sha) if name in (None, each.name) and not each.is_suite_alone]
    page, headers = call.page(found)
    runs = [Shapes(call.forge.url).check(record, each) for each in page]
    return ApiAnswer({"total_count": len(found), "check_runs": runs}, headers=headers)


async def list_suites(call: Call) -> ApiAnswer:
    repository, sha = await _commit(call)
    found = list({each.run_id: each for each in repository.record.checks_of(sha)}.values())
    page, headers = call.page(found)
    commit = await repository.git.commit(sha)
    suites = [Shapes(call.forge.url).suite(repository.record, each, commit) for each in page]
    return ApiAnswer({"total_count": len(found), "check_suites": suites}, headers=headers)


async def combined_status(call: Call) -> ApiAnswer:
    repository, sha = await _commit(call)
    statuses = repository.record.statuses_of(sha)
    page, headers = call.page(statuses)
    shown, record = Shapes(call.forge.url), repository.record
    listed = [shown.status(record, each) for each in page]
    shape = shown.combined_status(record, sha, _combined(statuses).value, len(statuses), listed)
    return ApiAnswer(shape, headers=headers)


async def list_statuses(call: Call) -> ApiAnswer:
    repository, sha = await _commit(call)
    found, headers = call.page([each for each in reversed(repository.record.statuses) if each.sha == sha])
    return ApiAnswer([Shapes(call.forge.url).status(repository.record, each) for each in found], headers=headers)


async def set_status(call: Call) -> ApiAnswer:
    (repository, sha), wanted = await _commit(call), await call.body(StatusBody)
    made = await add_status(repository, sha, wanted.state, wanted.context, wanted.description, wanted.target_url)
    shape = Shapes(call.forge.url).status(repository.record, made)
    return ApiAnswer(shape, 201, headers={"Location": shape["url"]})


async def get_check(call: Call) -> ApiAnswer:
    repository, check = _check(call)
    return ApiAnswer(Shapes(call.forge.url).check(repository.record, check))


async def list_annotations(call: Call) -> ApiAnswer:
    repository, check = _check(call)
    found, headers = call.page(check.annotations)
    shown = [Shapes(call.forge.url).annotation(repository.record, check, each) for each in found]
    return ApiAnswer(shown, headers=headers)


async def list_workflows(call: Call) -> ApiAnswer:
    """All runs here are of one."""
    page, headers = call.page([Shapes(call.forge.url).workflow(call.repository().record)])
    return ApiAnswer({"total_count": 1, "workflows": list(page)}, headers=headers)


async def get_workflow(call: Call) -> ApiAnswer:
    record = call.repository().record
    if call.number("id") != record.id:
        raise not_found()
    return ApiAnswer(Shapes(call.forge.url).workflow(record))


async def list_runs(call: Call) -> ApiAnswer:
    """The newest first."""
    repository, query = call.repository(), call.request.query_params
    record = repository.record
    shown = [
        Shapes(call.forge.url).workflow_run(record, newest_of(jobs), await _branch_of(repository, jobs[0]))
        for jobs in runs_of(record, query.get("head_sha")).values()
    ]
    wanted = {"head_branch": query.get("branch"), "check_suite_id": query.get("check_suite_id")}
    wanted |= {"event": query.get("event")}
    found = [
        each
        for each in shown
        if all(value is None or str(each[name]) == value for name, value in wanted.items())
        and query.get("status") in (None, each["status"], each["conclusion"])
    ]
    page, headers = call.page(found)
    return ApiAnswer({"total_count": len(found), "workflow_runs": list(page)}, headers=headers)


async def get_run(call: Call) -> ApiAnswer:
    repository, jobs = _run(call)
    newest = newest_of(jobs)
    branch = await _branch_of(repository, newest[0])
    return ApiAnswer(Shapes(call.forge.url).workflow_run(repository.record, newest, branch))


async def list_jobs(call: Call) -> ApiAnswer:
    repository, jobs = _run(call)
    kept = jobs if call.request.query_params.get("filter") == "all" else newest_of(jobs)
    shown = [Shapes(call.forge.url).job(repository.record, each) for each in kept if not each.is_suite_alone]
    page, headers = call.page(shown)
    return ApiAnswer({"total_count": len(shown), "jobs": list(page)}, headers=headers)


async def list_artifacts(call: Call) -> ApiAnswer:
    """Nothing that has run here leaves any."""
    _run(call)
    return ApiAnswer({"total_count": 0, "artifacts": []})


async def run_failed_again(call: Call) -> ApiAnswer:
    repository, jobs = _run(call)
    newest = newest_of(jobs)
    if any(each.status is not CheckStatus.COMPLETED for each in newest):
        raise Answered(403, "This workflow is already running")
    await begin_again(repository, newest)
    return ApiAnswer({}, 201)


def _run(call: Call) -> tuple[Repository, list[CheckRun]]:
    """All jobs of a run, in every attempt."""
    repository, number = call.repository(), call.number("id")
    jobs = [each for each in repository.record.checks if each.run_id == number]
    if not jobs:
        raise not_found()
    return repository, jobs


async def _branch_of(repository: Repository, check: CheckRun) -> str | None:
    """The branch that it ran for: of a pull request with that head, else one that holds the commit."""
    for pull in repository.record.pulls:
        if pull.head_sha == check.head_sha:
            return pull.head
        for turn in pull.queue_turns:
            if turn.entry.group == check.head_sha:
                return turn.entry.branch
    for name, sha in (await repository.git.branches()).items():
        if await repository.git.is_ancestor(check.head_sha, sha):
            return name
    return None


async def get_job(call: Call) -> ApiAnswer:
    repository, check = _check(call)
    return ApiAnswer(Shapes(call.forge.url).job(repository.record, check))


async def job_log(call: Call) -> ApiAnswer:
    _, check = _check(call)
    return ApiAnswer(text="", status=302, headers={"Location": f"{call.forge.log_host}/assets/logs/{check.id}.txt"})


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


def _combined(statuses: tuple[CommitStatus, ...]) -> StatusState:
    states = {each.state for each in statuses}
    if states & {StatusState.FAILURE, StatusState.ERROR}:
        return StatusState.FAILURE
    # GitHub says pending where there is none at all.
    return StatusState.PENDING if not states or StatusState.PENDING in states else StatusState.SUCCESS
