"""Real nodes' own metrics on a real Prometheus, during real runs: found, kept, labelled, on the dashboard, and gone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.reader import read_bundle
from bench.ledgers.ports import free_port
from bench.model.errors import BenchError
from bench.registry import ledger
from bench.telemetry.native import JOB, NATIVE, NODE_LABELS, SERIES, NativeMetric
from bench.telemetry.prometheus import Server
from tests.support.cli import Cli
from tests.support.dashboards import METRIC, Asked, board, resolved
from tests.support.live import missing
from tests.support.prometheus import prometheus

pytestmark = pytest.mark.live

FAMILY_OF = {
    "geth": "geth",
    "geth-clique": "geth",
    "cometbft": "cometbft",
    "etcd": "etcd",
    "fabric": "fabric",
}
"""The ledgers that are run, and whose names their nodes' metrics have."""
SECONDS = 9
WITHOUT = ("chaincode",)
"""Roles of nodes that have no metrics."""
NODES_ROW, FOLDED_ROWS = 5, {"geth": 6, "cometbft": 7, "etcd": 8, "fabric": 9}
GONE_WITHIN_S = 15.0
NOT_TOLD = {
    "geth": set[int](),
    "cometbft": {507, 508},
    "etcd": set[int](),
    "fabric": {511},
}
"""Panels of the row for every family that this one has nothing for; they say so."""
SHARED = {"etcd_disk_wal_fsync_duration_seconds"}
"""What a second family has too: Fabric's orderers hold a copy of etcd's Raft."""
NEEDS_TROUBLE = {
    *("cometbft_mempool_failed_txs", "cometbft_mempool_recheck_times", "consensus_etcdraft_proposal_failures"),
}
"""What a run in order may never do."""


