"""`make live` from end to end: a run, its Prometheus and a stand-in for Grafana come up, show the run, and are gone."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from bench.telemetry.query import PrometheusApi, QueryError
from tests.support.prometheus import program

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
# Answers as Grafana does when it is ready, and lists what it was given, so that the test can look at it.
GRAFANA = """#!{python}
import http.server, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        provisioning = pathlib.Path(os.environ["GF_PATHS_PROVISIONING"])
        body = "".join(path.read_text() for path in sorted(provisioning.rglob("*.yml"))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
address = (os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"]))
http.server.HTTPServer(address, Handler).serve_forever()
"""
RUN = ["--ledger", "simulated", "--workload", "transfer", "--rate", "50", "--duration", "8s", "--trials", "1"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program("prometheus")
    stand_in = tmp_path / "bin" / "grafana-server"
    stand_in.parent.mkdir()
    stand_in.write_text(GRAFANA.replace("{python}", sys.executable))
    stand_in.chmod(0o755)
    return {**os.environ, "PATH": f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}


def started(environment: dict[str, str], tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(ROOT / "tools" / "live.py"),
        *options,
        "--",
        *RUN,
        "--out",
        str(tmp_path / "results"),
    ]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )


def address(live: subprocess.Popen[str], what: str) -> str:
    """The address that is printed for `what`."""
    assert live.stdout is not None
    for line in live.stdout:
        if found := re.match(rf"live: {what} +(http://[\d.:]+)", line):
            return found[1]
    raise AssertionError(f"no address of {what} was printed")


def fetched(url: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def left_over(tmp_path: Path) -> list[list[str]]:
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if any(str(tmp_path) in word for word in line)]


def test_the_run_is_in_prometheus_and_all_ends_with_it(environment: dict[str, str], tmp_path: Path) -> None:
    with started(environment, tmp_path, "--no-stay") as live:
        grafana = address(live, "Grafana")
        api = PrometheusApi(address(live, "Prometheus"))
        provisioned = fetched(grafana)
        assert api.url in provisioned
        assert str(ROOT / "dashboards") in provisioned
        most, goodput, fired, sick = 0.0, 0.0, set[str](), set[str]()
        while live.poll() is None:
            try:
                most = max([most, *(one.value for one in api.instant("sum(bench_submitted_total)"))])
                goodput = max([goodput, *(one.value for one in api.instant("bench:goodput:rate10s"))])
                fired |= {alert.name for alert in api.alerts() if alert.state == "firing"}
                rules = [rule for group in api.get("/api/v1/rules")["groups"] for rule in group["rules"]]
                sick |= {rule["lastError"] for rule in rules if rule["health"] == "err"}
            except QueryError:  # it has ended in between
                break
            time.sleep(0.2)
        assert live.wait(30) == 0, live.stdout.read() if live.stdout else ""
    assert most > 300, "of 400 transactions Prometheus saw most while they were sent"
    assert 30 < goodput < 70, "50 transactions a second were sent"
    assert fired <= {"HarnessBound"}, "nothing else is wrong with this run; the machine may be busy"
    assert sick == set()
    assert len(list((tmp_path / "results").glob("*/result.json"))) == 1
    assert left_over(tmp_path) == []
    assert list(tmp_path.glob("bench-live-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_ends_when_somebody_ends_it(environment: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    with started(environment, tmp_path, "--stay") as live:
        api = PrometheusApi(address(live, "Prometheus"))
        end = time.monotonic() + 30
        while not api.instant('bench_phase{phase="measure"} == 1'):
            assert time.monotonic() < end
            time.sleep(0.2)
        live.send_signal(number)
        assert live.wait(30) == 130
    assert left_over(tmp_path) == []
