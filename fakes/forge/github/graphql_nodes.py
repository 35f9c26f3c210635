"""Who or what the id in a GraphQL question means, and how GraphQL says no."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import GraphQLError

from fakes.forge.addresses import account_id
from fakes.forge.api_errors import Answered
from fakes.forge.auth import Keys
from fakes.forge.calling import Call
from fakes.forge.forge import Forge
from fakes.forge.github.app_rights import check_one_of
from fakes.forge.github.graphql_issues import is_there, issue_node, label_node, team_node
from fakes.forge.github.shapes import node_id, pull_node
from fakes.forge.issue_records import Issue
from fakes.forge.records import Permission, Pull, RepositoryRecord
from fakes.forge.store import Repository


def check_may_write(call: Call, permissions: tuple[str, ...] = ("pull_requests",)) -> None:
    """`permissions`: of which an app's token needs one (from memory)."""
    try:
        Keys(call.forge.store).check_may_write(call.account)
        if call.account is not None:
            check_one_of(call.account, permissions, Permission.WRITE)
    except Answered as refusal:
        raise GraphQLError(refusal.message, extensions={"type": "FORBIDDEN"}) from refusal


def refused(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": "UNPROCESSABLE"})


def unknown(node: str) -> GraphQLError:
    return missing(f"Could not resolve to a node with the global id of '{node}'")


def missing(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": "NOT_FOUND"})


def logins(forge: Forge) -> Iterator[str]:
    """Everybody who is known here."""
    yield from (each.login for each in forge.store.accounts())
    for repository in forge.store.all():
        record = repository.record
        yield from record.collaborators
        yield from (each.author for each in record.pulls)
        yield from (each.author for each in record.issues if each.author)
        if not record.teams:
            yield record.owner


def login_at(forge: Forge, node: str) -> str:
    for login in logins(forge):
        if node_id("User", account_id(login)) == node:
            return login
    raise unknown(node)


def repository_at(forge: Forge, node: str) -> Repository:
    for repository in forge.store.all():
        if node_id("Repository", repository.record.id) == node:
            return repository
    raise unknown(node)


def pull_at(forge: Forge, node: str) -> tuple[Repository, Pull]:
    repository, found = subject_at(forge, node)
    if isinstance(found, Issue):
        raise unknown(node)
    return repository, found


def issue_at(forge: Forge, node: str) -> tuple[Repository, Issue]:
    repository, found = subject_at(forge, node)
    if isinstance(found, Pull):
        raise unknown(node)
    return repository, found


def subject_at(forge: Forge, node: str) -> tuple[Repository, Pull | Issue]:
    """What can be talked about, and have labels."""
    for repository in forge.store.all():
        for pull in repository.record.pulls:
            if pull_node(repository.record, pull) == node:
                return repository, pull
        for issue in repository.record.issues:
            if is_there(issue) and issue_node(issue) == node:
                return repository, issue
    raise unknown(node)


def labels_at(record: RepositoryRecord, nodes: list[str]) -> tuple[str, ...]:
    known = {label_node(record, each): each for each in record.labels}
    return tuple(_known(known, each) for each in nodes)


def teams_at(record: RepositoryRecord, nodes: list[str]) -> tuple[str, ...]:
    known = {team_node(record, each): each for each in record.teams}
    return tuple(_known(known, each) for each in nodes)


def _known(known: dict[str, str], node: str) -> str:
    if node not in known:
        raise unknown(node)
    return known[node]
