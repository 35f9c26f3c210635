"""GitLab's REST: pipelines, their jobs and bridges, logs, and statuses of commits."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.calling import ApiAnswer, Routes
from fakes.forge.check_records import CheckRun, StatusState
from fakes.forge.gitlab.calling import PROJECT, GitLabCall, Said, route
from fakes.forge.gitlab.merge_requests import REQUEST
from fakes.forge.gitlab.shapes_checks import CheckShapes, Pipeline, pipeline_at, pipelines_of, status_of
from fakes.forge.runs import begin_again
from fakes.forge.statuses import add_status
from fakes.forge.store import Repository

_PIPELINE = f"{PROJECT}/pipelines/{{pipeline:int}}"
_STATES = {
    "pending": StatusState.PENDING,
    "running": StatusState.PENDING,
    "success": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
    "canceled": StatusState.ERROR,
}


class StatusBody(BaseModel):
    state: str
    name: str | None = None
    context: str | None = None
    description: str = ""
    target_url: str = ""


def routes(api: Routes) -> list[Route]:
    return [
        route(api, f"{REQUEST}/pipelines", GET=list_of_request),
        route(api, f"{PROJECT}/pipelines", GET=list_pipelines),
        route(api, _PIPELINE, GET=get_pipeline),
        route(api, f"{_PIPELINE}/retry", POST=run_failed_again),
        route(api, f"{_PIPELINE}/jobs", GET=list_jobs),
        route(api, f"{_PIPELINE}/bridges", GET=list_bridges),
        route(api, f"{PROJECT}/jobs/{{job:int}}", GET=get_job),
        route(api, f"{PROJECT}/jobs/{{job:int}}/trace", GET=get_trace),
        route(api, f"{PROJECT}/repository/commits/{{sha}}/statuses", GET=list_statuses),
        route(api, f"{PROJECT}/statuses/{{sha}}", POST=set_status),
    ]


async def list_of_request(call: GitLabCall) -> ApiAnswer:
    """Those that other pipelines have started are not told."""
    repository, pull = await call.pull()
    found = pipelines_of(repository.record, pull.head_sha)[:1]
    return call.listed([CheckShapes(call.forge.url).pipeline(repository.record, each) for each in found])


async def list_pipelines(call: GitLabCall) -> ApiAnswer:
    """Of a commit, or of all; the newest first."""
    record, shapes = call.repository().record, CheckShapes(call.forge.url)
    shas = [each.head_sha for each in record.checks] + [each.sha for each in record.statuses]
    found = [pipelines_of(record, each)[0] for each in dict.fromkeys(reversed(shas))]
    shown = [shapes.pipeline(record, each) for each in found]
    wanted = {name: call.query(name) for name in ("sha", "ref", "status")}
    return call.listed([each for each in shown if all(value in ("", each[name]) for name, value in wanted.items())])


async def get_pipeline(call: GitLabCall) -> ApiAnswer:
    repository, found = _pipeline(call)
    return ApiAnswer(CheckShapes(call.forge.url).whole_pipeline(repository.record, found))


async def run_failed_again(call: GitLabCall) -> ApiAnswer:
    """What was cancelled, too, and while others of its jobs run; what waits for a person goes on waiting."""
    repository, found = _pipeline(call)
    ended = [each for each in found.latest if status_of(each) in ("failed", "canceled")]
    if ended:
        await begin_again(repository, ended)
    again = pipeline_at(repository.record, found.id)
    assert again is not None  # no job was taken away
    return ApiAnswer(CheckShapes(call.forge.url).whole_pipeline(repository.record, again), 201)


async def list_jobs(call: GitLabCall) -> ApiAnswer:
    repository, found = _pipeline(call)
    shown = found.jobs if call.query("include_retried") == "true" else found.latest
    shapes = CheckShapes(call.forge.url)
    return call.listed([shapes.job(repository.record, found, each) for each in shown])


async def list_bridges(call: GitLabCall) -> ApiAnswer:
    repository, found = _pipeline(call)
    shapes, below = CheckShapes(call.forge.url), pipelines_of(repository.record, found.sha)[1:]
    return call.listed([] if found.below else [shapes.bridge(repository.record, found, each) for each in below])


async def get_job(call: GitLabCall) -> ApiAnswer:
    repository, job = _job(call)
    found = next(each for each in pipelines_of(repository.record, job.head_sha) if job in each.jobs)
    return ApiAnswer(CheckShapes(call.forge.url).job(repository.record, found, job))


async def get_trace(call: GitLabCall) -> ApiAnswer:
    return ApiAnswer(text=_job(call)[1].log)


async def list_statuses(call: GitLabCall) -> ApiAnswer:
    repository = call.repository()
    sha = await repository.git.resolve(call.part("sha"))
    if sha is None:
        raise Said(404, "404 Commit Not Found")
    found = pipelines_of(repository.record, sha)
    return call.listed(CheckShapes(call.forge.url).statuses(repository.record, found))


async def set_status(call: GitLabCall) -> ApiAnswer:
    repository, body = call.repository(), await call.body(StatusBody)
    sha = await repository.git.resolve(call.part("sha"))
    if sha is None:
        raise Said(404, "404 Commit Not Found")
    if body.state not in _STATES:
        raise Said(400, "state does not have a valid value", field="error")
    name = body.name or body.context or "default"
    status = await add_status(repository, sha, _STATES[body.state], name, body.description, body.target_url)
    found = pipelines_of(repository.record, sha)[0]
    return ApiAnswer(CheckShapes(call.forge.url).status(repository.record, found, status), 201)


def _pipeline(call: GitLabCall) -> tuple[Repository, Pipeline]:
    repository = call.repository()
    found = pipeline_at(repository.record, call.number("pipeline"))
    if found is None:
        raise Said(404, "404 Not found")
    return repository, found


def _job(call: GitLabCall) -> tuple[Repository, CheckRun]:
    repository, number = call.repository(), call.number("job")
    found = next((each for each in repository.record.checks if each.id == number), None)
    if found is None:
        raise Said(404, "404 Not found")
    return repository, found
