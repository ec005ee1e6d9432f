import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.bundle import naming, tables
from bench.bundle.events import Event
from bench.bundle.reader import read_bundle
from bench.bundle.writer import BundleWriter
from bench.model.errors import HarnessError
from bench.model.phase import Outcome
from bench.model.resources import ResourceSample
from bench.model.transaction import ErrorClass
from tests.support.bundles import synthetic_bundle
from tests.support.rows import chain, read, table, write

COLUMNS = [
    "trial", "kind", "operation", "intended_at_ns", "submitted_at_ns", "accepted_at_ns", "committed_at_ns",
    "finalized_at_ns", "outcome", "error_class", "worker", "tx_id",
]  # fmt: skip
OPERATIONS = ["pay", "look"]


def transactions(path: Path) -> list[dict[str, object]]:
    return pq.read_table(path / naming.TRANSACTIONS).to_pylist()


def filled(directory, *tables_of_rows):
    writer = BundleWriter(directory)
    for number, rows in enumerate(tables_of_rows, 1):
        writer.add_trial(number, rows, OPERATIONS, chain([100, 200]), [])
    writer.join()
    return directory


def test_rows_become_columns_with_nulls_labels_and_plan_order(tmp_path):
    rows = table(
        [
            write(1, committed=100),
            read(2, answered=5),
            write(3, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND),
            write(4, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.BUSINESS_REFUSAL, committed=200),
        ]
    )
    rows["tx_id"][0] = bytes(range(32))
    rows["tx_id"][3] = b"\xff" * 31 + b"\x00"
    rows["worker"][3] = 65_535
    found = transactions(filled(tmp_path, rows[[3, 0, 2, 1]]))
    assert [list(row) for row in found] == [COLUMNS] * 4
    assert [list(row.values()) for row in found] == [
        [1, "write", "pay", 10**6, 2 * 10**6, 3 * 10**6, 10**8, 10**8, "finalized", None, 0, bytes(range(32)).hex()],
        [1, "read", "look", 2 * 10**6, 3 * 10**6, 5 * 10**6, None, None, "answered", None, 0, None],
        [1, "write", "pay", 3 * 10**6, None, None, None, None, "dropped", "in_flight_bound", 0, None],
        [
            1, "write", "pay", 4 * 10**6, 5 * 10**6, 6 * 10**6, 2 * 10**8, 2 * 10**8, "failed_expected",
            "business_refusal", 65_535, "ff" * 31 + "00",
        ],
    ]  # fmt: skip


def test_a_trial_larger_than_a_row_group_keeps_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CHUNK_ROWS", 16)
    rows = table([write(number) for number in range(50)])
    rows["tx_id"] = np.frombuffer(np.random.default_rng(1).bytes(32 * 50), "V32")
    found = transactions(filled(tmp_path, rows, rows[:7], rows[:0]))
    assert [(row["trial"], row["intended_at_ns"]) for row in found] == [
        *((1, number * 10**6) for number in range(50)),
        *((2, number * 10**6) for number in range(7)),
    ]
    assert [bytes.fromhex(row["tx_id"]) for row in found[:50]] == [tx_id.tobytes() for tx_id in rows["tx_id"]]


def test_trials_added_after_a_join_are_not_lost(tmp_path):
    rows = table([write(1)])
    writer = BundleWriter(tmp_path)
    for number in (1, 2, 3):
        writer.add_trial(number, rows, OPERATIONS, chain([100]), [])
        writer.join()
    assert [row["trial"] for row in transactions(tmp_path)] == [1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [naming.TRANSACTIONS, naming.BLOCKS, naming.RESOURCES, naming.EVENTS]
    )


def test_blocks_and_resources_keep_their_values(tmp_path):
    blocks = chain([100, 200], transactions=3, orphaned=[1])
    blocks["gas_used"], blocks["size_bytes"] = 63_000, -1
    sample = ResourceSample("host", "host", -1, 500, "measure", 150.0, -1.0, 10, -1, 20, 2, 3)
    writer = BundleWriter(tmp_path)
    writer.add_trial(4, table([]), OPERATIONS, blocks, [sample])
    writer.join()
    assert pq.read_table(tmp_path / naming.BLOCKS).to_pylist()[1] == {
        "trial": 4, "ordinal": 1, "height": 1, "observed_at_ns": 200_000_000, "transactions": 3, "own": 3,
        "gas_used": 63_000, "size_bytes": None, "orphaned": True,
    }  # fmt: skip
    assert pq.read_table(tmp_path / naming.RESOURCES).to_pylist() == [
        {
            "trial": 4, "process": "host", "role": "host", "pid": None, "at_ns": 500, "phase": "measure",
            "cpu_percent": 150.0, "cpu_s": None, "rss_bytes": 10, "read_bytes": None, "write_bytes": 20, "threads": 2,
            "fds": 3,
        }
    ]  # fmt: skip


