"""Registers the search attributes where that is allowed, else names the command that does it (design 15)."""

from __future__ import annotations

import logging

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from workflows.attribute_keys import KEYS

logger = logging.getLogger(__name__)


async def missing_search_attributes(client: Client) -> dict[str, IndexedValueType.ValueType]:
    """Name → type of those that the namespace doesn't have; all of them, where it may not be asked."""
    wanted = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in KEYS.values()}
    try:
        there = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError:
        return wanted
    return {name: kind for name, kind in wanted.items() if name not in there.custom_attributes}


async def add_missing_search_attributes(client: Client) -> None:
    """Register them; where this process may not, say how an administrator does it. Directives run without them."""
    missing = await missing_search_attributes(client)
    if not missing:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    except RPCError as error:
        command = " ".join(
            f"--name {name} --type {IndexedValueType.Name(kind).removeprefix('INDEXED_VALUE_TYPE_').title()}"
            for name, kind in missing.items()
        )
        logger.warning(
            "search attributes are missing (%s); add them with: "
            "temporal operator search-attribute create --namespace %s %s",
            error.message,
            client.namespace,
            command,
        )
