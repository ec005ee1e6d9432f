"""Bringing a Grafana to the committed dashboards: against a stub that follows its documentation."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bundle.events import Event
from bench.bundle.reader import read_bundle
from bench.model.errors import ConfigurationError
from bench.telemetry.annotations import push_regions, regions, start_of_trial
from bench.telemetry.dashboards import (
    Finding,
    State,
    check,
    committed,
    difference,
    ensure_datasource,
    ensure_folder,
    folder_uid,
    push,
)
from bench.telemetry.grafana import Grafana, GrafanaError
from tests.support.grafana_contract import ContractBroken, contract
from tests.support.grafana_stub import TOKEN, Answer, GrafanaStub, grafana_stub

PROMETHEUS = "http://127.0.0.1:9090"
SAMPLE = next((Path(__file__).parents[3] / "results" / "sample").glob("*-smallbank-anvil-*"))


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def states(found: list[Finding]) -> list[str]:
    return [finding.state.value for finding in found]


@pytest.mark.parametrize("version", ["11.6.0", "12.4.1", "13.1.0"])
def test_the_contract_is_kept(version: str) -> None:
    with grafana_stub(GrafanaStub(version=version)) as stub:
        kept = list(contract(stub.url, TOKEN, PROMETHEUS))
    assert len(kept) == 15
    assert (stub.folders, stub.dashboards, stub.annotations) == ({}, {}, [])


def test_a_broken_contract_is_told() -> None:
    with grafana_stub() as stub:
        stub.fail("GET /folders", Answer(200, []))
        with pytest.raises(ContractBroken, match="a wrong token is let in"):
            list(contract(stub.url, TOKEN, None))


def test_a_first_push_makes_everything_and_a_second_writes_nothing() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        first = push(grafana, "Ledger benchmarks", committed(), PROMETHEUS)
        writes = stub.writes()
        second = push(grafana, "Ledger benchmarks", committed(), PROMETHEUS)
        assert states(first) == ["created"] * 6
        assert states(second) == ["unchanged"] * 6
        assert stub.writes() == writes
        assert states(check(grafana, committed())) == ["healthy", *["same"] * 4]
    for body in stub.saved:
        assert body["dashboard"]["id"] is None
        assert body["overwrite"] is True
        assert body["folderUid"] == folder_uid("Ledger benchmarks")
        assert "folderId" not in body
    assert stub.datasources["bench-prometheus"]["jsonData"] == {"timeInterval": "1s", "httpMethod": "POST"}
    assert [finding.detail for finding in second if finding.kind == "dashboard"][-1] == f"{stub.url}/d/bench-run"


def test_only_what_somebody_changed_is_written_again() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        push(grafana, "F", committed(), PROMETHEUS)
        stub.dashboards["bench-run"]["dashboard"]["panels"][3]["title"] = "Mine"
        del stub.dashboards["bench-ledger"]
        found = check(grafana, committed())
        assert states(found) == ["healthy", "same", "same", "missing", "differs"]
        assert found[-1].detail == "at panels[3].title"
        assert states(push(grafana, "F", committed(), PROMETHEUS)) == [
            "unchanged",
            "unchanged",
            "unchanged",
            "unchanged",
            "created",
            "updated",
        ]
        assert states(check(grafana, committed())) == ["healthy", *["same"] * 4]


def test_a_dashboard_in_another_folder_is_brought_back() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        push(grafana, "One", committed(), None)
        assert states(push(grafana, "Two", committed(), None)) == ["created", *["updated"] * 4]
        assert {kept["folder"] for kept in stub.dashboards.values()} == {folder_uid("Two")}


def test_dashboards_from_files_are_left_when_they_are_the_same_and_told_when_not() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        push(grafana, "F", committed(), None)
        stub.provisioned = set(stub.dashboards)
        for kept in stub.dashboards.values():
            kept["folder"] = "from-files"
        assert states(push(grafana, "F", committed(), None)) == ["unchanged"] * 5
        stub.dashboards["bench-run"]["dashboard"]["title"] = "old"
        with pytest.raises(GrafanaError, match="provisioned") as caught:
            push(grafana, "F", committed(), None)
        assert "allowUiUpdates" in caught.value.remedy


@pytest.mark.parametrize("status", [409, 412])
def test_a_folder_made_meanwhile_by_somebody_else_is_used(status: int) -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.fail("POST /folders", Answer(status, {"message": "folder with the same name already exists"}))
        stub.fail("GET /folders", Answer(200, []))
        stub.folders["theirs"] = {"uid": "theirs", "title": "F"}
        assert ensure_folder(grafana, "F")[0] == "theirs"


def test_a_folder_that_is_there_and_not_shown_is_told() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        taken = Answer(409, {"message": "a folder with the same uid already exists"})
        stub.fail("POST /folders", taken, taken)
        with pytest.raises(GrafanaError, match="does not show it"):
            ensure_folder(grafana, "F")


def test_a_folder_that_people_renamed_stays_ours() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        uid, _ = ensure_folder(grafana, "F")
        stub.folders[uid]["title"] = "Renamed"
        assert ensure_folder(grafana, "F") == (uid, Finding("folder", "F", State.UNCHANGED))


@given(st.text(min_size=1, max_size=80))
def test_folder_uids_are_ones_that_grafana_takes(title: str) -> None:
    uid = folder_uid(title)
    assert len(uid) <= 40
    assert all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in uid)


def test_a_data_source_is_corrected_and_keeps_what_people_added() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        ensure_datasource(grafana, PROMETHEUS)
        stub.datasources["bench-prometheus"]["isDefault"] = True
        stub.datasources["bench-prometheus"]["jsonData"] = {"timeInterval": "15s", "manageAlerts": True}
        assert ensure_datasource(grafana, PROMETHEUS).state is State.UPDATED
        kept = stub.datasources["bench-prometheus"]
        assert kept["isDefault"] is True
        assert kept["jsonData"] == {"timeInterval": "1s", "httpMethod": "POST", "manageAlerts": True}
        assert ensure_datasource(grafana, PROMETHEUS).state is State.UNCHANGED
        assert ensure_datasource(grafana, "http://other:9090").state is State.UPDATED


def test_a_data_source_of_our_name_is_taken_over_by_its_own_uid() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.datasources["old"] = {
            "uid": "old",
            "name": "Ledger benchmarks",
            "type": "prometheus",
            "url": "x",
            "readOnly": False,
            "version": 4,
        }
        assert ensure_datasource(grafana, PROMETHEUS).state is State.UPDATED
        assert list(stub.datasources) == ["old"]
        assert stub.datasources["old"]["url"] == PROMETHEUS


def test_a_data_source_from_files_is_left_alone() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        ensure_datasource(grafana, "http://prometheus:9090")
        stub.datasources["bench-prometheus"]["readOnly"] = True
        found = ensure_datasource(grafana, PROMETHEUS)
        assert (found.state, found.detail) == (State.PROVISIONED, "left as it is: http://prometheus:9090")


def test_two_who_write_a_data_source_at_once_are_told() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        ensure_datasource(grafana, PROMETHEUS)
        read = Answer(200, [copy.deepcopy(stub.datasources["bench-prometheus"])])
        stub.datasources["bench-prometheus"]["version"] = 9
        stub.fail("GET /datasources", read)
        with pytest.raises(GrafanaError, match="already been updated") as caught:
            ensure_datasource(grafana, "http://other:9090")
        assert caught.value.status == 409


def test_an_unreachable_data_source_is_unhealthy_with_its_reason() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        push(grafana, "F", committed(), PROMETHEUS)
        stub.unreachable.add(PROMETHEUS)
        first = check(grafana, committed())[0]
        assert first.state is State.UNHEALTHY
        assert "connection refused" in first.detail


def test_without_a_data_source_or_the_right_to_look_it_says_so() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        assert check(grafana, committed())[0].state is State.MISSING
        stub.admin = False
        assert check(grafana, committed())[0].state is State.UNKNOWN
        with pytest.raises(GrafanaError, match="datasources:read") as caught:
            push(grafana, "F", committed(), PROMETHEUS)
        assert "Admin" in caught.value.remedy


def test_a_default_prometheus_serves_too_and_a_coarse_interval_is_told() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        for uid, default in (("one", False), ("two", True)):
            stub.datasources[uid] = {
                "uid": uid,
                "name": uid,
                "type": "prometheus",
                "url": uid,
                "isDefault": default,
                "jsonData": {},
            }
        stub.datasources["logs"] = {"uid": "logs", "name": "logs", "type": "loki", "url": "x", "isDefault": False}
        first = check(grafana, committed())[0]
        assert (first.name, first.state) == ("two", State.HEALTHY)
        assert "scrape interval" in first.detail


@pytest.mark.parametrize(
    ("ours", "theirs", "where"),
    [
        ({"a": 1}, {"a": 1, "id": 7, "more": [1]}, None),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, "a.b[1].c"),
        ({"a": [1, 2]}, {"a": [1]}, "a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({"a": []}, {}, None),
        ({"a": {}}, {}, None),
        ({"a": None}, {}, None),
        ({"a": False}, {}, None),
        ({"a": ""}, {"a": "x"}, "a"),
        ({"a": 1}, {}, "a"),
        ({"a": [1]}, {"a": {"0": 1}}, "a"),
        ({"a": {"b": 1}}, {"a": 1}, "a"),
        ({"version": 1, "schemaVersion": 42}, {"version": 9, "schemaVersion": 50}, None),
        ({"a": 1}, None, "the top"),
    ],
)
def test_a_difference_is_what_is_ours_and_not_there(ours: object, theirs: object, where: str | None) -> None:
    assert difference(ours, theirs) == where


def test_every_change_of_a_text_in_a_dashboard_is_a_difference() -> None:
    def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if isinstance(value, dict):
            return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
        if isinstance(value, list):
            return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
        return [path] if isinstance(value, str) else []

    dashboard = committed()[0]
    assert difference(dashboard, dashboard) is None
    for path in leaves(dashboard):
        changed = copy.deepcopy(dashboard)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] += "!"
        assert difference(dashboard, changed) is not None, path


def test_a_folder_without_dashboards_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no dashboards"):
        committed(tmp_path)


def phase(name: str, at: str, start_s: float, end_s: float, trial: int = 1) -> Event:
    return Event("phase", at, trial, int(start_s * 1e9), name, {"end_ns": int(end_s * 1e9)})


def test_phases_stamped_when_they_begin_give_the_start() -> None:
    events = [
        phase("setup", "2026-03-14T09:14:58.000+00:00", -2, 0),
        phase("warm_up", "2026-03-14T09:15:00.000+00:00", 0, 5),
        phase("measure", "2026-03-14T09:15:05.001+00:00", 5, 30),
    ]
    start = start_of_trial(events)
    assert start is not None
    assert start.isoformat() == "2026-03-14T09:15:00+00:00"


def test_phases_stamped_together_at_the_end_give_the_start() -> None:
    stamp = "2026-03-14T09:15:31.000+00:00"
    events = [phase("setup", stamp, -2, 0), phase("warm_up", stamp, 0, 5), phase("drain", stamp, 30, 31)]
    start = start_of_trial(events)
    assert start is not None
    assert start.isoformat() == "2026-03-14T09:15:00+00:00"
    assert start_of_trial([]) is None


def test_a_bundle_becomes_regions_that_are_pushed_once() -> None:
    bundle = read_bundle(SAMPLE)
    wanted = regions(bundle)
    assert [region.text.split(" (")[0] for region in wanted] == [
        "trial 1: setup",
        "trial 1: warm_up",
        "trial 1: measure",
        "trial 1: drain",
    ]
    run = f"run:{bundle.result.run_id}"
    assert {region.tags for region in wanted} == {("bench", "phase", run)}
    assert [(region.end_ms - region.time_ms) / 1000 for region in wanted] == pytest.approx(
        [5.772, 0.8, 3.2, 0.13], abs=0.01
    )
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.annotations.append(
            {"id": 1, "time": 5, "timeEnd": 5, "text": "another run", "tags": ["bench", "run:other"]}
        )
        assert push_regions(grafana, wanted) == 4
        assert push_regions(grafana, wanted) == 0
        assert len(stub.annotations) == 5
        assert all("dashboardId" not in each for each in stub.annotations)


def test_faults_and_failures_are_marked_and_other_events_are_not() -> None:
    bundle = read_bundle(SAMPLE)
    stamp = "2026-03-14T09:15:00.000+00:00"
    events = [
        phase("measure", stamp, 0, 30),
        Event("fault_injected", stamp, 1, 10_000_000_000, "node-1 killed", {"end_ns": 20_000_000_000}),
        Event("failure", stamp, 1, 29_000_000_000, "observer lost\nmore", {}),
        Event("failure", stamp, 1, None, "before the start", {}),
        Event("prepared", stamp, 1, 0, "what was prepared", {}),
        Event("log", stamp, 0, None, "tail", {}),
    ]
    found = regions(replace(bundle, events=events))
    assert [(region.tags[1], region.text.split(" (")[0], region.end_ms - region.time_ms) for region in found] == [
        ("phase", "trial 1: measure", 30_000),
        ("fault", "trial 1: node-1 killed", 10_000),
        ("failure", "trial 1: observer lost", 0),
    ]
