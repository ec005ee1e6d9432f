"""A real Prometheus and Alertmanager for a test, an exporter that says what it should, a webhook that listens."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from bench.model.errors import BenchError
from bench.telemetry.metrics import BY_NAME, Kind
from bench.telemetry.packages import install
from bench.telemetry.prometheus import Server, Target, start, start_alertmanager
from tests.support.live import missing


def program(name: str) -> Path:
    """`prometheus`, `promtool`, `alertmanager` or `amtool`; ends the test where it is not to be had."""
    try:
        return install(name, lambda line: None).path
    except BenchError as error:
        missing(f"{name}: {error}")


def tool(name: str, *arguments: str) -> str:
    """What a tool prints, both channels; fails the test when the tool does."""
    done = subprocess.run([str(program(name)), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{name} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@contextmanager
def prometheus(
    directory: Path,
    targets: Sequence[str | Target],
    *,
    nodes_of: Sequence[str] = (),
    rules: bool = True,
    alertmanager_url: str | None = None,
) -> Iterator[Server]:
    """The product's own, which has read each target once; stopped whatever happens."""
    program("prometheus")
    with start(directory, targets, nodes_of=nodes_of, rules=rules, alertmanager_url=alertmanager_url) as server:
        yield server


@contextmanager
def alertmanager(directory: Path, webhook_url: str) -> Iterator[Server]:
    """The product's own, posting to `webhook_url`."""
    program("alertmanager")
    with start_alertmanager(directory, webhook_url) as server:
        yield server


def until(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Return once `condition` holds; fail the test after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.1)


class ScriptedExporter:
    """Serves whatever was set last, under the product's names and with its labels; anything else is a mistake."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float | tuple[float, int]]] = {}
        self._lock = threading.Lock()
        self.address = ""

    def set(self, name: str, value: float | tuple[float, int], **labels: str) -> None:
        """A counter's or gauge's value, or a histogram's sum and count (all in its last bucket)."""
        expected = BY_NAME[name].label_names
        assert set(labels) == set(expected), (name, labels)
        with self._lock:
            self._values.setdefault(name, {})[tuple(labels[label] for label in expected)] = value

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            values = {name: dict(series) for name, series in self._values.items()}
        for name, series in values.items():
            yield _family(name, series)


def _family(name: str, series: dict[tuple[str, ...], Any]) -> Metric:
    about = BY_NAME[name]
    if about.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, about.help, labels=about.label_names)
        for labels, (total, count) in series.items():
            histogram.add_metric(labels, [("+Inf", count)], total)
        return histogram
    kind = CounterMetricFamily if about.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(name, about.help, labels=about.label_names)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


@contextmanager
def scripted_exporter() -> Iterator[ScriptedExporter]:
    """On a free loopback port, named in `address`."""
    exporter = ScriptedExporter()
    registry = CollectorRegistry()
    registry.register(exporter)  # type: ignore[arg-type]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    exporter.address = f"127.0.0.1:{server.server_port}"
    try:
        yield exporter
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass(frozen=True)
class Delivered:
    """One alert as a message of Alertmanager told it. `at_s` is when it came, monotonic."""

    at_s: float
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass
class Webhook:
    """What was posted to `url`, in order."""

    url: str
    alerts: list[Delivered] = field(default_factory=list)

    def seen(self, status: str, **labels: str) -> Delivered | None:
        """The first alert that was told with this status and these labels."""
        found = (a for a in list(self.alerts) if a.status == status and labels.items() <= a.labels.items())
        return next(found, None)


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver for Alertmanager's messages on a free loopback port."""
    received = Webhook("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in message["alerts"]:
                told = Delivered(time.monotonic(), alert["status"], alert["labels"], alert["annotations"])
                received.alerts.append(told)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
