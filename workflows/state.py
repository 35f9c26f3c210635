"""What a run of DirectiveWorkflow is given and what it returns."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair

with workflow.unsafe.imports_passed_through():
    from pydantic import ConfigDict

    from domain.directive_secret import NO_SECRET, DirectiveSecret
    from domain.models import State
    from domain.protocol import SearchAttribute
    from domain.pull_request import PullRequest
    from domain.statuses import DirectiveStatus
    from domain.value import Value


class DirectiveInput(Value):
    """A new directive, or one that goes on in another run."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    state: State
    begin: bool = True
    """Begin a draft at once (rule 2.1: `start` creates and begins in one go)."""
    sequence: int = 0
    """The last write of the run before this one, 0 where there was none, or nobody knows (design 3)."""
    searchable: bool = True
    """The search attributes below are registered in the namespace (design 15)."""
    may_know_less: bool = False
    """The record may know ends of attempts that this run doesn't: it goes on from the record, or after a reset one."""
    secret: DirectiveSecret = NO_SECRET
    """Empty where the record has it, or the directive has none (State.authenticated)."""


class DirectiveResult(Value):
    status: DirectiveStatus
    generation: int
    pull_request: PullRequest | None = None


STATUS = SearchAttributeKey.for_keyword(SearchAttribute.STATUS.value)
OWNER = SearchAttributeKey.for_keyword(SearchAttribute.OWNER.value)
REPOSITORY = SearchAttributeKey.for_keyword(SearchAttribute.REPOSITORY.value)
GENERATION = SearchAttributeKey.for_int(SearchAttribute.GENERATION.value)
SEARCH_ATTRIBUTES = (STATUS, OWNER, REPOSITORY, GENERATION)


def search_attributes(state: State) -> list[SearchAttributePair[Any]]:
    """What the directive is found by now (rule 9.2)."""
    return [
        SearchAttributePair(STATUS, state.status.value),
        SearchAttributePair(GENERATION, state.generation),
        SearchAttributePair(OWNER, state.directive.owner),
        SearchAttributePair(REPOSITORY, state.directive.repository),
    ]
