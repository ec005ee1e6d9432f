"""What we rely on Grafana for, step by step, against any Grafana: the stub in tests, a real one by hand.

    BENCH_GRAFANA_TOKEN=… python -m tests.support.grafana_contract --url http://127.0.0.1:3000 [--prometheus URL]

The token needs the role Editor, and Admin with --prometheus. A folder, four dashboards and two annotations are made,
with names of their own, and removed again; dashboards that are in use are not touched. With --prometheus the data
source `bench-prometheus` is made, or corrected, and stays.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterator

from bench.telemetry.annotations import Region, push_regions
from bench.telemetry.dashboards import State, check, committed, ensure_datasource, ensure_folder, push
from bench.telemetry.grafana import DEFAULT_URL, Grafana, GrafanaError, Object, find_token


class ContractBroken(AssertionError):
    """Grafana did something else than we rely on."""


def expect(what: str, found: object, wanted: object) -> str:
    if found != wanted:
        raise ContractBroken(f"{what}: found {found!r}, relied on {wanted!r}")
    return what


def contract(url: str, token: str, prometheus_url: str | None) -> Iterator[str]:
    """Each promise as it is seen kept; raises ContractBroken or GrafanaError at the first that is not."""
    mark = secrets.token_hex(4)
    title = f"Ledger benchmarks, contract {mark}"
    dashboards = [_copy(each, mark) for each in committed()]
    try:
        Grafana(url, "not-" + token).folders()
        raise ContractBroken("a wrong token is let in")
    except GrafanaError as error:
        yield expect("a wrong token is refused", error.status, 401)
    with Grafana(url, token) as grafana:
        yield f"it is Grafana {grafana.version()}"
        yield expect("a dashboard that is not there is none", grafana.dashboard(dashboards[0]["uid"]), None)
        try:
            yield from _dashboards(grafana, title, dashboards)
        finally:
            _remove(grafana, title, dashboards)
        if prometheus_url is not None:
            yield from _datasource(grafana, prometheus_url)
        yield from _annotations(grafana, mark)


def _dashboards(grafana: Grafana, title: str, dashboards: list[Object]) -> Iterator[str]:
    states = [finding.state for finding in push(grafana, title, dashboards, None)]
    yield expect("folder and dashboards are made", states, [State.CREATED] * 5)
    states = [finding.state for finding in push(grafana, title, dashboards, None)]
    yield expect("a second push changes nothing", states, [State.UNCHANGED] * 5)
    uid = ensure_folder(grafana, title)[0]
    yield expect("a folder made twice is told as being there", grafana.create_folder(uid, title), False)
    yield expect("what was pushed is what is there", _states(grafana, dashboards), [State.SAME] * 4)
    grafana.save_dashboard({**dashboards[0], "title": "Somebody else's"}, uid, "contract")
    states = _states(grafana, dashboards)
    yield expect("a change is seen", states, [State.DIFFERS, *[State.SAME] * 3])
    states = [finding.state for finding in push(grafana, title, dashboards, None)]
    yield expect("a push undoes it", states, [State.UNCHANGED, State.UPDATED, *[State.UNCHANGED] * 3])


def _datasource(grafana: Grafana, prometheus_url: str) -> Iterator[str]:
    ensure_datasource(grafana, prometheus_url)
    yield expect("a data source made twice stays", ensure_datasource(grafana, prometheus_url).state, State.UNCHANGED)
    yield expect("Grafana reaches it", grafana.datasource_health("bench-prometheus")[0], True)


def _annotations(grafana: Grafana, mark: str) -> Iterator[str]:
    now = int(time.time() * 1000)
    tags = ("bench", "phase", f"run:contract-{mark}")
    wanted = [
        Region(now - 20_000, now - 10_000, "trial 1: measure", tags),
        Region(now - 5_000, now - 5_000, "trial 1: failure", tags),
    ]
    yield expect("regions are added", push_regions(grafana, wanted), 2)
    yield expect("and not twice", push_regions(grafana, wanted), 0)
    found = grafana.annotations(["bench", tags[2]])
    for each in found:
        grafana._face.annotations.delete_annotations_by_id(each["id"])
    yield expect("they come back by their tags", sorted(each["time"] for each in found), [now - 20_000, now - 5_000])
    yield expect("and go", grafana.annotations(["bench", tags[2]]), [])


def _states(grafana: Grafana, dashboards: list[Object]) -> list[State]:
    return [finding.state for finding in check(grafana, dashboards) if finding.kind == "dashboard"]


def _copy(dashboard: Object, mark: str) -> Object:
    return {**dashboard, "uid": f"{dashboard['uid']}-{mark}", "title": f"{dashboard['title']} {mark}"}


def _remove(grafana: Grafana, title: str, dashboards: list[Object]) -> None:
    """By grafana-api itself: the product never deletes."""
    for dashboard in dashboards:
        if grafana.dashboard(dashboard["uid"]) is not None:
            grafana._face.dashboard.delete_dashboard(dashboard["uid"])
    for folder in grafana.folders():
        if folder["title"] == title:
            grafana._face.folder.delete_folder(folder["uid"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.grafana_contract", description=__doc__)
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--prometheus", help="Prometheus' address as Grafana reaches it")
    given = parser.parse_args()
    try:
        for kept in contract(given.url, find_token(given.url), given.prometheus):
            print(f"kept: {kept}")
    except (ContractBroken, GrafanaError) as error:
        print(f"BROKEN: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
