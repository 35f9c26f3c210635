"""GraphQL as far as GitHub's own command line and the mutations between draft and ready need it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, graphql
from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.api_errors import Answered
from fakes.forge.auth import Keys
from fakes.forge.auto_merging import turn_on
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.github.app_rights import check_one_of
from fakes.forge.github.graphql_shapes import Graph
from fakes.forge.github.shapes import Json, pull_node, thread_node
from fakes.forge.merge_queue import enter
from fakes.forge.merge_records import AutoMerge
from fakes.forge.merges import MergeableState, MergeWanted, Method, merge
from fakes.forge.pulls import PullChange, change_pull
from fakes.forge.queue_leaving import entry_of
from fakes.forge.records import Permission, Pull
from fakes.forge.store import Repository


class GraphqlRequest(BaseModel):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  (the field's name on the wire)


def routes(api: Routes) -> list[Route]:
    return [api.route(path, POST=answer) for path in ("/graphql", "/api/graphql")]


async def answer(call: Call) -> ApiAnswer:
    assert call.login  # unlike REST, GraphQL answers nobody without a token
    question = await call.body(GraphqlRequest)
    result = await graphql(
        _schema(),
        question.query,
        root_value=_Root(call).fields(),
        variable_values=question.variables,
        operation_name=question.operationName,
    )
    shown: Json = {"data": result.data}
    if result.errors:
        shown["errors"] = [_error(each) for each in result.errors]
    return ApiAnswer(shown)


@cache
def _schema() -> GraphQLSchema:
    return build_schema(Path(__file__).with_name("schema.graphql").read_text())


class _Root:
    """The fields of Query and Mutation."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._graph = Graph(call.forge, call.account)

    def fields(self) -> Json:
        return {
            "viewer": lambda _info: self._graph.user(self._call.login),
            "repository": self._repository,
            "node": self._node,
            "markPullRequestReadyForReview": self._ready,
            "convertPullRequestToDraft": self._draft,
            "mergePullRequest": self._merge,
            "enablePullRequestAutoMerge": self._auto_merge,
            "resolveReviewThread": self._resolve,
            "unresolveReviewThread": self._unresolve,
        }

    def _repository(self, _info: Any, owner: str, name: str, **_others: Any) -> Json:
        repository = self._call.forge.store.find(owner, name)
        if repository is None or (repository.record.private and self._call.account is None):
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise GraphQLError(message, extensions={"type": "NOT_FOUND"})
        return self._graph.repository(repository)

    def _node(self, _info: Any, id: str) -> Json:
        return self._graph.pull(*self._pull(id))

    async def _ready(self, _info: Any, input: Json) -> Json:
        return await self._with_draft(input, False)

    async def _draft(self, _info: Any, input: Json) -> Json:
        return await self._with_draft(input, True)

    async def _with_draft(self, wanted: Json, draft: bool) -> Json:
        repository, pull = self._changeable(wanted)
        return self._changed(wanted, repository, await change_pull(repository, pull.number, PullChange(draft=draft)))

    async def _merge(self, _info: Any, input: Json) -> Json:
        repository, pull = self._changeable(input)
        method = Method(input["mergeMethod"].lower())
        wanted = MergeWanted(method, input.get("expectedHeadOid"), input.get("commitHeadline"), input.get("commitBody"))
        try:
            await merge(repository, pull.number, wanted, self._call.login)
        except Answered as refusal:
            raise _refused(refusal.message) from refusal
        return self._changed(input, repository, self._pull(input["pullRequestId"])[1])

    async def _auto_merge(self, _info: Any, input: Json) -> Json:
        """Refused where the pull request could be merged at once, and where the repository doesn't take it (its words
        from memory). Where the base branch has a merge queue, what could be merged goes into that.
        """
        repository, pull = self._changeable(input)
        state = (await self._call.forge.mergeabilities.of(repository, pull)).state
        if not repository.record.auto_merge_allowed:
            raise _refused("Auto merge is not allowed for this repository")
        ready = state in (MergeableState.CLEAN, MergeableState.UNSTABLE)
        is_queued = pull.base in repository.record.queue_of
        if state is MergeableState.DRAFT or (ready and not is_queued):
            raise _refused(f"Pull request Pull request is in {state} status")
        wanted = AutoMerge(user=self._call.login, method=input["mergeMethod"].lower())
        try:
            if ready or entry_of(repository.record, pull.number):
                changed = await enter(repository, pull.number, self._call.login, input.get("expectedHeadOid"))
            else:
                changed = await turn_on(repository, pull.number, wanted, input.get("expectedHeadOid"))
        except Answered as refusal:
            raise _refused(refusal.message) from refusal
        return self._changed(input, repository, changed)

    async def _resolve(self, _info: Any, input: Json) -> Json:
        return await self._with_thread(input, self._call.login or "")

    async def _unresolve(self, _info: Any, input: Json) -> Json:
        return await self._with_thread(input, "")

    async def _with_thread(self, wanted: Json, resolved_by: str) -> Json:
        self._check_may_write()
        for repository in self._call.forge.store.all():
            for first in repository.record.review_comments:
                if thread_node(repository.record, first) == wanted["threadId"]:
                    await talk.resolve_thread(repository, first.id, resolved_by)
                    changed = next(each for each in repository.record.review_comments if each.id == first.id)
                    shape = self._graph.thread(repository.record, changed)
                    return {"thread": shape, "clientMutationId": wanted.get("clientMutationId")}
        raise _unknown(wanted["threadId"])

    def _check_may_write(self) -> None:
        account = self._call.account
        try:
            Keys(self._call.forge.store).check_may_write(account)
            if account is not None:
                check_one_of(account, ("pull_requests",), Permission.WRITE)
        except Answered as refusal:
            raise GraphQLError(refusal.message, extensions={"type": "FORBIDDEN"}) from refusal

    def _changeable(self, wanted: Json) -> tuple[Repository, Pull]:
        self._check_may_write()
        repository, pull = self._pull(wanted["pullRequestId"])
        if not pull.is_open:
            raise _refused("Pull request is closed")
        return repository, pull

    def _changed(self, wanted: Json, repository: Repository, pull: Pull) -> Json:
        shape = self._graph.pull(repository, pull)
        return {"pullRequest": shape, "clientMutationId": wanted.get("clientMutationId")}

    def _pull(self, node: str) -> tuple[Repository, Pull]:
        for repository in self._call.forge.store.all():
            for pull in repository.record.pulls:
                if pull_node(repository.record, pull) == node:
                    return repository, pull
        raise _unknown(node)


def _refused(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": "UNPROCESSABLE"})


def _unknown(node: str) -> GraphQLError:
    message = f"Could not resolve to a node with the global id of '{node}'"
    return GraphQLError(message, extensions={"type": "NOT_FOUND"})


def _error(error: GraphQLError) -> Json:
    """As GitHub shapes it: the type stands beside the message."""
    shape: Json = dict(error.formatted)
    extensions: Json = shape.pop("extensions", {})
    return {**extensions, **shape}
