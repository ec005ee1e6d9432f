from types import SimpleNamespace

import numpy as np
import pytest

from bench.measure.record import join_statuses, read_blocks, read_rows
from bench.model.errors import HarnessError
from bench.model.phase import Outcome
from bench.model.record import BLOCK, ROW, ROW_STRUCT
from bench.model.transaction import ErrorClass
from tests.support.rows import chain, read, table, write


def test_packed_records_are_read_back_field_by_field(tmp_path):
    tx_id = bytes(range(32))
    record = ROW_STRUCT.pack(7, 10, 20, 30, 40, 50, 3, 2, 1, 4, 0, Outcome.FINALIZED, 0, 1, tx_id, 6)
    (tmp_path / "rows-0.bin").write_bytes(record)
    row = read_rows([tmp_path / "rows-0.bin"]).rows[0]
    assert row.tolist()[:-2] == (7, 10, 20, 30, 40, 50, 3, 2, 1, 4, 0, Outcome.FINALIZED, 0, 1)
    assert (row["tx_id"].tobytes(), row["drawn"]) == (tx_id, 6)


def test_a_half_written_tail_is_left_out_and_reported_per_file(tmp_path):
    rows = table([write(0), write(1), write(2)])
    data = rows.tobytes()
    (tmp_path / "rows-0.bin").write_bytes(data[: 2 * ROW.itemsize + 5])
    (tmp_path / "rows-1.bin").write_bytes(data[2 * ROW.itemsize :] + b"\1" * 7)
    (tmp_path / "rows-2.bin").write_bytes(b"")
    spool = read_rows(tmp_path.glob("rows-*.bin"))
    assert np.array_equal(spool.rows, rows)
    assert spool.truncated_bytes == 12


def test_files_are_read_one_after_the_other(tmp_path):
    rows = table([write(number) for number in range(6)])
    for number, part in enumerate(np.split(rows, [1, 3])):
        (tmp_path / f"rows-{number}.bin").write_bytes(part.tobytes())
    assert np.array_equal(read_rows(tmp_path.glob("rows-*.bin")).rows, rows)


def test_no_files_are_no_rows():
    spool = read_rows([])
    assert (len(spool.rows), spool.truncated_bytes) == (0, 0)


def test_blocks_are_read_back(tmp_path):
    blocks = chain([10, 20, 30], orphaned=[1])
    (tmp_path / "blocks.bin").write_bytes(blocks.tobytes() + b"tail")
    assert np.array_equal(read_blocks(tmp_path / "blocks.bin"), blocks)
    assert blocks.dtype == BLOCK


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(HarnessError, match="cannot be read: No such file") as raised:
        read_rows([tmp_path / "rows-0.bin"])
    assert raised.value.value == str(tmp_path / "rows-0.bin")


def test_a_foreign_file_is_told_by_its_outcomes(tmp_path):
    (tmp_path / "rows-0.bin").write_bytes(table([write(0)]).tobytes() + b"\x78" * ROW.itemsize + b"\x77" * ROW.itemsize)
    with pytest.raises(HarnessError, match="outcomes this version does not know") as raised:
        read_rows([tmp_path / "rows-0.bin"])
    assert raised.value.value == [0x77, 0x78]
    assert raised.value.remedy.startswith("run workers and coordinator of the same version")


def test_a_file_that_shrinks_while_it_is_read_is_no_result(tmp_path):
    class Shrunk(type(tmp_path)):
        def stat(self, **options):
            return SimpleNamespace(st_size=2 * ROW.itemsize)

    (tmp_path / "rows-0.bin").write_bytes(table([write(0)]).tobytes())
    with pytest.raises(HarnessError, match="spool file shrank while it was read") as raised:
        read_rows([Shrunk(tmp_path / "rows-0.bin")])
    assert raised.value.value == "rows-0.bin"


