"""GraphQL as far as GitHub's command line and the daemon's adapter need it: questions, merging, conversations."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    build_schema,
    execute,
    parse,
    specified_rules,
    validate,
)
from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.api_errors import Answered
from fakes.forge.auto_merging import turn_on
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.github.graphql_changes import Changes
from fakes.forge.github.graphql_nodes import check_may_write, logins, missing, pull_at, refused, subject_at, unknown
from fakes.forge.github.graphql_parts import connection
from fakes.forge.github.graphql_search import search
from fakes.forge.github.graphql_shapes import Graph
from fakes.forge.github.shapes import Json, thread_node
from fakes.forge.merge_queue import enter
from fakes.forge.merge_records import AutoMerge
from fakes.forge.merges import MergeableState, MergeWanted, Method, merge
from fakes.forge.pulls import PullChange, change_pull
from fakes.forge.queue_leaving import entry_of
from fakes.forge.records import Pull
from fakes.forge.store import Repository


class GraphqlRequest(BaseModel):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  (the field's name on the wire)


_RULES = [each for each in specified_rules if each is not OverlappingFieldsCanBeMergedRule]
"""GitHub lets gh ask for the state of an issue or a pull request under one name, though they are of two types."""


def routes(api: Routes) -> list[Route]:
    return [api.route(path, POST=answer) for path in ("/graphql", "/api/graphql")]


async def answer(call: Call) -> ApiAnswer:
    assert call.login  # unlike REST, GraphQL answers nobody without a token
    question = await call.body(GraphqlRequest)
    result = await _execute(call, question)
    shown: Json = {"data": result.data}
    if result.errors:
        shown["errors"] = [_error(each) for each in result.errors]
    return ApiAnswer(shown)


async def _execute(call: Call, question: GraphqlRequest) -> ExecutionResult:
    document = _document(question.query)
    if isinstance(document, list):
        return ExecutionResult(None, document)
    root, operation = _Root(call).fields(), question.operationName
    result = execute(_schema(), document, root, variable_values=question.variables, operation_name=operation)
    return result if isinstance(result, ExecutionResult) else await result


@lru_cache(maxsize=100)
def _document(query: str) -> DocumentNode | list[GraphQLError]:
    """Or what is wrong with it. Clients ask the same again and again, and to check it takes 10 ms."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return [error]
    return validate(_schema(), document, _RULES) or document


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
            **Changes(self._call, self._graph).fields(),
            "viewer": lambda _info: self._graph.user(self._call.login),
            "user": self._user,
            "organization": self._organization,
            "repository": self._repository,
            "search": self._search,
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
            raise missing(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return self._graph.repository(repository)

    def _user(self, _info: Any, login: str) -> Json:
        known = next((each for each in logins(self._call.forge) if each.lower() == login.lower()), None)
        if known is None:
            raise missing(f"Could not resolve to a User with the login of '{login}'.")
        return self._graph.user(known)

    def _organization(self, _info: Any, login: str) -> Json:
        """An owner that has teams."""
        for repository in self._call.forge.store.all():
            record = repository.record
            if record.teams and record.owner.lower() == login.lower():
                teams = connection(self._graph.team(record, each) for each in record.teams)
                return {"login": record.owner, "teams": teams}
        raise missing(f"Could not resolve to an Organization with the login of '{login}'.")

    async def _search(self, info: Any, query: str, **page: Any) -> Json:
        found: Json = connection(await search(self._call, self._graph, query))(info, **page)
        return found

    def _node(self, _info: Any, id: str) -> Json:
        return self._graph.subject(*subject_at(self._call.forge, id))

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
            raise refused(refusal.sentence) from refusal
        return self._changed(input, repository, pull_at(self._call.forge, input["pullRequestId"])[1])

    async def _auto_merge(self, _info: Any, input: Json) -> Json:
        """Refused where the pull request could be merged at once, and where the repository doesn't take it (its words
        from memory). Where the base branch has a merge queue, what could be merged goes into that.
        """
        repository, pull = self._changeable(input)
        state = (await self._call.forge.mergeabilities.of(repository, pull)).state
        if not repository.record.auto_merge_allowed:
            raise refused("Auto merge is not allowed for this repository")
        ready = state in (MergeableState.CLEAN, MergeableState.UNSTABLE)
        is_queued = pull.base in repository.record.queue_of
        if state is MergeableState.DRAFT or (ready and not is_queued):
            raise refused(f"Pull request Pull request is in {state} status")
        wanted = AutoMerge(user=self._call.login, method=input["mergeMethod"].lower())
        try:
            if ready or entry_of(repository.record, pull.number):
                changed = await enter(repository, pull.number, self._call.login, input.get("expectedHeadOid"))
            else:
                changed = await turn_on(repository, pull.number, wanted, input.get("expectedHeadOid"))
        except Answered as refusal:
            raise refused(refusal.sentence) from refusal
        return self._changed(input, repository, changed)

    async def _resolve(self, _info: Any, input: Json) -> Json:
        return await self._with_thread(input, self._call.login or "")

    async def _unresolve(self, _info: Any, input: Json) -> Json:
        return await self._with_thread(input, "")

    async def _with_thread(self, wanted: Json, resolved_by: str) -> Json:
        check_may_write(self._call)
        for repository in self._call.forge.store.all():
            for first in repository.record.review_comments:
                if thread_node(repository.record, first) == wanted["threadId"]:
                    await talk.resolve_thread(repository, first.id, resolved_by)
                    changed = next(each for each in repository.record.review_comments if each.id == first.id)
                    shape = self._graph.thread(repository.record, changed)
                    return {"thread": shape, "clientMutationId": wanted.get("clientMutationId")}
        raise unknown(wanted["threadId"])

    def _changeable(self, wanted: Json) -> tuple[Repository, Pull]:
        check_may_write(self._call)
        repository, pull = pull_at(self._call.forge, wanted["pullRequestId"])
        if not pull.is_open:
            raise refused("Pull request is closed")
        return repository, pull

    def _changed(self, wanted: Json, repository: Repository, pull: Pull) -> Json:
        shape = self._graph.pull(repository, pull)
        return {"pullRequest": shape, "clientMutationId": wanted.get("clientMutationId")}


def _error(error: GraphQLError) -> Json:
    """As GitHub shapes it: the type stands beside the message."""
    shape: Json = dict(error.formatted)
    extensions: Json = shape.pop("extensions", {})
    return {**extensions, **shape}
