"""What must hold of every dashboard: the rules of Grafana's own linter, and ours, on the committed JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from bench.telemetry.metrics import BY_NAME, METRICS, RUN_LABELS, Kind, Metric
from bench.telemetry.native import FAMILIES, NODE_LABELS, OF_EVERY_TARGET, SERIES
from bench.telemetry.prometheus import RULES
from tests.support.dashboards import (
    BUILT_IN,
    FOLDER,
    GROUPED,
    MATCHER,
    METRIC,
    NAMES,
    VARIABLE,
    Asked,
    annotation_queries,
    board,
    panels,
    queries,
    resolved,
    variable_queries,
)

NOT_SHOWN: dict[str, str] = {}
"""Declared metrics that no panel shows, each with its reason."""

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
GRAFANA = {"type": "grafana", "uid": "-- Grafana --"}
THEMES = {"dark": "#181b1f", "light": "#ffffff"}
SUFFIXES = ("_bucket", "_count", "_sum")

ALL_QUERIES = [asked for name in NAMES for asked in (*queries(name), *annotation_queries(name))]
ALL_PANELS = [(name, panel) for name in NAMES for panel in panels(board(name))]


def titled(value: tuple[str, dict[str, Any]]) -> str:
    return f"{value[0]}-{value[1]['id']}"


def recorded() -> dict[str, str]:
    """What the recording rules make, and of what; the rules keep the labels of the run."""
    files = [yaml.safe_load(path.read_text()) for path in RULES.glob("*.yml")]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["record"]: rule["expr"] for rule in rules if "record" in rule}


def metric_of(series: str) -> Metric:
    """The declared metric a series belongs to; a histogram is asked for by its parts, never by its name."""
    if series in BY_NAME:
        assert BY_NAME[series].kind is not Kind.HISTOGRAM, f"{series} exists only as {SUFFIXES}"
        return BY_NAME[series]
    for suffix in SUFFIXES:
        metric = BY_NAME.get(series.removesuffix(suffix)) if series.endswith(suffix) else None
        if metric is not None and metric.kind is Kind.HISTOGRAM:
            return metric
    raise AssertionError(f"{series} is not declared in bench.telemetry.metrics")


def labels_of(series: str) -> set[str]:
    if series == "ALERTS":
        return {"alertname", "alertstate", "run_id"}
    if ":" in series:
        assert series in recorded(), f"no rule records {series}"
        of_nodes = "node, role)" in recorded()[series]
        return {*RUN_LABELS, "node", "role"} if of_nodes else set(RUN_LABELS)
    if series in OF_EVERY_TARGET:
        return set(NODE_LABELS)
    if series in SERIES:
        return {*NODE_LABELS, *SERIES[series].labels}
    names = set(metric_of(series).label_names)
    return names | {"le"} if series.endswith("_bucket") else names


def checked_labels(asked: Asked) -> None:
    """Every label that a query names exists on a metric of it."""
    known: set[str] = set()
    for series, matchers in METRIC.findall(asked.expr):
        own = labels_of(series)
        known |= own
        for label, _ in MATCHER.findall(matchers):
            assert label in own, f"{asked.where}: {series} has no label {label}"
    for group in GROUPED.findall(asked.expr):
        for label in filter(None, (part.strip() for part in group.split(","))):
            assert label in known, f"{asked.where}: no metric of it has the label {label}"
    for label in re.findall(r"\{\{(\w+)\}\}", asked.legend):
        assert label in known, f"{asked.where}: legend names {label}"


@pytest.mark.parametrize("asked", ALL_QUERIES, ids=lambda asked: asked.where)
def test_queries_name_only_metrics_and_labels_that_exist(asked: Asked) -> None:
    assert METRIC.findall(asked.expr), asked
    checked_labels(asked)


@pytest.mark.parametrize(
    ("expr", "legend", "complaint"),
    [
        ('bench_nothing{run_id="$run"}', "", "not declared"),
        ('bench_trial{worker="1"}', "", "has no label worker"),
        ("sum by (worker) (bench_trial)", "", "the label worker"),
        ("bench_trial", "{{cause}}", "legend names cause"),
        ("rate(bench_submit_lag_seconds[4s])", "", "exists only as"),
        ("bench_trial_bucket", "", "not declared"),
    ],
)
def test_a_wrong_query_is_found(expr: str, legend: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        checked_labels(Asked("here", expr, False, legend))


def test_every_declared_metric_is_shown_or_said_not_to_be() -> None:
    shown = {
        metric_of(series).name
        for asked in ALL_QUERIES
        for series, _ in METRIC.findall(asked.expr)
        if series.startswith("bench_")
    }
    assert {metric.name for metric in METRICS} - shown == set(NOT_SHOWN)


def test_every_native_metric_that_is_kept_is_shown_or_recorded() -> None:
    read = {series for asked in ALL_QUERIES for series, _ in METRIC.findall(asked.expr)}
    read |= {name for expr in recorded().values() for name in re.findall(r"\w+", expr)}
    assert set(SERIES) - read == set()


@pytest.mark.parametrize("asked", ALL_QUERIES, ids=lambda asked: asked.where)
def test_rates_use_grafanas_window(asked: Asked) -> None:
    windows = re.findall(r"\b(?:rate|irate|increase)\([^\[]*\[([^\]]*)\]", asked.expr)
    assert set(windows) <= {"$__rate_interval"}


@pytest.mark.parametrize("asked", ALL_QUERIES, ids=lambda asked: asked.where)
def test_counters_are_never_shown_raw_over_time(asked: Asked) -> None:
    if asked.instant:
        return
    counters = {
        series
        for series, _ in METRIC.findall(asked.expr)
        if re.search(r"(_total|_bucket|_count|_sum)$", series)
        or (series in SERIES and SERIES[series].kind is Kind.COUNTER)
    }
    covered = set(re.findall(r"\b(?:rate|increase)\((\w+)", asked.expr))
    assert counters <= covered


@pytest.mark.parametrize("asked", ALL_QUERIES, ids=lambda asked: asked.where)
def test_every_series_is_narrowed_to_the_chosen_run(asked: Asked) -> None:
    for series, matchers in METRIC.findall(asked.expr):
        assert re.search(r'run_id(=|=~)"\$runs?"', matchers), f"{series} would mix runs"


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_used_is_defined_and_every_one_defined_is_used(name: str) -> None:
    text = json.dumps(board(name))
    used = {left or right for left, right in VARIABLE.findall(text)} - BUILT_IN - {"__data", "__all"}
    assert used == {variable["name"] for variable in board(name)["templating"]["list"]}


@pytest.mark.parametrize("name", NAMES)
def test_variables_follow_the_time_range_and_the_data_source(name: str) -> None:
    first, *others = board(name)["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    for variable in others:
        assert variable["type"] == "query"
        assert variable["datasource"] == PROMETHEUS
        assert variable["refresh"] == 2, "asked again when the time range changes"
        assert variable["label"]
        assert variable["description"]


@pytest.mark.parametrize("name", NAMES)
def test_variables_ask_for_labels_that_exist(name: str) -> None:
    before: set[str] = set()
    for variable, selector, label in variable_queries(name):
        (series, matchers), *more = METRIC.findall(selector)
        assert not more
        assert label in labels_of(series)
        for key, value in MATCHER.findall(matchers):
            assert key in labels_of(series)
            assert {left or right for left, right in VARIABLE.findall(value)} <= before, f"{variable} comes too early"
        before.add(variable)


@pytest.mark.parametrize(("name", "panel"), ALL_PANELS, ids=[titled(each) for each in ALL_PANELS])
def test_every_panel_says_what_it_is(name: str, panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert panel["description"].endswith((".", "!")), "a sentence"
    assert defaults["unit"]
    assert defaults["noValue"]
    assert panel["interval"] == "1s"


@pytest.mark.parametrize(("name", "panel"), ALL_PANELS, ids=[titled(each) for each in ALL_PANELS])
def test_every_panel_asks_the_chosen_data_source(name: str, panel: dict[str, Any]) -> None:
    assert panel["datasource"] == PROMETHEUS
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == PROMETHEUS
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("name", NAMES)
def test_no_uid_of_some_grafana_is_written_down(name: str) -> None:
    def found(value: object) -> list[object]:
        if isinstance(value, dict):
            own = [value["datasource"]] if "datasource" in value else []
            return own + [each for inner in value.values() for each in found(inner)]
        return [each for inner in value for each in found(inner)] if isinstance(value, list) else []

    assert all(each in (PROMETHEUS, GRAFANA) for each in found(board(name)))
    assert "${DS_" not in json.dumps(board(name)), "inputs are not resolved by provisioning"
    assert board(name).get("id") is None


def filled(every: list[dict[str, Any]], top: int) -> None:
    """The panels fill the grid from `top` on."""
    taken: dict[tuple[int, int], int] = {}
    for panel in every:
        grid = panel["gridPos"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in taken, f"{panel['id']} lies on {taken[(x, y)]}"
                taken[(x, y)] = panel["id"]
    bottom = max(y for _, y in taken) + 1
    assert set(taken) == {(x, y) for x in range(24) for y in range(top, bottom)}


@pytest.mark.parametrize("name", NAMES)
def test_the_grid_has_no_overlap_and_no_hole(name: str) -> None:
    filled(board(name)["panels"], 0)
    for row in board(name)["panels"]:
        assert row.get("collapsed", False) == bool(row.get("panels")), "only folded rows hold their panels"
        if row.get("panels"):
            filled(row["panels"], row["gridPos"]["y"] + 1)


def test_every_family_of_nodes_has_its_folded_row() -> None:
    folded = [row["title"].lower() for row in board("ledger")["panels"] if row.get("collapsed")]
    assert folded == [f"only {family}" for family in FAMILIES]


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique(name: str) -> None:
    rows = [panel for panel in board(name)["panels"] if panel["type"] == "row"]
    found = [panel["id"] for panel in (*rows, *panels(board(name)))]
    assert len(set(found)) == len(found)


def test_published_ids_and_titles_stay() -> None:
    assert {name: (board(name)["uid"], board(name)["title"]) for name in NAMES} == {
        "run": ("bench-run", "Benchmark: run"),
        "ledger": ("bench-ledger", "Benchmark: ledger"),
        "harness": ("bench-harness", "Benchmark: harness"),
        "comparison": ("bench-comparison", "Benchmark: comparison"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_dashboards_find_each_other_and_keep_choices_and_time(name: str) -> None:
    (link,) = board(name)["links"]
    assert board(name)["tags"] == ["bench"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == ("dashboards", ["bench"], True, True)
    assert board(name)["refresh"] in ("1s", "2s", "5s")


@pytest.mark.parametrize("name", NAMES)
def test_what_was_pushed_is_shown_by_its_tag(name: str) -> None:
    by_tag = [each for each in board(name)["annotations"]["list"] if each.get("target", {}).get("type") == "tags"]
    assert [(each["target"]["tags"], each["target"]["matchAny"]) for each in by_tag] == [
        (["bench"] if name == "comparison" else ["bench", "run:$run"], False)
    ]
    assert all(each["datasource"] == GRAFANA for each in by_tag)


@pytest.mark.parametrize("name", ["run", "ledger", "harness"])
def test_phases_are_annotations_by_query(name: str) -> None:
    assert next(asked.expr for asked in annotation_queries(name)) == (
        'bench_phase{run_id="$run",phase=~"warm_up|measure|drain"}'
    )


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_readable_on_both_themes(name: str, theme: str) -> None:
    colours = set(re.findall(r"#[0-9A-Fa-f]{6}\b", (FOLDER / f"{name}.json").read_text()))
    assert colours
    assert {colour for colour in colours if contrast(colour, THEMES[theme]) < 3} == set()


@pytest.mark.parametrize("name", NAMES)
def test_no_meaning_rests_on_red_and_green(name: str) -> None:
    named = re.findall(r'"(?:color|fixedColor)": "([a-z-]+)"', (FOLDER / f"{name}.json").read_text())
    assert named == [], "only our own colours"
    for panel in panels(board(name)):
        for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
            texts = [option["text"] for option in mapping["options"].values()]
            assert len(set(texts)) == len(texts), "each state has its own word"


def test_variables_are_filled_in_as_grafana_would() -> None:
    expr = 'rate(a{run_id="$run"}[$__rate_interval]) + ${run} + last_over_time(b[$__range])'
    assert resolved(expr, {"run": "r1"}, range_s=60) == 'rate(a{run_id="r1"}[4s]) + r1 + last_over_time(b[60s])'
