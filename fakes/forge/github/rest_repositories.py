"""REST: the repository itself, its branches and refs, and the caller."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.bare_git import GitFailed
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.forge import Resource
from fakes.forge.github.shapes import BOT, Shapes
from fakes.forge.pulls import follow_branches, rename_branch
from fakes.forge.records import Role
from fakes.forge.store import OWN_LOGIN, Repository

_REPOSITORY = "/repos/{owner}/{repo}"


class RenameBody(BaseModel):
    new_name: str


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/user", GET=get_user),
        api.route("/rate_limit", GET=rate_limit),
        api.route(_REPOSITORY, GET=get_repository),
        api.route(f"{_REPOSITORY}/collaborators/{{login}}/permission", GET=get_permission),
        api.route(f"{_REPOSITORY}/branches/{{branch:path}}/rename", POST=rename),
        api.route(f"{_REPOSITORY}/branches/{{branch:path}}", GET=get_branch),
        api.route(f"{_REPOSITORY}/commits/{{sha}}", GET=get_commit),
        api.route(f"{_REPOSITORY}/git/ref/{{ref:path}}", GET=get_ref),
        api.route(f"{_REPOSITORY}/git/matching-refs/{{ref:path}}", GET=matching_refs),
        api.route(f"{_REPOSITORY}/git/refs/{{ref:path}}", DELETE=delete_ref),
    ]


async def get_user(call: Call) -> ApiAnswer:
    login = call.login
    return ApiAnswer(Shapes(call.forge.url).own_user(login, datetime(2020, 1, 1, tzinfo=UTC)))


async def rate_limit(call: Call) -> ApiAnswer:
    login = call.account.login if call.account else ""
    left = {each.value: call.forge.limits.count(login, each, 0) for each in Resource}
    shown = {
        name: {"limit": each.limit, "used": each.used, "remaining": each.remaining, "reset": each.reset}
        for name, each in left.items()
    }
    # Nothing of this forge counts as a search.
    return ApiAnswer({"resources": {**shown, "search": shown[Resource.CORE]}, "rate": shown[Resource.CORE]})


async def get_repository(call: Call) -> ApiAnswer:
    return ApiAnswer(Shapes(call.forge.url).full_repository(call.repository().record, call.account))


async def get_permission(call: Call) -> ApiAnswer:
    record, login = call.repository().record, call.request.path_params["login"]
    if call.account is None or not call.account.write:
        raise Answered(403, "Must have push access to view collaborator permission.")
    if login.endswith(BOT):
        raise Answered(404, f"{login} is not a user")
    role = Role.ADMIN if login.lower() == OWN_LOGIN else record.role(login)
    everybodys = "none" if record.private else "read"
    permission, name = (role.permission, role.value) if role else (everybodys, everybodys)
    user = Shapes(call.forge.url).user(login) | {"role_name": name, "permissions": _rights(name)}
    return ApiAnswer({"permission": permission, "role_name": name, "user": user})


async def get_branch(call: Call) -> ApiAnswer:
    repository, branch = call.repository(), call.request.path_params["branch"]
    sha = (await repository.git.branches()).get(branch)
    if sha is None:
        raise Answered(404, "Branch not found")
    return ApiAnswer(Shapes(call.forge.url).branch(repository.record, branch, await repository.git.commit(sha)))


async def rename(call: Call) -> ApiAnswer:
    repository, branch = call.repository(), call.request.path_params["branch"]
    wanted = await call.body(RenameBody)
    await rename_branch(repository, branch, wanted.new_name)
    sha = (await repository.git.branches())[wanted.new_name]
    commit = await repository.git.commit(sha)
    return ApiAnswer(Shapes(call.forge.url).branch(repository.record, wanted.new_name, commit), 201)


async def get_commit(call: Call) -> ApiAnswer:
    """By its hash, or by a branch whose name has no slash."""
    repository, asked = call.repository(), call.request.path_params["sha"]
    sha = await repository.git.resolve(asked)
    if sha is None:
        raise Answered(422, f"No commit found for SHA: {asked}")
    return ApiAnswer(Shapes(call.forge.url).commit(repository.record, await repository.git.commit(sha)))


async def get_ref(call: Call) -> ApiAnswer:
    repository, name = call.repository(), _full_name(call)
    sha = (await repository.git.refs(name)).get(name)
    if sha is None:
        raise not_found()
    return ApiAnswer(_ref(call, repository, name, sha))


async def matching_refs(call: Call) -> ApiAnswer:
    repository, name = call.repository(), _full_name(call)
    refs = await repository.git.refs("refs/")
    found, headers = call.page([each for each in refs.items() if each[0].startswith(name)])
    return ApiAnswer([_ref(call, repository, *each) for each in found], headers=headers)


async def delete_ref(call: Call) -> ApiAnswer:
    repository, name = call.repository(), _full_name(call)
    if name not in await repository.git.refs(name):
        raise Answered(422, "Reference does not exist")
    try:
        await repository.git.delete(name)
    except GitFailed as error:
        raise Answered(422, "Reference cannot be updated") from error
    await follow_branches(repository)
    return ApiAnswer(status=204)


def _full_name(call: Call) -> str:
    return f"refs/{call.request.path_params['ref'].removeprefix('refs/')}"


def _ref(call: Call, repository: Repository, name: str, sha: str) -> dict[str, Any]:
    api = f"{Shapes(call.forge.url).api(repository.record)}/git"
    found = {"type": "commit", "sha": sha, "url": f"{api}/commits/{sha}"}
    return {"ref": name, "node_id": b64encode(name.encode()).decode(), "url": f"{api}/{name}", "object": found}


def _rights(role: str) -> dict[str, bool]:
    """What a role may do: each may what the one before it may."""
    ranks = ("pull", "triage", "push", "maintain", "admin")
    held = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}[role]
    return {name: rank < held for rank, name in enumerate(ranks)}
