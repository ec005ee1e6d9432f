"""The committed dashboards as data, and their questions with variables filled in as Grafana would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.telemetry.native import OF_EVERY_TARGET, SERIES

FOLDER = Path(__file__).parents[2] / "dashboards"
NAMES = ("run", "ledger", "harness", "comparison")
_NATIVE = "|".join((*OF_EVERY_TARGET, *SERIES))
METRIC = re.compile(rf"\b(bench[_:][\w:]+|ALERTS|{_NATIVE})\b(\{{[^}}]*\}})?")
GROUPED = re.compile(r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
BUILT_IN = {"__rate_interval", "__interval", "__range", "__url_time_range"}
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


@dataclass(frozen=True)
class Asked:
    """One query. `where` names dashboard and panel."""

    where: str
    expr: str
    instant: bool
    legend: str = ""
    panel: int = 0


def board(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return data


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All but rows, those in folded rows too."""
    every = [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", ()))]
    return [panel for panel in every if panel["type"] != "row"]


def queries(name: str) -> Iterator[Asked]:
    dashboard = board(name)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            where = f"{dashboard['uid']}/{panel['id']} {panel['title']} {target['refId']}"
            yield Asked(where, target["expr"], target["instant"], target["legendFormat"], panel["id"])


def annotation_queries(name: str) -> Iterator[Asked]:
    dashboard = board(name)
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation.get("target", {}):
            expr, legend = annotation["target"]["expr"], annotation["titleFormat"]
            yield Asked(f"{dashboard['uid']}/{annotation['name']}", expr, False, legend)


def variable_queries(name: str) -> Iterator[tuple[str, str, str]]:
    """(variable, metric with matchers, label) of each query variable, in order."""
    for variable in board(name)["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert found is not None, variable["query"]
            yield variable["name"], found[1], found[2]


def resolved(expr: str, values: Mapping[str, str], *, range_s: int) -> str:
    """`expr` as Grafana would send it for a scrape every second and steps of a second."""
    filled = {"__rate_interval": "4s", "__interval": "1s", "__range": f"{range_s}s", **values}
    return VARIABLE.sub(lambda match: filled[match[1] or match[2]], expr)
