"""GraphQL's search, as far as `gh pr status` words it: `repo:O/R state:open is:pr author:@me`."""

from __future__ import annotations

from collections.abc import Callable

from fakes.forge.calling import Call
from fakes.forge.github.graphql_issues import is_there
from fakes.forge.github.graphql_nodes import refused
from fakes.forge.github.graphql_shapes import Graph
from fakes.forge.github.shapes import Json
from fakes.forge.issue_records import Issue
from fakes.forge.pulls import follow_branches
from fakes.forge.records import Pull

_Found = Pull | Issue
_QUALIFIERS: dict[str, Callable[[_Found, str], bool]] = {
    "state": lambda found, value: found.is_open == (value == "open"),
    "is": lambda found, value: isinstance(found, Pull) == (value == "pr"),
    "author": lambda found, value: found.author.lower() == value.lower(),
    "review-requested": lambda found, value: (
        isinstance(found, Pull) and value.lower() in map(str.lower, found.reviewers)
    ),
}
"""Beside `repo`; `is` knows `pr` and `issue` alone."""


async def search(call: Call, graph: Graph, query: str) -> list[Json]:
    """The newest first."""
    words = [each.partition(":") for each in query.split()]
    wanted = [(name, call.login if value == "@me" else value) for name, _, value in words]
    places = [value.lower() for name, value in wanted if name == "repo"]
    rest = [each for each in wanted if each[0] != "repo"]
    if strange := [name for name, _ in rest if name not in _QUALIFIERS]:
        raise refused(f"this forge can't search by {strange[0]!r}")
    found: list[Json] = []
    for repository in call.forge.store.all():
        if places and repository.record.full_name.lower() not in places:
            continue
        record = await follow_branches(repository)
        hits: list[_Found] = [*record.pulls, *filter(is_there, record.issues)]
        for each in sorted(hits, key=lambda hit: -hit.number):
            if all(_QUALIFIERS[name](each, value) for name, value in rest):
                found.append(graph.subject(repository, each))
    return found
