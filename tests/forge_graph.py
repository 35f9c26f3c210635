"""Holds what GraphQL is asked and answers to GitHub's own schema."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute_sync,
    extend_schema,
    parse,
    validate,
)

from fakes.forge.exchanges import Exchange

ADAPTER = "makima"
INTROSPECTION = "__type(name:"
"""gh asks what the schema is like, and is answered from the fake's own: left out."""


BEYOND = """
  enum PullRequestTimelineItemsItemType { ADDED_TO_MERGE_QUEUE_EVENT REMOVED_FROM_MERGE_QUEUE_EVENT }
  type AddedToMergeQueueEvent implements Node { id: ID! actor: Actor createdAt: DateTime! enqueuer: User }
  type RemovedFromMergeQueueEvent implements Node {
    id: ID! actor: Actor beforeCommit: Commit createdAt: DateTime! enqueuer: User reason: String
  }
  union PullRequestTimelineItems = AddedToMergeQueueEvent | RemovedFromMergeQueueEvent
  type PullRequestTimelineItemsConnection { nodes: [PullRequestTimelineItems] pageInfo: PageInfo! totalCount: Int! }
  extend type PullRequest {
    timelineItems(
      after: String, before: String, first: Int, last: Int, itemTypes: [PullRequestTimelineItemsItemType!]
    ): PullRequestTimelineItemsConnection!
  }
"""
"""What the part of the schema at hand lacks of what the adapter asks for: why the merge queue has put something out is
told nowhere else. Written from memory, and held to the fields that other people's clients have of these events.
"""


@cache
def _schema(folder: Path) -> GraphQLSchema:
    return extend_schema(build_schema((folder / "github" / "pull_request.graphql").read_text()), parse(BEYOND))


def graph_problems(folder: Path, exchange: Exchange) -> list[str]:
    """What of the question and of the answer the schema doesn't allow. A part of it is at hand: what gh asks for beyond
    that is left out, and the adapter may ask for nothing beyond it.
    """
    if exchange.status != 200 or INTROSPECTION in exchange.request:
        return []
    is_ours = exchange.user_agent == ADAPTER
    schema, asked, answer = _schema(folder), json.loads(exchange.request), json.loads(exchange.answer)
    question = parse(asked["query"])
    unknown = [each.message for each in validate(schema, question)]
    if is_ours and unknown:
        return unknown
    if any("Unknown type" in each for each in unknown) or answer.get("data") is None:
        return [] if unknown or answer.get("errors") else ["neither data nor errors"]
    said = execute_sync(
        schema,
        question,
        root_value=answer["data"],
        variable_values=asked.get("variables"),
        operation_name=asked.get("operationName"),
        field_resolver=_answered,
        type_resolver=_type_of,
    )
    refused = {f"{each.message} at {_place(each)}" for each in said.errors or ()}
    if answer.get("errors"):  # what could not be told is null
        refused = {each for each in refused if "non-nullable" not in each}
    beyond = is_ours and not refused and said.data != answer["data"]
    return [*refused, *(["the answer holds what was not asked for"] if beyond else [])]


def _answered(source: Any, info: GraphQLResolveInfo[Any], **_: object) -> Any:
    """What the answer holds at this place, by the name that the question gives it."""
    return source[info.path.key]


def _type_of(value: Any, info: GraphQLResolveInfo[Any], abstract: GraphQLAbstractType) -> str:
    """What the answer says it is; where it wasn't asked, any of those that have the fields of all."""
    return value.get("__typename") or info.schema.get_possible_types(abstract)[0].name


def _place(error: GraphQLError) -> str:
    return ".".join(str(part) for part in error.path or () if not isinstance(part, int))
