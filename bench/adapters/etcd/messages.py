"""etcd's v3 messages, as far as they are used: protobuf fields by the numbers of etcd's rpc.proto."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.model.errors import LedgerError

RANGE, TXN = "/etcdserverpb.KV/Range", "/etcdserverpb.KV/Txn"
DELETE_RANGE = "/etcdserverpb.KV/DeleteRange"
WATCH, STATUS = "/etcdserverpb.Watch/Watch", "/etcdserverpb.Maintenance/Status"
_TARGET_MOD = 2
_NO_DELETES = 1


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as one revision left it."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """`count` is of all keys in the range, whatever the limit."""

    kvs: tuple[KeyValue, ...]
    count: int
    revision: int
    cluster_id: int


@dataclass(frozen=True, slots=True)
class TxnAnswer:
    """`ranges` are the answers to the ranges of the branch that was taken, in order; puts are left out."""

    succeeded: bool
    revision: int
    ranges: tuple[RangeAnswer, ...]


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """Puts in order of revision; `compacted` is not 0 when what was asked for is gone, `cancelled` the reason."""

    puts: tuple[KeyValue, ...]
    compacted: int
    cancelled: str | None


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """Who answers, who leads (0: nobody), and the version."""

    member_id: int
    leader_id: int
    cluster_id: int
    version: str


# --- building


def range_request(
    key: bytes, end: bytes = b"", *, limit: int = 0, serializable: bool = False, count_only: bool = False
) -> bytes:
    """Of one key, or of all from `key` to before `end`."""
    flags = _number(7, int(serializable)) + _number(9, int(count_only))
    return _bytes(1, key) + (_bytes(2, end) if end else b"") + _number(3, limit) + flags


def put_op(key: bytes, value: bytes) -> bytes:
    """A put as part of a transaction."""
    return _bytes(2, _bytes(1, key) + _bytes(2, value))


def range_op(key: bytes) -> bytes:
    """A read of one key as part of a transaction."""
    return _bytes(1, _bytes(1, key))


def is_absent(key: bytes) -> bytes:
    """A condition: there is no such key."""
    return _bytes(3, key)


def is_unchanged(key: bytes, mod_revision: int) -> bytes:
    """A condition: the key was last changed at that revision."""
    return _number(2, _TARGET_MOD) + _bytes(3, key) + _number(6, mod_revision)


def txn_request(conditions: Sequence[bytes], success: Sequence[bytes], failure: Sequence[bytes] = ()) -> bytes:
    """If all conditions hold, do this, else do that."""
    parts = [_bytes(1, condition) for condition in conditions]
    parts += [_bytes(2, op) for op in success] + [_bytes(3, op) for op in failure]
    return b"".join(parts)


def watch_request(key: bytes, end: bytes, start_revision: int) -> bytes:
    """Puts from `start_revision` on, of keys from `key` to before `end`."""
    return _bytes(1, _bytes(1, key) + _bytes(2, end) + _number(3, start_revision) + _bytes(5, bytes((_NO_DELETES,))))


def delete_request(key: bytes, end: bytes) -> bytes:
    """All keys from `key` to before `end`."""
    return _bytes(1, key) + _bytes(2, end)


def end_of(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


# --- reading


def read_range(message: bytes) -> RangeAnswer:
    """Of a Range call, or of a range in a transaction (which has no cluster id)."""
    kvs, count, revision, cluster = [], 0, 0, 0
    for number, value in _fields(message):
        if number == 1:
            cluster, _, revision = _header(_as_bytes(value))
        elif number == 2:
            kvs.append(_key_value(_as_bytes(value)))
        elif number == 4:
            count = _as_int(value)
    return RangeAnswer(tuple(kvs), count, revision, cluster)


def read_txn(message: bytes) -> TxnAnswer:
    """Of a Txn call."""
    succeeded, revision, ranges = False, 0, []
    for number, value in _fields(message):
        if number == 1:
            revision = _header(_as_bytes(value))[2]
        elif number == 2:
            succeeded = bool(value)
        elif number == 3:
            ranges += [read_range(_as_bytes(inner)) for kind, inner in _fields(_as_bytes(value)) if kind == 1]
    return TxnAnswer(succeeded, revision, tuple(ranges))


def read_watch(message: bytes) -> WatchAnswer:
    """One answer of a watch."""
    puts, compacted, cancelled, reason = [], 0, False, ""
    for number, value in _fields(message):
        if number == 4:
            cancelled = bool(value)
        elif number == 5:
            compacted = _as_int(value)
        elif number == 6:
            reason = _as_bytes(value).decode(errors="replace")
        elif number == 11:
            puts += [_key_value(_as_bytes(inner)) for kind, inner in _fields(_as_bytes(value)) if kind == 2]
    return WatchAnswer(tuple(puts), compacted, (reason or "no reason given") if cancelled else None)


def read_status(message: bytes) -> StatusAnswer:
    """Of a Status call."""
    cluster, member, leader, version = 0, 0, 0, ""
    for number, value in _fields(message):
        if number == 1:
            cluster, member, _ = _header(_as_bytes(value))
        elif number == 2:
            version = _as_bytes(value).decode(errors="replace")
        elif number == 4:
            leader = _as_int(value)
    return StatusAnswer(member, leader, cluster, version)


def _header(message: bytes) -> tuple[int, int, int]:
    """Cluster, member, revision."""
    found = {number: value for number, value in _fields(message) if isinstance(value, int)}
    return found.get(1, 0), found.get(2, 0), found.get(3, 0)


def _key_value(message: bytes) -> KeyValue:
    key, value, created, changed = b"", b"", 0, 0
    for number, field in _fields(message):
        if number == 1:
            key = _as_bytes(field)
        elif number == 2:
            created = _as_int(field)
        elif number == 3:
            changed = _as_int(field)
        elif number == 5:
            value = _as_bytes(field)
    return KeyValue(key, value, created, changed)


# --- protobuf


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; kinds that etcd does not use are refused."""
    position, size = 0, len(message)
    try:
        while position < size:
            tag, position = _read_varint(message, position)
            value, position = _read_varint(message, position)
            if tag & 7 == 0:
                yield tag >> 3, value
            elif tag & 7 == 2 and position + value <= size:
                yield tag >> 3, message[position : position + value]
                position += value
            else:
                raise _unreadable(message)
    except IndexError as error:
        raise _unreadable(message) from error


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    byte = message[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value, shift = byte & 0x7F, 7
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _unreadable(b"")
    return value


def _as_int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _unreadable(value)
    return value


def _unreadable(message: bytes) -> LedgerError:
    return LedgerError("an answer of etcd cannot be read", value=message[:16], remedy="use etcd 3.4 or later")
