"""The search attributes of domain/search_attributes.py, as Temporal's SDK has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair

with workflow.unsafe.imports_passed_through():
    from domain.models import State
    from domain.search_attributes import SearchAttribute

_KEY_OF_TYPE: dict[str, Callable[[str], SearchAttributeKey[Any]]] = {
    "Keyword": SearchAttributeKey.for_keyword,
    "Int": SearchAttributeKey.for_int,
}
KEYS: dict[SearchAttribute, SearchAttributeKey[Any]] = {
    each: _KEY_OF_TYPE[each.type](each.value) for each in SearchAttribute
}


def search_attributes(state: State) -> list[SearchAttributePair[Any]]:
    """Their values as of now."""
    return [SearchAttributePair(key, each.value_in(state)) for each, key in KEYS.items()]
