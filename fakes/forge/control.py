"""The control API: what no GitHub has, for tests and the demo. It takes the token in the data folder alone."""

from __future__ import annotations

from pydantic import Field
from starlette.routing import Route

from fakes.forge import auto_merging, control_issues, control_queue, talk
from fakes.forge.api_errors import Answered, not_found
from fakes.forge.bare_git import GitFailed
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.check_records import CheckContent, CheckRun, CheckStatus, Conclusion, StatusState
from fakes.forge.github.shapes import Shapes
from fakes.forge.injected_failures import FailureOrder
from fakes.forge.pulls import PullWanted, open_pull
from fakes.forge.push_rules import PushRule
from fakes.forge.records import Account, RepositoryRecord, ReviewState, Role, now
from fakes.forge.statuses import add_status
from fakes.forge.stored import RESERVED_OWNERS, Name, Owner, Stored

_REPOSITORY = "/_control/repos/{owner:path}/{repo}"


class NewRepository(Stored):
    owner: Owner
    name: Name
    description: str = ""
    private: bool = False
    default_branch: str = "main"
    source: str | None = None
    """A path or URL whose branches and tags it begins with; None: it is empty."""


class RepositoryChange(Stored):
    private: bool | None = None
    default_branch: str | None = None
    slow_mergeability: int | None = None
    name: str | None = None
    """What it is called from now on, or `owner/name`."""
    merge_method: str | None = None
    approvals_required: int | None = None
    required_checks: tuple[str, ...] | None = None
    up_to_date: bool | None = None
    only_green: bool | None = None
    detailed_merge_status: str | None = None
    auto_merge_allowed: bool | None = None
    queue_of: tuple[str, ...] | None = None
    queue_method: str | None = None
    push_rules: tuple[PushRule, ...] | None = None
    locked: bool | None = None
    teams: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    milestones: tuple[str, ...] | None = None


class Collaborator(Stored):
    login: str
    role: Role | None
    """None: no longer one."""


class ForkPull(Stored):
    """A pull request of a stranger's fork."""

    head_repository: str = Field(pattern=r"^[^/]+/[^/]+$")
    head: str
    """The fork's branch: it is at the commit of this repository's branch of that name."""
    base: str = "main"
    title: str
    body: str = ""


class TokenToRemove(Stored):
    token: str


class NewCheck(CheckContent):
    ref: str
    """A branch or commit."""
    status: CheckStatus = CheckStatus.COMPLETED
    conclusion: Conclusion | None = Conclusion.SUCCESS
    again: int | None = None
    """The id of a run that its app brings to another state; None: it makes a run."""


class NewStatus(Stored):
    ref: str
    context: str
    state: StatusState
    description: str = ""
    target_url: str = ""


class NewReview(Stored):
    user: str
    """Empty: of an account that was deleted since."""
    state: ReviewState
    body: str = ""
    comments: tuple[talk.LineRemark, ...] = ()


class NewRemark(talk.LineRemark):
    user: str
    in_reply_to: int | None = None
    """The remark that it answers."""


class NewResolution(Stored):
    user: str
    remark: int
    """The first one of its conversation."""


class WhoTurnsOff(Stored):
    user: str


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/_control/repos", POST=create_repository),
        *control_issues.routes(api),
        *control_queue.routes(api),
        api.route(_REPOSITORY, PATCH=change_repository),
        api.route(f"{_REPOSITORY}/collaborators", PUT=put_collaborator),
        api.route(f"{_REPOSITORY}/pulls", POST=open_from_fork),
        api.route("/_control/tokens", PUT=put_token, DELETE=remove_token),
        api.route("/_control/failures", GET=list_failures, POST=order_failure, DELETE=clear_failures),
        api.route("/_control/requests", GET=list_requests, DELETE=clear_requests),
        api.route(f"{_REPOSITORY}/checks", POST=set_check),
        api.route(f"{_REPOSITORY}/statuses", POST=set_status),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/reviews", POST=add_review),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/remarks", POST=add_remark),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/resolutions", POST=add_resolution),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/auto-merge", POST=turn_off_auto_merge),
    ]


async def create_repository(call: Call) -> ApiAnswer:
    wanted = await call.body(NewRepository)
    if wanted.owner.lower() in RESERVED_OWNERS or wanted.name.endswith(".git"):
        raise Answered(422, f"{wanted.owner}/{wanted.name} would clash with an address of the forge")
    record = RepositoryRecord(id=0, created_at=now(), **wanted.model_dump(exclude={"source"}))
    try:
        made = await call.forge.store.create(record, wanted.source)
    except GitFailed as error:
        raise Answered(422, str(error)) from error
    if made is None:
        raise Answered(422, f"{wanted.owner}/{wanted.name} exists already")
    return ApiAnswer(Shapes(call.forge.url).full_repository(made.record, call.account), 201)


