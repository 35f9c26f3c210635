"""What a directive's workflow is found by in Temporal (rule 9.2); their names and types: `domain.protocol`."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair

with workflow.unsafe.imports_passed_through():
    from domain.models import State
    from domain.protocol import SearchAttribute

STATUS = SearchAttributeKey.for_keyword(SearchAttribute.STATUS.value)
OWNER = SearchAttributeKey.for_keyword(SearchAttribute.OWNER.value)
REPOSITORY = SearchAttributeKey.for_keyword(SearchAttribute.REPOSITORY.value)
GENERATION = SearchAttributeKey.for_int(SearchAttribute.GENERATION.value)
SEARCH_ATTRIBUTES = (STATUS, OWNER, REPOSITORY, GENERATION)


def search_attributes(state: State) -> list[SearchAttributePair[Any]]:
    """The values as of now."""
    return [
        SearchAttributePair(STATUS, state.status.value),
        SearchAttributePair(GENERATION, state.generation),
        SearchAttributePair(OWNER, state.directive.owner),
        SearchAttributePair(REPOSITORY, state.directive.repository),
    ]
