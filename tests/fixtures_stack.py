"""The real servers that tests run against: one of each for the whole run, with a namespace for each worker of it."""

from __future__ import annotations

import os
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from stack.temporal import find_binary
from tests.run_servers import Kind, this_run, worker_name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_server() -> WorkflowEnvironment:
    """The run's Temporal server, as `client` of this worker's namespace, which has the pydantic converter."""
    address = this_run().server(Kind.TEMPORAL).url
    client = await Client.connect(address, namespace=worker_name(), data_converter=pydantic_data_converter)
    return WorkflowEnvironment.from_client(client)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of the database `postgres` on the run's server, as its superuser."""
    return this_run().server(Kind.POSTGRES).url


def temporal_environment(client: Client, address: str = "") -> dict[str, str]:
    """The variables by which a process finds the client's server and namespace; `address`: by this way."""
    return {
        "TEMPORAL_ADDRESS": address or client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


async def server_of_its_own(**options: Any) -> WorkflowEnvironment:
    """For a test that starts or ends one in its own way; `options` of WorkflowEnvironment.start_local.

    The SDK gives a server five seconds to answer, which a machine that stands still uses up.
    """
    failed = retry_if_exception_type(RuntimeError)
    async for attempt in AsyncRetrying(retry=failed, stop=stop_after_attempt(5), reraise=True):
        with attempt:
            return await WorkflowEnvironment.start_local(dev_server_existing_path=str(find_binary()), **options)
    raise AssertionError("tenacity returns or raises")
