"""Every query of every dashboard against a real Prometheus; the files against Grafana's own types."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.ledgers.ports import free_port
from bench.telemetry.native import JOB, OF_EVERY_TARGET, SERIES
from bench.telemetry.prometheus import Server, Target
from tests.support.cli import Cli
from tests.support.dashboards import (
    FOLDER,
    METRIC,
    NAMES,
    Asked,
    annotation_queries,
    queries,
    resolved,
    variable_queries,
)
from tests.support.every_metric import RUN, every_metric, every_native_metric
from tests.support.live import missing
from tests.support.prometheus import prometheus, until

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "tools" / "dashboards" / "check.mjs"
QUERIES = [asked for name in NAMES for asked in (*queries(name), *annotation_queries(name))]
SECONDS = 12
SCENARIO = """
name: every-panel
ledgers:
  - {name: anvil, options: {block_time_s: 1}}
  - sqlite
workload: smallbank
arrival: {process: constant, rate: 300}
phases: {duration: 6s}
trials: 2
seed: 5
slo: {finality_p99: 5s}
limits: {submit_lag_p99: 1s}
"""


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has read a run, the variables as somebody would choose them, and when it was."""

    server: Server
    values: Mapping[str, Mapping[str, str]]
    since_s: float
    until_s: float

    def expr(self, name: str, asked: Asked) -> str:
        return resolved(asked.expr, self.values[name], range_s=math.ceil(self.until_s - self.since_s))

    def answers(self, name: str, asked: Asked) -> list[float]:
        """Every value that is a number, over the whole time."""
        series = self.server.range(self.expr(name, asked), self.since_s, self.until_s)
        return [value for each in series for _, value in each.points if math.isfinite(value)]


def chosen(server: Server, name: str, run_id: str, since_s: float, until_s: float) -> dict[str, str]:
    """Variables in their order: the run that is asked for, and everything else, as Grafana's «All» writes it."""
    values = {"run": run_id}
    times = {"start": f"{since_s:.3f}", "end": f"{until_s:.3f}"}
    for variable, selector, label in variable_queries(name):
        filled = resolved(selector, values, range_s=1)
        found = sorted({each[label] for each in server.get("/api/v1/series", **{"match[]": filled}, **times)})
        assert found, f"{name}: nothing to choose from for {variable}: {filled}"
        if variable == "run":
            assert run_id in found
        else:
            values[variable] = f"({'|'.join(found)})" if len(found) > 1 else found[0]
    return values


def seen(server: Server, run_id: str, since_s: float) -> Watched:
    now = time.time()
    return Watched(server, {name: chosen(server, name, run_id, since_s, now) for name in NAMES}, since_s, now)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Every declared metric, all its labels, from an exporter that follows a script."""
    node = {**RUN, "node": "anvil-0", "role": "sealer", "trial": "1"}
    with every_metric() as address, every_native_metric() as native, ExitStack() as stack:
        targets = [address, Target(native, JOB, node)]
        server = stack.enter_context(prometheus(tmp_path_factory.mktemp("prometheus"), targets))
        since = time.time()
        until(lambda: bool(server.instant("bench_trial offset 10s")), SECONDS + 20, "some seconds of data")
        yield seen(server, RUN["run_id"], since)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A run on a real node, and one after it, so that the first one's results are published while somebody looks."""
    directory = tmp_path_factory.mktemp("run")
    scenario = directory / "scenario.yaml"
    scenario.write_text(SCENARIO)
    port = free_port("127.0.0.1")
    cli = Cli(directory)
    since = time.time()
    with prometheus(directory / "prometheus", [f"127.0.0.1:{port}"]) as server:
        try:
            done = cli.run("run", str(scenario), "--out", str(cli.out), "--metrics-listen", f"127.0.0.1:{port}")
            assert done.returncode in (0, 4), done.stderr
            run_id = next(path.name for path in cli.bundles() if "anvil" in path.name)
            yield seen(server, run_id, since)
        finally:
            cli.end()


def name_of(asked: Asked) -> str:
    return asked.where.split("/")[0].removeprefix("bench-")


