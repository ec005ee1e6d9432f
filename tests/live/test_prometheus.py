"""The product's Prometheus: it starts, reads, answers, shows its pages and leaves nothing behind; Alertmanager too."""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from bench.model.errors import HarnessError
from bench.telemetry.prometheus import RULES, Target, start
from bench.telemetry.query import QueryError
from tests.support.prometheus import alertmanager, program, prometheus, scripted_exporter, tool, until

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
RUN = {"run_id": "r", "ledger": "anvil", "workload": "transfer"}


def fetched(url: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def test_it_reads_every_second_from_the_first_moment_and_answers(tmp_path: Path) -> None:
    with scripted_exporter() as exporter:
        exporter.set("bench_in_flight", 7, **RUN)
        exporter.set("bench_finalized_total", 100, operation="transfer", **RUN)
        with prometheus(tmp_path, [exporter.address, Target("127.0.0.1:9", "node", {"node": "n0"})]) as server:
            (now,) = server.instant("bench_in_flight")
            assert now.value == 7
            assert {key: now.labels[key] for key in ("job", "instance", *RUN)} == {
                "job": "bench",
                "instance": exporter.address,
                **RUN,
            }
            assert {one.labels["job"]: one.value for one in server.instant("up")} == {"bench": 1, "node": 0}
            assert [one.labels["node"] for one in server.instant('up{job="node"}')] == ["n0"]
            assert server.instant("1 + 1")[0].value == 2
            exporter.set("bench_in_flight", 9, **RUN)
            until(lambda: server.instant("bench_in_flight")[0].value == 9, 5, "the next scrape")
            until(lambda: len(server.instant("bench:goodput:rate10s")) == 1, 5, "a recorded rate")
            (series,) = server.range("bench_in_flight", now.at_s, time.time())
            values = [value for _, value in series.points]
            assert values[0] == 7
            assert values == sorted(values)
            assert server.range("nothing_such", now.at_s, time.time()) == []
            with pytest.raises(QueryError, match="unclosed left parenthesis"):
                server.instant("sum(")
            assert server.get("/api/v1/format_query", query="sum( up )") == "sum(up)"
            pid = server.process.pid
        assert not psutil.pid_exists(pid)
        with pytest.raises(QueryError, match="does not answer"):
            server.instant("up")
        server.stop()


def test_its_pages_come_whole(tmp_path: Path) -> None:
    with prometheus(tmp_path, []) as server:
        page = "/classic/graph" if fetched(server.url, "/classic/graph")[0] == 200 else "/query"
        status, text = fetched(server.url, page)
        assert status == 200
        parts = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css)[^"]*)"', text)
        assert len(parts) >= 2
        assert [part for part in parts if fetched(server.url, part)[0] != 200] == []


def test_the_generated_configuration_and_the_rules_are_accepted_by_the_tool(tmp_path: Path) -> None:
    with prometheus(tmp_path, ["127.0.0.1:9"], alertmanager_url="http://127.0.0.1:8") as server:
        assert "SUCCESS: 2 rule files found" in tool("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
        (active,) = server.get("/api/v1/alertmanagers")["activeAlertmanagers"]
        assert active["url"] == "http://127.0.0.1:8/api/v2/alerts"
        groups = server.get("/api/v1/rules")["groups"]
        assert {group["interval"] for group in groups} == {1}
        until(
            lambda: all(r["health"] == "ok" for g in server.get("/api/v1/rules")["groups"] for r in g["rules"]),
            5,
            "every rule evaluated",
        )


def test_the_rules_are_sound_and_do_what_their_tests_say() -> None:
    assert "SUCCESS" in tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES.glob("*.yml")))
    tests = sorted((ROOT / "docker" / "prometheus" / "tests").glob("*.yml"))
    assert len(tests) == 5
    assert tool("promtool", "test", "rules", *map(str, tests)).count("SUCCESS") == 5


def test_a_prometheus_that_cannot_start_says_why_and_is_gone(tmp_path: Path) -> None:
    program("prometheus")
    with pytest.raises(HarnessError, match="prometheus ended while starting") as caught:
        start(tmp_path, [Target("127.0.0.1:9", labels={"not a label": "x"})])
    assert "not a valid label name" in caught.value.remedy
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])] == []


def test_an_alertmanager_starts_with_what_was_generated(tmp_path: Path) -> None:
    with alertmanager(tmp_path, "http://127.0.0.1:9/hook") as server:
        status = fetched(server.url, "/api/v2/status")
        assert status[0] == 200
        assert "webhook" in status[1]
        assert (tmp_path / "alertmanager.yml").stat().st_mode & 0o077 == 0
    tool("amtool", "check-config", str(tmp_path / "alertmanager.yml"))