def test_a_bundle_without_trials_still_closes(tmp_path):
    writer = BundleWriter(tmp_path)
    writer.write_environment({})
    writer.close()
    assert transactions(tmp_path) == []


def test_the_manifest_satisfies_sha256sum(tmp_path):
    path = synthetic_bundle(tmp_path / "bundle", trials=1, seconds=3)
    checked = subprocess.run(["sha256sum", "-c", naming.MANIFEST], cwd=path, capture_output=True, text=True, check=True)
    names = [line.split(": ")[0] for line in checked.stdout.splitlines()]
    assert names == sorted(set(naming.REQUIRED) - {naming.MANIFEST})
    assert (path / naming.MANIFEST).read_bytes().endswith(b"transactions.parquet\n")


def test_events_keep_their_order_and_values(tmp_path):
    path = synthetic_bundle(tmp_path / "bundle", trials=1, seconds=3)
    lines = (path / naming.EVENTS).read_text().splitlines()
    assert json.loads(lines[0])["event"] == "phase_started"
    assert [event.detail for event in read_bundle(path).events] == ["setup", "warm_up", "measure", "drain"]


def test_the_result_may_be_written_after_every_trial(tmp_path):
    path = synthetic_bundle(tmp_path / "bundle", trials=1, seconds=3)
    result = read_bundle(path).result
    writer = BundleWriter(path)
    writer.write_result(result.model_copy(update={"partial": True}))
    writer.write_result(result.model_copy(update={"notes": ["last"]}))
    read_again = read_bundle(path).result
    assert (read_again.partial, read_again.notes) == (False, ["last"])


def test_a_full_disk_is_a_harness_error_and_leaves_earlier_trials_readable(tmp_path):
    rows = table([write(1)])
    writer = BundleWriter(tmp_path)
    writer.add_trial(1, rows, OPERATIONS, chain([100]), [])
    (tmp_path / "transactions-0002.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match="the disk is full") as raised:
        writer.add_trial(2, rows, OPERATIONS, chain([100]), [])
    assert "free space" in raised.value.remedy
    assert not list(tmp_path.glob("*.partial"))
    writer.close()
    assert [row["trial"] for row in transactions(tmp_path)] == [1]


def test_a_disk_that_fills_while_trials_are_joined_keeps_each_trial_readable(tmp_path):
    rows = table([write(1)])
    writer = BundleWriter(tmp_path)
    for number in (1, 2):
        writer.add_trial(number, rows, OPERATIONS, chain([100]), [])
    (tmp_path / "transactions.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match="the disk is full"):
        writer.close()
    parts = sorted(tmp_path.glob("transactions-*.parquet"))
    assert [pq.read_table(part)["trial"].to_pylist() for part in parts] == [[1], [2]]
    writer.close()
    assert [row["trial"] for row in transactions(tmp_path)] == [1, 2]


def test_a_replaced_file_stays_as_it_was_when_the_disk_is_full(tmp_path):
    writer = BundleWriter(tmp_path)
    writer.write_scenario("first")
    (tmp_path / "scenario.yaml.partial").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match=r"scenario\.yaml cannot be written: the disk is full"):
        writer.write_scenario("second")
    assert (tmp_path / naming.SCENARIO).read_text() == "first"


def test_a_directory_that_is_gone_is_said(tmp_path):
    with pytest.raises(HarnessError, match=r"events\.jsonl cannot be written"):
        BundleWriter(tmp_path / "nowhere")


def test_events_are_whole_lines_at_any_time(tmp_path):
    writer = BundleWriter(tmp_path)
    path = tmp_path / naming.EVENTS
    assert path.read_bytes() == b""
    writer.add_event(Event("alert", "2026-01-01T00:00:00Z", 1, 5, "spät", {"value": 1.5}))
    assert json.loads(path.read_text())["data"] == {"value": 1.5}
    (tmp_path / "events.jsonl.partial").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match="the disk is full"):
        writer.add_event(Event("second", "2026-01-01T00:00:01Z"))
    assert len(path.read_text().splitlines()) == 1
    writer.add_event(Event("third", "2026-01-01T00:00:02Z"))
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["alert", "second", "third"]
