"""Where Temporal and Postgres are: the environment's addresses, else those of the embedded stack (design 15)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConnectConfig
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError

from domain.errors import NotReachable
from domain.value import build_models
from runtime.addresses import temporal_profile, the_running_stack
from runtime.shared_settings import SharedSettings
from runtime.telemetry import ClientTelemetry

CONNECT_TIMEOUT = 5.0  # seconds
_ADVICE = "start it, or a stack of your own with `python starter.py up`, or set TEMPORAL_ADDRESS to another one"


async def connect_temporal(
    settings: SharedSettings,
    *,
    identity: str | None = None,
    quiet: bool = False,
    seen_by: ClientTelemetry | None = None,
) -> Client:
    """Connect with the pydantic converter, as `identity` (default: pid@host); `seen_by`: metrics and traces.

    `quiet` is for processes whose stdout somebody reads: the SDK's native part logs there, every retry a line.
    Raises NotReachable when nothing answers within 5 s, SettingsError when Temporal's own settings make no sense.
    """
    build_models()
    config = _connect_config(settings)
    address = config["target_host"]
    seen_by = seen_by or ClientTelemetry()
    runtime = Runtime(telemetry=TelemetryConfig(logging=None)) if quiet else seen_by.runtime
    try:
        connecting = Client.connect(
            **config,
            data_converter=pydantic_data_converter,
            identity=identity,
            runtime=runtime,
            interceptors=seen_by.interceptors,
        )
        return await asyncio.wait_for(connecting, CONNECT_TIMEOUT)
    except TimeoutError as error:
        raise NotReachable(f"Temporal at {address} does not answer within {CONNECT_TIMEOUT:g} s: {_ADVICE}") from error
    except RuntimeError as error:  # what the SDK raises for every failed connection
        raise NotReachable(f"Temporal at {address} is not reachable: {_ADVICE}") from error


async def check_temporal(client: Client) -> None:
    """Raises NotReachable where the server doesn't say that it is well."""
    try:
        well = await client.service_client.check_health(timeout=timedelta(seconds=CONNECT_TIMEOUT))
    except RPCError as error:
        raise NotReachable(f"Temporal does not answer: {error.message}") from error
    if not well:
        raise NotReachable("Temporal answers that it does not serve")


def _connect_config(settings: SharedSettings) -> ClientConnectConfig:
    profile = temporal_profile()
    if profile.address:
        return profile.to_client_connect_config()
    # The rest of a profile without an address (a key, TLS) was not meant for the embedded server, which has neither.
    stack = the_running_stack(settings)
    return {"target_host": stack.temporal_address, "namespace": profile.namespace or stack.temporal_namespace}
