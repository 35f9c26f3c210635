"""Traces: a directive's workflow, its activities, and what runs in them, sent over OTLP. Needs the extra `tracing`."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor


def tracing_interceptor(process: str) -> Interceptor:
    """One for a client and all its workers; OpenTelemetry's own variables say where the spans go."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"makima-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    # Also for directives whose starter was not traced: else their activities would have no common root.
    return TracingInterceptor(tracer=provider.get_tracer("makima"), always_create_workflow_spans=True)