def missing_series(watched: Watched, name: str, asked: Asked) -> list[str]:
    """Selectors of the query that match no series at all."""
    times = {"start": f"{watched.since_s:.3f}", "end": f"{watched.until_s:.3f}"}
    selectors = ["".join(found) for found in METRIC.findall(watched.expr(name, asked))]
    return [each for each in selectors if not watched.server.get("/api/v1/series", **{"match[]": each}, **times)]


def may_be_empty(asked: Asked) -> bool:
    """Alerts are there only when one fires."""
    return "ALERTS" in asked.expr


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.where)
def test_every_query_is_promql(everything: Watched, asked: Asked) -> None:
    expr = everything.expr(name_of(asked), asked)
    assert "$" not in expr
    assert everything.server.get("/api/v1/format_query", query=expr)


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.where)
def test_every_query_answers_when_every_metric_is_there(everything: Watched, asked: Asked) -> None:
    answers = everything.answers(name_of(asked), asked)
    if not may_be_empty(asked):
        assert missing_series(everything, name_of(asked), asked) == []
        assert answers


NOT_IN_THIS_RUN = {
    "bench_result_capacity_per_second": "no capacity search",
    'bench_result_goodput_per_second{.*bound="(low|high)"': "fewer than 5 trials have no interval",
    "bench_dropped_total": "by cause, and nothing was dropped",
    "bench_errors_total": "by class, and maybe nothing failed",
}
"""What the run is too short or too healthy for; the panels say so in words, and the other test asks them."""


def of_nodes(asked: Asked) -> bool:
    """Asked of nodes that have metrics of their own: tests/live/test_native_metrics.py."""
    named = {series for series, _ in METRIC.findall(asked.expr)}
    return bool(named & {*SERIES, *OF_EVERY_TARGET}) or any(re.match("bench[:_]node_(?!data)", name) for name in named)


@pytest.mark.parametrize("asked", [asked for asked in QUERIES if not of_nodes(asked)], ids=lambda asked: asked.where)
def test_every_query_answers_during_a_real_run(a_run: Watched, asked: Asked) -> None:
    answers = a_run.answers(name_of(asked), asked)
    if may_be_empty(asked) or any(re.search(pattern, asked.expr) for pattern in NOT_IN_THIS_RUN):
        return
    assert missing_series(a_run, name_of(asked), asked) == []
    assert answers


def test_what_a_run_shows_is_what_it_did(a_run: Watched) -> None:
    (goodput,) = [asked for asked in queries("run") if "bench_finalized_total" in asked.expr and asked.panel == 201]
    highest = max(a_run.answers("run", goodput))
    assert 200 < highest < 600, "300 operations per second, 15 % of them reads, in blocks of a second"
    objective = next(asked for asked in queries("run") if asked.panel == 106)
    assert 1 in a_run.answers("run", objective)


def test_a_wrong_query_is_found(everything: Watched) -> None:
    wrong = Asked("bench-run/0 wrong A", 'bench_trial{run_id="$run",ledger="none"}', False)
    assert everything.answers("run", wrong) == []
    assert missing_series(everything, "run", wrong) != []


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node") or missing("node and npm, to check types")
    command = [node, str(CHECK), "--in", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_dashboards_are_as_grafana_types_them() -> None:
    done = checked(FOLDER)
    assert (done.returncode, done.stdout) == (0, "4 dashboards are as @grafana/schema 13.2.3 types them\n"), done.stdout


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("panels", 1, "options", "colorMode"), "loud", "loud"),
        (("panels", 1, "options", "colourMode"), "value", "colourMode"),
        (("panels", 1, "fieldConfig", "defaults", "unit"), 7, "number"),
        (("panels", 1, "gridPos", "w"), "4", "string"),
        (("refreshing",), "1s", "refreshing"),
        (("templating", "list", 1, "refresh"), 9, "9"),
    ],
)
def test_a_value_that_grafana_would_not_know_is_found(
    tmp_path: Path, where: tuple[str | int, ...], value: object, said: str
) -> None:
    dashboard = json.loads((FOLDER / "run.json").read_text())
    holder = dashboard
    for step in where[:-1]:
        holder = holder[step]
    holder[where[-1]] = value
    (tmp_path / "run.json").write_text(json.dumps(dashboard))
    done = checked(tmp_path)
    assert done.returncode == 1
    assert said in done.stdout
