"""The rules against the table of metrics and the runbook: nothing they name is missing. What they do: tests/live."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.telemetry.metrics import BY_NAME, PHASES, RUN_LABELS, Kind
from bench.telemetry.native import FAMILIES, JOB, NODE_LABELS, OF_EVERY_TARGET, SERIES
from bench.telemetry.prometheus import RULES

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK = ROOT / "docs" / "operate.md"
FILES = ("bench.yml", "nodes.yml")
GROUPS: list[dict[str, Any]] = [
    group for file in FILES for group in yaml.safe_load((RULES / file).read_text())["groups"]
]
EVERY: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in EVERY if "alert" in rule]
RECORDED = {rule["record"]: rule["expr"] for rule in EVERY if "record" in rule}
ONE_OF = re.compile(r'\{__name__=~"(\w+)\(([\w|]+)\)(\w+)"\}')
EXPECTED = {
    *("LedgerStalled", "ErrorBudgetBurning", "HarnessBound", "RunVanished", "WorkerLost", "ObserverBehind"),
    *("DiskNearlyFull", "NodeDown"),
}
BASE = "{{ $externalLabels.runbooks }}"
"""What an operator may put before the runbook's address; empty unless set."""


def named(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def spelled_out(expression: str) -> str:
    """With each choice of names written as a list of names."""
    return ONE_OF.sub(lambda found: " ".join(found[1] + one + found[3] for one in found[2].split("|")), expression)


def metrics_in(expression: str) -> set[str]:
    """The declared names of what an expression reads; parts of histograms count as their histogram."""
    names = set()
    for name in re.findall(r"\bbench_\w+", spelled_out(expression)):
        stem = re.sub(r"_(bucket|sum|count)$", "", name)
        histogram = stem in BY_NAME and BY_NAME[stem].kind is Kind.HISTOGRAM
        assert not (stem != name and not histogram), name
        names.add(stem)
    return names


@pytest.mark.parametrize("rule", EVERY, ids=named)
def test_it_reads_only_what_is_exposed_or_recorded_before(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) <= set(BY_NAME)
    order = [named(one) for one in EVERY]
    for name in re.findall(r"\bbench:[\w:]+", rule["expr"]):
        assert name in RECORDED
        assert order.index(name) < order.index(named(rule)), f"{name} is recorded after it is read"


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert metrics_in("rate(bench_finality_latency_seconds_bucket[10s])") == {"bench_finality_latency_seconds"}
    assert metrics_in('sum({__name__=~"bench_(failed|nothing)_total"})') == {
        "bench_failed_total",
        "bench_nothing_total",
    }
    with pytest.raises(AssertionError):
        metrics_in("bench_in_flight_sum")


OF_NODES = [rule for rule in EVERY if JOB in rule["expr"]]
NATIVE = re.compile(rf"\b({'|'.join((*OF_EVERY_TARGET, *SERIES))})\b")


@pytest.mark.parametrize("rule", OF_NODES, ids=named)
def test_of_nodes_only_what_is_kept_is_read(rule: dict[str, Any]) -> None:
    words = set(re.findall(r"\b(?!bench)[a-z]\w*_\w+", rule["expr"]))
    functions = {"max_over_time", "last_over_time", "run_id", "under_load"}
    assert words - functions <= {*SERIES, *OF_EVERY_TARGET}
    assert NATIVE.search(rule["expr"])


@pytest.mark.parametrize("rule", OF_NODES, ids=named)
def test_of_nodes_only_their_job_is_read(rule: dict[str, Any]) -> None:
    """Somebody's own Prometheus may read other nodes of the same kind."""
    for selector in re.findall(r"\{[^}]*\}", rule["expr"]):
        assert f'job="{JOB}"' in selector
    bare = re.findall(rf"{NATIVE.pattern}(?![|\w{{\"])", rule["expr"])
    assert bare == [], "read from any job"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_its_height_and_what_waits(family: str) -> None:
    for name in ("bench:node_height", "bench:node_peers", "bench:node_pending", "bench:node_block_seconds"):
        read = NATIVE.findall(RECORDED[name])
        assert family in {SERIES[each].family for each in read}


def test_a_height_or_count_of_nodes_is_never_a_sum_over_them() -> None:
    for rule in OF_NODES:
        for labels in re.findall(r"by \(([^)]*)\)", rule["expr"]):
            assert "node" in labels


@pytest.mark.parametrize("rule", EVERY, ids=named)
def test_rates_are_taken_of_what_counts_and_of_nothing_else(rule: dict[str, Any]) -> None:
    for name in re.findall(r"(?:rate|increase)\((bench_\w+)\[", rule["expr"]):
        stem = re.sub(r"_bucket$", "", name)
        assert BY_NAME[stem].kind in (Kind.COUNTER, Kind.HISTOGRAM), name
    for name in re.findall(r"(?:min_over_time|max_over_time|predict_linear)\((bench_\w+)\[", rule["expr"]):
        assert BY_NAME[name].kind is Kind.GAUGE, name


@pytest.mark.parametrize("rule", EVERY, ids=named)
def test_labels_exist_and_the_run_is_never_lost(rule: dict[str, Any]) -> None:
    for labels in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
        names = {label.strip() for label in labels.split(",")} - {"le"}
        assert set(RUN_LABELS) <= names <= set(NODE_LABELS)
    for phases in re.findall(r'phase=~"([^"]*)"', rule["expr"]):
        assert set(phases.split("|")) <= set(PHASES)


@pytest.mark.parametrize("rule", [rule for rule in EVERY if not re.search(r":(rate|p\d)", named(rule))], ids=named)
def test_a_lost_scrape_changes_no_condition(rule: dict[str, Any]) -> None:
    if "__name__" in rule["expr"]:
        return  # sums of counters: what reads them reads a range
    for name, what in re.findall(r"\b(bench_\w+)(?:\{[^}]*\})?(.?)", rule["expr"]):
        assert what == "[" or name == "bench_failed_expected_total", f"{name} is read at one moment"


def test_everything_is_evaluated_each_second_and_recorded_once() -> None:
    assert {group["interval"] for group in GROUPS} == {"1s"}
    assert len(RECORDED) == len([rule for rule in EVERY if "record" in rule])
    assert {rule["alert"] for rule in ALERTS} == EXPECTED


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_an_alert_says_what_it_is_about_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert "$labels.run_id" in notes["description"]
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    known = set(RUN_LABELS).union(*(BY_NAME[name].labels for name in metrics_in(rule["expr"]) if name in BY_NAME))
    known -= {"role"} if rule["alert"] == "NodeDown" else set()  # not among those it is made by
    assert set(re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"])) <= known


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_the_runbook_has_its_alert_with_all_three_answers(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"].startswith(BASE)
    page, anchor = rule["annotations"]["runbook_url"].removeprefix(BASE).split("#")
    assert ROOT / page == RUNBOOK
    assert anchor == rule["alert"].lower()
    chapter = re.search(rf"^### {rule['alert']}\n(.*?)(?=^##|\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    assert chapter is not None
    for answer in ("**Means.**", "**Look.**", "**Do.**"):
        assert answer in chapter[1]


def test_bounds_on_the_page_are_those_of_the_rules() -> None:
    assert {rule["alert"]: rule["for"] for rule in ALERTS if rule["alert"] in ("HarnessBound", "RunVanished")} == {
        "HarnessBound": "20s",
        "RunVanished": "5s",
    }
    page = " ".join(RUNBOOK.read_text().split())
    expressions = {named(rule): rule["expr"] for rule in ALERTS}
    assert "max_over_time(bench_observer_delay_seconds[30s]) > 1" in expressions["ObserverBehind"]
    assert "more than 1 s" in page
    assert "2 * 2^30" in expressions["DiskNearlyFull"]
    assert "less than 2 GiB" in page
    burns = [rule["expr"] for rule in ALERTS if rule["alert"] == "ErrorBudgetBurning"]
    assert [re.findall(r"rate(\w+) > (\d) \* 0\.01", one) for one in burns] == [
        [("1m", "6"), ("5m", "6")],
        [("5m", "2"), ("30m", "2")],
    ]
    assert "| fast | 1 m and 5 m | 6 (6 %) |" in page
    assert "| slow | 5 m and 30 m | 2 (2 %) |" in page