@dataclass
class Seen:
    """A run of one ledger, and what Prometheus had of it. `declared`: roles by node, `series`: names by node."""

    run_id: str
    declared: dict[str, str]
    nodes: list[dict[str, Any]]
    series: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """Prometheus after all the runs."""

    server: Server
    runs: Mapping[str, Seen]
    since_s: float
    until_s: float
    targets_left: int


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A run on each ledger, all at the same time, and one Prometheus for all of them."""
    directory = tmp_path_factory.mktemp("native")
    for name in FAMILY_OF:
        try:
            ledger(name).install(lambda _: None)
        except BenchError as error:
            missing(f"{name}: {error}")
    addresses = {name: f"127.0.0.1:{free_port('127.0.0.1')}" for name in FAMILY_OF}
    cli = Cli(directory)
    since = time.time()
    listening = list(addresses.values())
    with prometheus(directory / "prometheus", listening, nodes_of=listening) as server:
        try:
            started = {name: cli.start(*command(name, address, cli.out)) for name, address in addresses.items()}
            for name, process in started.items():
                _, errors = process.communicate(timeout=240)
                assert process.returncode in (0, 3, 4), f"{name}: {errors}"  # the verdict is no matter here
            left = vanished(server)
            runs = dict(seen(server, path, since) for path in cli.bundles())
            yield Watched(server, runs, since, time.time(), left)
        finally:
            cli.end()


def command(name: str, address: str, out: Path) -> list[str]:
    load = ["--workload", "transfer", "--rate", "40", "--duration", f"{SECONDS}s", "--trials", "1", "--seed", "7"]
    return ["run", "--ledger", name, *load, "--out", str(out), "--metrics-listen", address]


def targets(server: Server) -> list[dict[str, Any]]:
    active = server.get("/api/v1/targets", state="active")["activeTargets"]
    return [one for one in active if one["scrapePool"] == JOB]


def vanished(server: Server) -> int:
    """How many nodes Prometheus still asks some seconds after the run."""
    end = time.monotonic() + GONE_WITHIN_S
    while targets(server) and time.monotonic() < end:
        time.sleep(0.2)
    return len(targets(server))


def seen(server: Server, bundle: Path, since_s: float) -> tuple[str, Seen]:
    result = read_bundle(bundle).result
    times = {"start": f"{since_s:.3f}", "end": f"{time.time():.3f}"}
    found = server.get("/api/v1/series", **{"match[]": f'{{job="{JOB}",run_id="{result.run_id}"}}'}, **times)
    declared = {node.name: node.role for node in result.ledger.network if node.role not in WITHOUT}
    run = Seen(result.run_id, declared, [dict(labels) for labels in found])
    for labels in found:
        run.series.setdefault(labels["node"], set()).add(labels["__name__"])
    return result.ledger.name, run


def expected(family: str, role: str) -> list[NativeMetric]:
    """What a node of this family and role always tells under load."""
    return [
        metric
        for metric in NATIVE
        if metric.family == family and metric.role in ("", role) and metric.name not in NEEDS_TROUBLE
    ]


@pytest.mark.parametrize("name", FAMILY_OF)
def test_every_node_of_the_ledger_is_read_with_its_labels(watched: Watched, name: str) -> None:
    run = watched.runs[name]
    assert {labels["node"]: labels["role"] for labels in run.nodes} == run.declared
    for labels in run.nodes:
        assert set(NODE_LABELS) <= set(labels)
        assert (labels["ledger"], labels["workload"], labels["trial"]) == (name, "transfer", "1")
        assert not any(label.startswith("exported_") for label in labels), labels
    answers = watched.server.range(f'bench:node_up{{run_id="{run.run_id}"}}', watched.since_s, watched.until_s)
    up = {series.labels["node"]: [value for _, value in series.points] for series in answers}
    assert set(up) == set(run.series)
    assert all(sum(values) >= SECONDS - 2 for values in up.values()), up


@pytest.mark.parametrize("name", FAMILY_OF)
def test_every_metric_of_the_list_is_there_under_its_node(watched: Watched, name: str) -> None:
    run, family, roles = watched.runs[name], FAMILY_OF[name], watched.runs[name].declared
    absent = {
        (node, series)
        for node, role in roles.items()
        for metric in expected(family, role)
        if not metric.when
        for series in metric.series
        if series not in run.series[node]
    }
    assert absent == set()
    of_any = set().union(*run.series.values())
    wanted = {series for role in roles.values() for metric in expected(family, role) for series in metric.series}
    assert wanted - of_any == set(), "what begins with the first of its kind has begun on some node"
    known = {series for series, metric in SERIES.items() if metric.family == family or metric.name in SHARED}
    assert {each for each in of_any if each in SERIES} <= known, "another family has the same name"


def row(identifier: int) -> list[dict[str, Any]]:
    """The panels below a row of the dashboard Ledger."""
    found: list[dict[str, Any]] = []
    inside = False
    for panel in board("ledger")["panels"]:
        if panel["type"] == "row":
            inside = panel["id"] == identifier
            found += panel.get("panels", ()) if inside else ()
        elif inside:
            found.append(panel)
    return found


def asked_of(family: str) -> list[tuple[int, Asked]]:
    panels = [panel for panel in row(NODES_ROW) if panel["id"] not in NOT_TOLD[family]] + row(FOLDED_ROWS[family])
    return [
        (panel["id"], Asked(f"{panel['id']} {panel['title']} {target['refId']}", target["expr"], target["instant"]))
        for panel in panels
        for target in panel["targets"]
    ]


@pytest.mark.parametrize("name", FAMILY_OF)
def test_every_panel_for_it_shows_something(watched: Watched, name: str) -> None:
    run, family = watched.runs[name], FAMILY_OF[name]
    values = {"run": run.run_id, "node": f"({'|'.join(run.series)})"}
    empty = []
    for _, asked in asked_of(family):
        expr = resolved(asked.expr, values, range_s=math.ceil(watched.until_s - watched.since_s))
        answer = watched.server.range(expr, watched.since_s, watched.until_s)
        finite = [value for series in answer for _, value in series.points if math.isfinite(value)]
        named = {series for series, _ in METRIC.findall(asked.expr)}
        if not finite and not named & NEEDS_TROUBLE and "node_queued" not in asked.expr:
            empty.append(asked.where)
    assert empty == []


@pytest.mark.parametrize("name", FAMILY_OF)
def test_heights_grow_and_agree_and_every_node_has_its_own_line(watched: Watched, name: str) -> None:
    run = watched.runs[name]
    answers = watched.server.range(f'bench:node_height{{run_id="{run.run_id}"}}', watched.since_s, watched.until_s)
    assert answers
    for series in answers:
        heights = [value for _, value in series.points]
        assert heights == sorted(heights), "a node's height never falls here"
        assert heights[-1] - heights[0] >= 3
    ends = [series.points[-1][1] for series in answers]
    assert max(ends) - min(ends) <= 5 or FAMILY_OF[name] == "etcd"


def test_no_alert_of_a_node_comes_of_runs_in_order(watched: Watched) -> None:
    query = 'ALERTS{alertname="NodeDown",alertstate="firing"}'  # pending for a scrape or two tells nobody anything
    assert watched.server.range(query, watched.since_s, watched.until_s) == []


def test_after_the_runs_nobody_is_asked_any_more(watched: Watched) -> None:
    assert watched.targets_left == 0