@pytest.mark.parametrize(
    ("status", "expects", "outcome", "error_class"),
    [
        (ErrorClass.NONE, False, Outcome.FINALIZED, ErrorClass.NONE),
        (ErrorClass.NONE, True, Outcome.FINALIZED, ErrorClass.NONE),
        (ErrorClass.REVERTED, False, Outcome.FAILED, ErrorClass.REVERTED),
        (ErrorClass.REVERTED, True, Outcome.FAILED_EXPECTED, ErrorClass.REVERTED),
        (ErrorClass.BUSINESS_REFUSAL, True, Outcome.FAILED_EXPECTED, ErrorClass.BUSINESS_REFUSAL),
        (ErrorClass.BUSINESS_REFUSAL, False, Outcome.FAILED, ErrorClass.BUSINESS_REFUSAL),
        (ErrorClass.OUT_OF_GAS, True, Outcome.FAILED, ErrorClass.OUT_OF_GAS),
        (200, False, Outcome.FAILED, ErrorClass.INVALID_IN_BLOCK),
    ],
)
def test_the_status_byte_decides(status, expects, outcome, error_class):
    rows = table([write(0, block=4, position=1, expects_refusal=expects)])
    join_statuses(rows, chain([1] * 6), {3: b"\x1e\x1e", 4: bytes([ErrorClass.CONFLICT, status])})
    assert (rows["outcome"][0], rows["error_class"][0]) == (outcome, error_class)


@pytest.mark.parametrize(
    "statuses", [{}, {1: b"\0"}, {0: b""}, {0: b"\0", 5: b"\0"}], ids=["none", "other", "short", "position beyond"]
)
def test_without_a_status_an_included_row_is_never_goodput(statuses):
    rows = table([write(0, block=0, position=3), write(0, block=0, position=3, outcome=Outcome.COMMITTED)])
    join_statuses(rows, chain([1]), statuses)
    assert rows["outcome"].tolist() == [Outcome.UNRESOLVED] * 2
    assert rows["error_class"].tolist() == [ErrorClass.STATUS_UNKNOWN] * 2


def test_a_status_is_never_that_of_another_block():
    """One position beyond the last of its block, and a block beyond the last that was asked for."""
    rows = table([write(0, block=3, position=1), write(0, block=3, position=0), write(0, block=5), write(0, block=9)])
    join_statuses(rows, chain([1] * 6), {3: b"\0", 4: b"\0", 5: b"\0"})
    lost, kept = Outcome.UNRESOLVED, Outcome.FINALIZED
    assert rows["outcome"].tolist() == [lost, kept, kept, lost]


def test_a_row_that_names_no_block_is_never_goodput():
    rows = table([write(0, block=-1, position=-1)])
    join_statuses(rows, chain([1]), {0: b"\0"})
    assert rows["outcome"][0] == Outcome.UNRESOLVED


def test_an_orphaned_block_takes_its_rows_along_whatever_their_status():
    rows = table([write(0, block=0), write(0, block=1), write(0, block=1, position=1)])
    join_statuses(rows, chain([1, 2], orphaned=[1]), {0: b"\0", 1: bytes([0, ErrorClass.REVERTED])})
    assert rows["outcome"].tolist() == [Outcome.FINALIZED, Outcome.UNRESOLVED, Outcome.UNRESOLVED]
    assert rows["error_class"].tolist() == [ErrorClass.NONE, ErrorClass.ORPHANED, ErrorClass.ORPHANED]


def test_rows_outside_blocks_are_left_alone():
    rows = table(
        [
            read(0, answered=2),
            write(0, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL),
            write(0, outcome=Outcome.UNRESOLVED, error=ErrorClass.NO_ANSWER),
            write(0, outcome=Outcome.DROPPED, error=ErrorClass.BUFFER_EMPTY),
        ]
    )
    before = rows.copy()
    join_statuses(rows, chain([1]), {0: b"\x1e" * 9})
    assert np.array_equal(rows, before)
