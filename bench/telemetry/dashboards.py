"""Brings a Grafana to the committed dashboards, and says how far it is from them. Doing it twice changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any

from bench.model.errors import ConfigurationError
from bench.model.version import __version__
from bench.telemetry.grafana import Grafana, GrafanaError, Object

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
"""Where the dashboards are: in a checkout and, beside `bench`, in an installation."""

DEFAULT_TITLE = "Ledger benchmarks"
DATASOURCE_UID = "bench-prometheus"
DATASOURCE_NAME = "Ledger benchmarks"
SCRAPE_INTERVAL = "1s"
"""Grafana computes the windows of rates from it."""

_ITS_OWN = {"id", "version", "schemaVersion"}
"""What Grafana counts, or moves forward, by itself at the top of a dashboard."""


@unique
class State(StrEnum):
    """How a thing in Grafana was found, or what was done to it."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    PROVISIONED = "provisioned"  # comes from files; left alone
    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: what it is, its state, and what there is to say of it."""

    kind: str  # "folder", "data source", "dashboard"
    name: str
    state: State
    detail: str = ""


def committed(folder: Path = FOLDER) -> list[Object]:
    """The dashboards, by uid. Raises ConfigurationError."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ConfigurationError("no dashboards found", value=str(folder), remedy="install the package again")
    return [json.loads(path.read_text("utf-8")) for path in paths]


def push(grafana: Grafana, title: str, dashboards: Sequence[Object], prometheus_url: str | None) -> list[Finding]:
    """Folder, data source when an address is given, dashboards; only what differs is written. Raises GrafanaError."""
    grafana.version()
    folder_uid, folder = ensure_folder(grafana, title)
    found = [folder]
    if prometheus_url is not None:
        found.append(ensure_datasource(grafana, prometheus_url))
    return found + [_ensure_dashboard(grafana, dashboard, folder_uid) for dashboard in dashboards]


def check(grafana: Grafana, dashboards: Sequence[Object]) -> list[Finding]:
    """What of it is there, and whether Grafana reaches its data. Writes nothing. Raises GrafanaError."""
    grafana.version()
    return [_datasource_state(grafana), *(_dashboard_state(grafana, dashboard) for dashboard in dashboards)]


def ensure_folder(grafana: Grafana, title: str) -> tuple[str, Finding]:
    """The folder's uid: of the one we made before, else of the first with this title, else of a new one."""
    uid = folder_uid(title)
    for _ in range(2):
        folders = grafana.folders()
        known = [each for each in folders if each.get("uid") == uid] or [
            each for each in folders if each.get("title") == title
        ]
        if known:
            return str(known[0]["uid"]), Finding("folder", title, State.UNCHANGED)
        if grafana.create_folder(uid, title):
            return uid, Finding("folder", title, State.CREATED)
    raise GrafanaError(
        "Grafana has the folder and does not show it",
        value=title,
        remedy="let the token's account view it, or use --folder",
    )


