"""A workload file under plain `locust -f`: Locust's own command line, statistics and web UI, no coordinator."""

import csv
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bench.ledgers.ports import free_port
from tests.support.anvil import anvil_network
from tests.support.cli import ROOT
from tests.support.scrapes import get, parsed, total

pytestmark = pytest.mark.live


def locust(*arguments: str, key: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LOCUST_SKIP_MONKEY_PATCH"}
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "workloads/transfer/locustfile.py", *arguments],
        cwd=ROOT,
        env={**environment, "BENCH_FUNDING_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_headless_keeps_the_rate_and_fills_locusts_statistics(tmp_path: Path):
    with anvil_network(tmp_path) as network:
        process = locust(
            *("--headless", "-u", "8", "-r", "8", "-t", "12s", "--host", network.endpoint, "--rate", "50"),
            *("--csv", str(tmp_path / "stats")),
            key=network.funding_key,
        )
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    with (tmp_path / "stats_stats.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["Name"] == "transfer"]
    assert 150 <= int(row["Request Count"]) <= 600
    assert row["Failure Count"] == "0"
    assert 100 < float(row["Median Response Time"]) < 2500


def test_the_web_ui_starts_and_stops_a_test(tmp_path: Path):
    with anvil_network(tmp_path) as network:
        process = locust(
            *(
                "--web-host",
                "127.0.0.1",
                "--web-port",
                str(free_port("127.0.0.1")),
                "--host",
                network.endpoint,
                "--rate",
                "50",
            ),
            key=network.funding_key,
        )
        try:
            url = web_address(process)
            assert answer(f"{url}/swarm", b"user_count=4&spawn_rate=4")["success"]
            assert wait_for_requests(url) > 50
            assert answer(f"{url}/stop", b"")["success"]
        finally:
            process.terminate()
            process.communicate(timeout=20)


def web_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("Locust did not say where its web UI is")


def answer(url: str, data: bytes | None = None) -> dict:
    for patience in range(50):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:  # its address is printed before it listens
            if patience == 49:
                raise
            time.sleep(0.1)
    raise AssertionError("unreachable")


def wait_for_requests(url: str) -> int:
    count = 0
    for _ in range(100):
        stats = answer(f"{url}/stats/requests")["stats"]
        count = max([each["num_requests"] for each in stats if each["name"] == "transfer"], default=0)
        if count > 50:
            break
        time.sleep(0.2)
    return count


def test_live_figures_are_served_while_a_test_runs(tmp_path: Path):
    with anvil_network(tmp_path) as network:
        process = locust(
            *("--headless", "-u", "8", "-r", "8", "-t", "60s", "--host", network.endpoint, "--rate", "50"),
            key=network.funding_key,
        )
        try:
            assert process.stdout is not None
            address = next(found[1] for line in process.stdout if (found := re.search(r"scrapes (http\S+)\)", line)))
            submitted = 0.0
            for _ in range(200):
                values = parsed(get(address).decode())
                submitted = total(values, "bench_submitted_total", operation="transfer", workload="transfer")
                if submitted > 50:
                    break
                time.sleep(0.2)
            assert submitted > 50
            assert total(values, "bench_phase", phase="measure") == 1
            assert total(values, "bench_worker_up", worker="worker-0") == 1
            assert total(values, "bench_offered_rate") == 50
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output
