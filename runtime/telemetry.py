"""Metrics and traces of a process, by Temporal's own means; both off unless the settings name where they go."""

from __future__ import annotations

import os
from dataclasses import dataclass

from temporalio.client import Interceptor
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from domain.errors import SettingsError

TRACES_TO = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own variables: one of them turns traces on."""


@dataclass(frozen=True)
class ClientTelemetry:
    """What a Temporal client is to be connected with, so that it and its workers are seen."""

    runtime: Runtime | None = None
    """None: the SDK's default."""
    interceptors: tuple[Interceptor, ...] = ()


def telemetry(metrics: str, process: str) -> ClientTelemetry:
    """`metrics` is `host:port`, where Prometheus finds them at `/metrics`; empty: nowhere. `process` names the traces'
    service. SettingsError where the port is taken, or traces are wanted and their packages are not installed.
    """
    return ClientTelemetry(_observed_runtime(metrics) if metrics else None, _interceptors(process))


def _observed_runtime(address: str) -> Runtime:
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=address)))
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"metrics at {address}: {error}; set another address, or none") from error


def _interceptors(process: str) -> tuple[Interceptor, ...]:
    if not any(os.environ.get(name) for name in TRACES_TO):
        return ()
    try:
        from runtime.tracing import tracing_interceptor  # noqa: PLC0415 (an extra that need not be there)
    except ImportError as error:
        raise SettingsError(
            f"{TRACES_TO[0]} asks for traces: install them with `pip install 'makima-directives[tracing]'`"
        ) from error
    return (tracing_interceptor(process),)