def folder_uid(title: str) -> str:
    """A uid that depends on the title alone; Grafana takes up to 40 characters."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:23]
    return f"bench-{plain}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"


def ensure_datasource(grafana: Grafana, prometheus_url: str) -> Finding:
    """A Prometheus data source for `prometheus_url`, which Grafana itself must reach. One that people changed keeps
    what they added; one that comes from files is left alone.
    """
    wanted: Object = {
        "uid": DATASOURCE_UID,
        "name": DATASOURCE_NAME,
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus_url,
        "jsonData": {"timeInterval": SCRAPE_INTERVAL, "httpMethod": "POST"},
    }
    known = _ours(grafana.datasources())
    if known is None:
        grafana.create_datasource(wanted)
        return Finding("data source", DATASOURCE_NAME, State.CREATED, prometheus_url)
    name = str(known.get("name"))
    if known.get("url") == prometheus_url and difference(wanted["jsonData"], known.get("jsonData")) is None:
        return Finding("data source", name, State.UNCHANGED, prometheus_url)
    if known.get("readOnly"):
        return Finding("data source", name, State.PROVISIONED, f"left as it is: {known.get('url')}")
    merged = {**(known.get("jsonData") or {}), **wanted["jsonData"]}
    grafana.update_datasource({**known, **wanted, "uid": known["uid"], "name": name, "jsonData": merged})
    return Finding("data source", name, State.UPDATED, prometheus_url)


def _ours(datasources: Sequence[Object]) -> Object | None:
    """Ours by uid, else by name: an older one, or one from files."""
    for key, value in (("uid", DATASOURCE_UID), ("name", DATASOURCE_NAME)):
        for each in datasources:
            if each.get(key) == value:
                return each
    return None


def _ensure_dashboard(grafana: Grafana, dashboard: Object, folder: str) -> Finding:
    title = str(dashboard["title"])
    known = grafana.dashboard(dashboard["uid"])
    if known is not None:
        meta = known.get("meta") or {}
        where = difference(dashboard, known.get("dashboard"))
        if where is None and (meta.get("folderUid") == folder or meta.get("provisioned")):
            return Finding("dashboard", title, State.UNCHANGED, _address(grafana, dashboard))
    grafana.save_dashboard(dashboard, folder, f"ledger-bench {__version__}")
    state = State.CREATED if known is None else State.UPDATED
    return Finding("dashboard", title, state, _address(grafana, dashboard))


def _dashboard_state(grafana: Grafana, dashboard: Object) -> Finding:
    title = str(dashboard["title"])
    known = grafana.dashboard(dashboard["uid"])
    if known is None:
        return Finding("dashboard", title, State.MISSING, str(dashboard["uid"]))
    where = difference(dashboard, known.get("dashboard"))
    if where is None:
        return Finding("dashboard", title, State.SAME, _address(grafana, dashboard))
    return Finding("dashboard", title, State.DIFFERS, f"at {where}")


def _datasource_state(grafana: Grafana) -> Finding:
    try:
        datasources = [each for each in grafana.datasources() if each.get("type") == "prometheus"]
    except GrafanaError as error:
        if error.status != 403:
            raise
        return Finding("data source", "Prometheus", State.UNKNOWN, "the token may not look at data sources")
    chosen = _ours(datasources) or next((each for each in datasources if each.get("isDefault")), None)
    chosen = chosen or next(iter(datasources), None)
    if chosen is None:
        return Finding("data source", "Prometheus", State.MISSING, "there is no Prometheus; push with --prometheus")
    healthy, said = grafana.datasource_health(str(chosen["uid"]))
    if (chosen.get("jsonData") or {}).get("timeInterval") != SCRAPE_INTERVAL:
        said = f"{said} (its scrape interval is not set to {SCRAPE_INTERVAL}: windows of rates will be coarse)".strip()
    return Finding("data source", str(chosen.get("name")), State.HEALTHY if healthy else State.UNHEALTHY, said)


def difference(ours: object, theirs: object, where: str = "") -> str | None:
    """Where `theirs` lacks something of `ours`; None when it has all of it. What Grafana adds (defaults, counters, a
    newer schema) is no difference, what is empty in ours need not be there, and a list must be as long as ours.
    """
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping):
            return None if not ours and theirs is None else where or "the top"
        for key, value in ours.items():
            if where or key not in _ITS_OWN:
                found = difference(value, theirs.get(key), f"{where}.{key}" if where else str(key))
                if found is not None:
                    return found
        return None
    if isinstance(ours, list):
        return _list_difference(ours, theirs, where)
    if theirs is None and not ours:
        return None
    return None if ours == theirs else where


def _list_difference(ours: list[Any], theirs: object, where: str) -> str | None:
    if not isinstance(theirs, list):
        return None if not ours and theirs is None else where
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        found = difference(mine, other, f"{where}[{index}]")
        if found is not None:
            return found
    return None if len(ours) == len(theirs) else f"{where}[{min(len(ours), len(theirs))}]"


def _address(grafana: Grafana, dashboard: Object) -> str:
    return f"{grafana.url}/d/{dashboard['uid']}"
