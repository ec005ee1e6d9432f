"""etcd's messages against protobuf's own encoding rules and hand-made answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.etcd import messages
from bench.adapters.etcd.messages import (
    KeyValue,
    end_of,
    is_absent,
    is_unchanged,
    put_op,
    range_op,
    range_request,
    read_range,
    read_status,
    read_txn,
    read_watch,
    txn_request,
    watch_request,
)
from bench.api import LedgerError


def test_requests_are_the_bytes_that_protobuf_makes() -> None:
    assert range_request(b"k") == b"\x0a\x01k"
    assert range_request(b"a", b"b", limit=300, serializable=True, count_only=True) == (
        b"\x0a\x01a\x12\x01b\x18\xac\x02\x38\x01\x48\x01"
    )
    assert put_op(b"k", b"v") == b"\x12\x06\x0a\x01k\x12\x01v"
    assert range_op(b"k") == b"\x0a\x03\x0a\x01k"
    assert is_absent(b"k") == b"\x1a\x01k"
    assert is_unchanged(b"k", 5) == b"\x10\x02\x1a\x01k\x30\x05"
    assert txn_request([b"C"], [b"S"], [b"F"]) == b"\x0a\x01C\x12\x01S\x1a\x01F"
    assert watch_request(b"a", b"b", 7) == b"\x0a\x0b\x0a\x01a\x12\x01b\x18\x07\x2a\x01\x01"
    assert end_of(b"bench/tx/") == b"bench/tx0"


HEADER = b"\x0a\x06\x08\x09\x10\x08\x18\x2a"  # cluster 9, member 8, revision 42
PAIR = b"\x0a\x01k\x10\x03\x18\x04\x20\x01\x2a\x01v"
PAIR_IS = KeyValue(b"k", b"v", 3, 4)


def test_answers_are_read() -> None:
    answer = read_range(HEADER + b"\x12\x0c" + PAIR + b"\x20\x05")
    assert (answer.kvs, answer.count, answer.revision, answer.cluster_id) == ((PAIR_IS,), 5, 42, 9)
    inner = b"\x12\x0c" + PAIR + b"\x20\x01"
    txn = read_txn(HEADER + b"\x10\x01" + b"\x1a\x12\x0a\x10" + inner + b"\x1a\x02\x12\x00")
    assert (txn.succeeded, txn.revision, len(txn.ranges), txn.ranges[0].kvs) == (True, 42, 1, (PAIR_IS,))
    watch = read_watch(HEADER + b"\x5a\x0e\x12\x0c" + PAIR)
    assert (watch.puts, watch.compacted, watch.cancelled) == ((PAIR_IS,), 0, None)
    gone = read_watch(HEADER + b"\x20\x01\x28\x64\x32\x03why")
    assert (gone.compacted, gone.cancelled) == (100, "why")
    status = read_status(HEADER + b"\x12\x06" + b"3.4.23" + b"\x20\x08")
    assert (status.cluster_id, status.member_id, status.leader_id, status.version) == (9, 8, 8, "3.4.23")


@pytest.mark.parametrize("message", [b"\x0a", b"\x0a\xff", b"\x0d\x00\x00\x00\x00", b"\x12\x02\x0a", b"\x1a\x05abc"])
def test_what_is_no_answer_is_said_to_be_none(message: bytes) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        read_range(message)


@given(st.integers(0, 2**64 - 1))
def test_numbers_survive(value: int) -> None:
    assert messages._read_varint(messages._varint(value), 0) == (value, len(messages._varint(value)))
