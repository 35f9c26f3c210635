"""GitLab's REST: the caller, users, projects, their members, branches and what differs between two of them."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.routing import Route

from fakes.forge.addresses import account_id
from fakes.forge.calling import ApiAnswer, Routes
from fakes.forge.gitlab.calling import API, PROJECT, GitLabCall, Said, route
from fakes.forge.pulls import follow_branches
from fakes.forge.records import RepositoryRecord, Role
from fakes.forge.store import OWN_LOGIN

_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def routes(api: Routes) -> list[Route]:
    return [
        route(api, f"{API}/user", GET=get_user),
        route(api, f"{API}/users", GET=list_users),
        route(api, f"{API}/version", GET=get_version),
        route(api, PROJECT, GET=get_project),
        route(api, f"{PROJECT}/labels", GET=list_labels),
        route(api, f"{PROJECT}/milestones", GET=list_milestones),
        route(api, f"{PROJECT}/members/all", GET=list_members),
        route(api, f"{PROJECT}/members/all/{{user:int}}", GET=get_member),
        route(api, f"{PROJECT}/repository/branches", GET=list_branches),
        route(api, f"{PROJECT}/repository/branches/{{branch}}", GET=get_branch, DELETE=delete_branch),
        route(api, f"{PROJECT}/repository/compare", GET=compare),
        route(api, f"{PROJECT}/repository/commits/{{sha}}", GET=get_commit),
    ]


async def get_user(call: GitLabCall) -> ApiAnswer:
    return ApiAnswer(call.shapes.whole_user(call.login, _SINCE))


async def get_version(call: GitLabCall) -> ApiAnswer:
    return ApiAnswer({"version": "18.6.0", "revision": f"{account_id(call.login):08x}", "enterprise": False})


async def list_users(call: GitLabCall) -> ApiAnswer:
    """Every name is somebody's here, as it is for whoever says something."""
    name = call.query("username")
    return call.listed([call.shapes.user(name)] if name else [])


async def get_project(call: GitLabCall) -> ApiAnswer:
    return ApiAnswer(call.shapes.project(call.repository().record, call.account))


async def list_labels(call: GitLabCall) -> ApiAnswer:
    return call.listed([call.shapes.label(each) for each in call.repository().record.labels])


async def list_milestones(call: GitLabCall) -> ApiAnswer:
    """All of them are active."""
    record, title = call.repository().record, call.query("title")
    return call.listed([call.shapes.milestone(record, each) for each in record.milestones if title in ("", each)])


async def list_members(call: GitLabCall) -> ApiAnswer:
    record = call.repository().record
    return call.listed([call.shapes.member(each, role, _SINCE) for each, role in members(record).items()])


async def get_member(call: GitLabCall) -> ApiAnswer:
    record, asked = call.repository().record, call.number("user")
    for login, role in members(record).items():
        if account_id(login) == asked:
            return ApiAnswer(call.shapes.member(login, role, _SINCE))
    raise Said(404, "404 Not found")


async def list_branches(call: GitLabCall) -> ApiAnswer:
    repository = call.repository()
    shown = []
    for name, sha in (await repository.git.branches()).items():
        shown.append(call.shapes.branch(repository.record, name, await repository.git.commit(sha), call.account))
    return call.listed(shown)


async def get_branch(call: GitLabCall) -> ApiAnswer:
    repository, name = call.repository(), call.part("branch")
    sha = (await repository.git.branches()).get(name)
    if sha is None:
        raise Said(404, "404 Branch Not Found")
    return ApiAnswer(call.shapes.branch(repository.record, name, await repository.git.commit(sha), call.account))


async def delete_branch(call: GitLabCall) -> ApiAnswer:
    repository, name = call.repository(), call.part("branch")
    if name not in await repository.git.branches():
        raise Said(404, "404 Branch Not Found")
    await repository.git.delete(f"refs/heads/{name}")
    await follow_branches(repository)
    return ApiAnswer(status=204)


async def get_commit(call: GitLabCall) -> ApiAnswer:
    repository = call.repository()
    sha = await repository.git.resolve(call.part("sha"))
    if sha is None:
        raise Said(404, "404 Commit Not Found")
    return ApiAnswer(call.shapes.commit(repository.record, await repository.git.commit(sha)))


async def compare(call: GitLabCall) -> ApiAnswer:
    repository = call.repository()
    ends = [await repository.git.resolve(call.query(name)) for name in ("from", "to")]
    if ends[0] is None or ends[1] is None:
        raise Said(404, "404 Ref Not Found")
    found = await repository.git.commits(ends[0], ends[1])
    commits = [call.shapes.commit(repository.record, each) for each in found]
    same = {"compare_timeout": False, "compare_same_ref": ends[0] == ends[1]}
    return ApiAnswer({"commit": commits[-1] if commits else None, "commits": commits, "diffs": [], **same})


def members(record: RepositoryRecord) -> dict[str, Role]:
    """Login → role; whose group it is owns it."""
    return {record.owner: Role.ADMIN, OWN_LOGIN: Role.MAINTAIN, **record.collaborators}