async def change_repository(call: Call) -> ApiAnswer:
    repository, change = call.repository(), await call.body(RepositoryChange)
    async with repository.changing():
        told = {name: getattr(change, name) for name in change.model_fields_set - {"name"}}
        changed = {name: value for name, value in told.items() if value is not None}
        repository.record = repository.record.with_changes(**changed)
    if change.name:
        repository = await call.forge.store.rename(repository, change.name)
    return ApiAnswer(Shapes(call.forge.url).full_repository(repository.record, call.account))


async def put_collaborator(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(Collaborator)
    async with repository.changing():
        known = repository.record.collaborators
        others = {login: role for login, role in known.items() if login != wanted.login.lower()}
        added = {wanted.login.lower(): wanted.role} if wanted.role else {}
        repository.record = repository.record.with_changes(collaborators={**others, **added})
    return ApiAnswer(status=204)


async def open_from_fork(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(ForkPull)
    made = await open_pull(repository, PullWanted(**wanted.model_dump()), wanted.head_repository.partition("/")[0])
    return ApiAnswer(Shapes(call.forge.url).pull(repository.record, made, call.account), 201)


async def put_token(call: Call) -> ApiAnswer:
    await call.forge.store.put_account(await call.body(Account))
    return ApiAnswer(status=204)


async def remove_token(call: Call) -> ApiAnswer:
    await call.forge.store.remove_account((await call.body(TokenToRemove)).token)
    return ApiAnswer(status=204)


async def list_failures(call: Call) -> ApiAnswer:
    return ApiAnswer([each.model_dump(mode="json") for each in call.forge.failures.pending])


async def order_failure(call: Call) -> ApiAnswer:
    call.forge.failures.order(await call.body(FailureOrder))
    return ApiAnswer(status=204)


async def clear_failures(call: Call) -> ApiAnswer:
    call.forge.failures.clear()
    return ApiAnswer(status=204)


async def list_requests(call: Call) -> ApiAnswer:
    return ApiAnswer([each.model_dump(mode="json") for each in call.forge.received.all()])


async def clear_requests(call: Call) -> ApiAnswer:
    call.forge.received.clear()
    return ApiAnswer(status=204)


async def set_check(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(NewCheck)
    sha = await _commit(call, wanted.ref)
    done, branches = wanted.status is CheckStatus.COMPLETED, await repository.git.branches()
    async with repository.changing():
        record = repository.record
        moment = now()
        fields = wanted.model_dump(exclude={"ref", "conclusion", "again"})
        conclusion = wanted.conclusion if done else None
        before = next((each for each in record.checks if each.id == wanted.again), None)
        if before:
            fields |= {"run": before.run, "attempt": before.attempt}
        check = CheckRun(
            id=wanted.again or record.next_id, head_sha=sha, conclusion=conclusion, started_at=moment,
            completed_at=moment if done else None, branch=wanted.ref if wanted.ref in branches else "", **fields,
        )  # fmt: skip
        others = tuple(each for each in record.checks if each.id != check.id)
        repository.record = record.with_changes(last_id=record.last_id + 1, checks=(*others, check))
    return ApiAnswer(Shapes(call.forge.url).check(repository.record, check), 201)


async def set_status(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(NewStatus)
    sha = await _commit(call, wanted.ref)
    status = await add_status(repository, sha, **wanted.model_dump(exclude={"ref"}))
    return ApiAnswer(Shapes(call.forge.url).status(repository.record, status), 201)


async def add_review(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(NewReview)
    made = await talk.add_review(repository, pull.number, wanted.user, wanted.state, wanted.body, wanted.comments)
    return ApiAnswer(Shapes(call.forge.url).review(repository.record, made), 201)


async def add_remark(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(NewRemark)
    if wanted.in_reply_to:
        made = await talk.add_reply(repository, pull.number, wanted.in_reply_to, wanted.user, wanted.body)
    else:
        remark = talk.LineRemark(**wanted.model_dump(exclude={"user", "in_reply_to"}))
        made = await talk.add_remark(repository, pull.number, wanted.user, remark)
    return ApiAnswer(Shapes(call.forge.url).review_comment(repository.record, made), 201)


async def add_resolution(call: Call) -> ApiAnswer:
    (repository, _), wanted = await call.pull(), await call.body(NewResolution)
    await talk.resolve_thread(repository, wanted.remark, wanted.user)
    return ApiAnswer(status=204)


async def turn_off_auto_merge(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(WhoTurnsOff)
    await auto_merging.turn_off(repository, pull.number, wanted.user)
    return ApiAnswer(status=204)


async def _commit(call: Call, ref: str) -> str:
    sha = await call.repository().git.resolve(ref)
    if sha is None:
        raise not_found()
    return sha
