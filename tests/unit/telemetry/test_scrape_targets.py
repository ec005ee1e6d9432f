"""Where nodes are, as Prometheus is told, and when."""

from __future__ import annotations

import json
import urllib.request

import pytest

from bench.model.ledger import Node
from bench.run.audience import Audience
from bench.telemetry.gauges import gauges
from bench.telemetry.native import FAMILIES, NATIVE, NODE_LABELS, SERIES, kept
from bench.telemetry.prometheus import node_job
from bench.telemetry.scrape_targets import ScrapeTargets
from bench.telemetry.server import LiveServer
from bench.telemetry.watch import Watch
from tests.support.scrapes import get, parsed
from tests.unit.run.test_audience import Monitor
from tests.unit.telemetry.test_exporter import OUTLINE

GETH = Node(
    "geth-0", "127.0.0.2:1", 1, None, role="sealer", metrics_url="http://127.0.0.2:6060/debug/metrics/prometheus"
)
ETCD = Node("etcd-0", "127.0.0.2:2", 2, None, metrics_url="https://127.0.0.2:2379")
SILENT = Node("quiet", "127.0.0.4:1", 3, None)


def test_each_node_that_tells_has_its_page_and_its_labels():
    targets = ScrapeTargets()
    targets.trial_began(OUTLINE)
    targets.nodes_changed([GETH, SILENT, ETCD])
    geth, etcd = json.loads(targets.to_json())
    assert geth == {
        "targets": ["127.0.0.2:6060"],
        "labels": {
            "__scheme__": "http",
            "__metrics_path__": "/debug/metrics/prometheus",
            "run_id": OUTLINE.run_id,
            "ledger": OUTLINE.ledger,
            "workload": OUTLINE.workload,
            "node": "geth-0",
            "role": "sealer",
            "trial": str(OUTLINE.trial),
        },
    }
    assert (etcd["labels"]["__scheme__"], etcd["labels"]["__metrics_path__"]) == ("https", "/metrics")
    assert etcd["targets"] == ["127.0.0.2:2379"]
    assert {label for label in geth["labels"] if not label.startswith("__")} == set(NODE_LABELS)


def test_there_are_none_before_after_and_between_trials():
    targets = ScrapeTargets()
    targets.nodes_changed([GETH])
    assert targets.to_json() == b"[]", "of no trial"
    targets.trial_began(OUTLINE)
    assert targets.to_json() == b"[]"
    targets.nodes_changed([GETH])
    targets.nodes_changed(())
    assert targets.to_json() == b"[]"
    targets.nodes_changed([GETH])
    targets.trial_ended(None)
    assert targets.to_json() == b"[]"


def test_the_server_answers_with_them_and_the_exporter_says_who_is_expected():
    server = LiveServer()
    try:
        audience = Audience(server.watchers, Monitor(), dict)
        for watcher in server.watchers:
            watcher.trial_began(OUTLINE)
        assert get(f"{server.url}targets") == b"[]"
        audience.nodes_changed([GETH, SILENT])
        assert [one["targets"] for one in json.loads(get(f"{server.url}targets"))] == [["127.0.0.2:6060"]]
        found = expected(server)
        assert [(value, dict(own)["node"], dict(own)["role"]) for own, value in found] == [(1, "geth-0", "sealer")]
        audience.nodes_changed(())
        assert get(f"{server.url}targets") == b"[]"
        assert expected(server) == []
    finally:
        server.close()


def test_prometheus_takes_only_this_type_of_content():
    server = LiveServer()
    try:
        with urllib.request.urlopen(f"{server.url}targets", timeout=5) as answer:
            assert answer.headers["Content-Type"] == "application/json"
    finally:
        server.close()


def expected(server: LiveServer) -> list[tuple[frozenset[tuple[str, str]], float]]:
    values = parsed(get(f"{server.url}metrics").decode())
    return [(own, value) for (name, own), value in values.items() if name == "bench_node_expected"]


def test_a_watch_forgets_the_nodes_with_their_trial():
    watch = Watch()
    watch.trial_began(OUTLINE)
    watch.nodes_changed([GETH, SILENT])
    (shown,) = watch.shown()
    assert [gauge.labels for gauge in shown.gauges if gauge.metric == "bench_node_expected"] == [
        ("geth-0", "sealer", str(OUTLINE.trial))
    ]
    watch.trial_began(OUTLINE)
    assert [gauge for run in watch._runs.values() for gauge in gauges(run, 0) if "expected" in gauge.metric] == []


def test_the_table_names_nothing_twice_and_says_everything():
    assert len(SERIES) == sum(len(metric.series) for metric in NATIVE)
    for metric in NATIVE:
        assert metric.help.endswith(".")
        assert not set(metric.labels) & set(NODE_LABELS), "would come as exported_…"
        assert "|" not in metric.help + metric.when, "it is a cell of a table"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_of_a_family_is_its_table(family: str):
    names = set(kept(family).split("|"))
    assert names == {name for name, metric in SERIES.items() if metric.family == family}
    assert not any(name.endswith("_bucket") for name in names)


def test_the_job_asks_every_server_and_drops_what_no_family_keeps():
    job = node_job(["127.0.0.1:1", "127.0.0.1:2"])
    assert [one["url"] for one in job["http_sd_configs"]] == [
        "http://127.0.0.1:1/targets",
        "http://127.0.0.1:2/targets",
    ]
    *marks, keep, unmark = job["metric_relabel_configs"]
    assert [mark["regex"] for mark in marks] == [kept(family) for family in FAMILIES]
    assert {mark["target_label"] for mark in marks} == {"__tmp_kept"} == {*keep["source_labels"]} == {unmark["regex"]}
    assert (keep["action"], unmark["action"]) == ("keep", "labeldrop")
