"""The real servers that tests run against: one of each for the whole run, with a namespace for each worker of it."""

from __future__ import annotations

import os

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

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
