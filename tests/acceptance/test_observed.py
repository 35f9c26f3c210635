"""What an operator's tools see of Makima: health, metrics, traces, JSON logs and notices, of real processes."""

from __future__ import annotations

import json
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.greeter import Greeter
from tests.acceptance.stack import Site, until


@dataclass
class Collector:
    """An OTLP collector and a webhook: it keeps the bodies that are posted to it, by path."""

    url: str
    bodies: dict[str, list[bytes]] = field(default_factory=dict)

    def span_names(self) -> set[str]:
        return {
            span.name
            for body in self.bodies.get("/v1/traces", [])
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.bodies.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: pytest shows what the test says."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Collector(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield kept
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def metrics(address: str) -> dict[str, float]:
    """Name with labels → value; the labels that Temporal adds to each are left out."""
    lines = httpx.get(f"http://{address}/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def total(address: str, name: str, *labels: str) -> float:
    found = metrics(address).items()
    return sum(value for key, value in found if key.startswith(name) and all(label in key for label in labels))


def test_a_directive_is_seen_by_health_metrics_traces_logs_and_notices(site: Site, tmp_path: Path) -> None:
    worker_health, worker_metrics, daemon_health, daemon_metrics = (free_address() for _ in range(4))
    told = tmp_path / "told"
    with collector() as collected:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        observed = {
            "MAKIMA_HEALTH": worker_health,
            "MAKIMA_METRICS": worker_metrics,
            "MAKIMA_LOG_FORMAT": "json",
            "MAKIMA_NOTIFY_COMMAND": shlex.join(["sh", "-c", f"cat >> {told}; echo >> {told}"]),
            "MAKIMA_NOTIFY_WEBHOOK": f"{collected.url}/hook",
        }
        worker = site.worker(**observed, **traced)
        site.daemon(further=f'metrics = "{daemon_metrics}"\nhealth = "{daemon_health}"\n', **traced)
        greeter = Greeter(site)
        greeter.let("all")
        until(lambda: healthy(worker_health) and healthy(daemon_health), "both to be well")
        assert greeter.start().ran().code == 0

        # Not exactly: the worker also serves what other tests of the session have left on the servers.
        until(lambda: total(worker_metrics, "makima_steps_ended", 'outcome="completed"') >= 5, "the steps' count")
        # And the plan, and the pull request.
        until(lambda: total(worker_metrics, "makima_attempts_ended", 'outcome="completed"') >= 7, "the attempts' count")
        owned = f'owner="{site.owner}"'
        until(lambda: total(worker_metrics, "makima_directives", 'status="idle"', owned) == 1, "the gauge")
        assert total(daemon_metrics, "temporal_activity_schedule_to_start_latency_count") >= 7

        wanted = {"RunWorkflow:DirectiveWorkflow", "RunActivity:plan_directive", "RunActivity:execute_step"}
        until(lambda: wanted <= collected.span_names(), "the spans of worker and daemon")

        notices = until(
            lambda: [json.loads(body) for body in collected.bodies.get("/hook", [])], "the webhook's notice"
        )
        assert notices[0]["kind"] == "done"
        assert notices[0]["text"].endswith("directive idle")
        assert [json.loads(line) for line in told.read_text().splitlines()] == notices
        lines = [json.loads(line) for line in worker.err.splitlines()]
        assert any(line["message"].startswith("notice: ") and line["process"] == "worker" for line in lines)


def healthy(address: str) -> bool:
    try:
        answer = httpx.get(f"http://{address}/health")
    except httpx.ConnectError:
        return False
    return answer.status_code == 200 and set(answer.json().values()) == {"ok"}
