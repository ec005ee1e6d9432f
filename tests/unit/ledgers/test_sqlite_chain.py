import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ledgers.file_system import file_system_of
from bench.ledgers.sqlite_chain import SqliteChain
from bench.model.call import encode_read, encode_write
from bench.model.errors import ConfigurationError, IntegrityError
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal
from workloads.transfer import WORKLOAD

SQL = WORKLOAD.directory / "sql"
OPENING = {"opening_balance": 100}


def pay(amount: int, to: int = 1, count: int = 0) -> bytes:
    return encode_write(Operation("transfer", {"to": Account(to), "amount": amount}), b"salt", 0, 0, count).payload


def balance(chain: SqliteChain, account: int) -> object:
    return chain.read(encode_read(Operation("balance", {"of": Account(account)}, Kind.READ), 0).payload)[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def chain(path: Path) -> Iterator[SqliteChain]:
    chain = SqliteChain(path)
    chain.prepare("transfer", SQL, OPENING, 2)
    yield chain
    chain.close()


def test_durable_settings_are_read_back(chain: SqliteChain) -> None:
    assert chain.settings == ("journal_mode=WAL", "synchronous=FULL")


def test_effects_and_ledger_rows_commit_together(chain: SqliteChain) -> None:
    replies, block = chain.commit([pay(30), pay(20, count=1)])
    assert replies == [ACCEPTED, ACCEPTED]
    assert block is not None
    assert (block.height, len(block.tx_ids), block.error_classes) == (2, 2, b"\0\0")
    assert (balance(chain, 0), balance(chain, 1)) == (50, 150)
    assert chain.block(2) == block
    assert chain.head.transactions == 2
    assert chain.verify_chain() == chain.head


def test_a_business_refusal_is_undone_and_recorded_as_failed(chain: SqliteChain) -> None:
    replies, block = chain.commit([pay(60), pay(60, count=1), pay(1, to=99, count=2)])
    assert replies == [ACCEPTED] * 3
    assert block is not None
    refused = int(ErrorClass.BUSINESS_REFUSAL)
    assert block.error_classes == bytes([0, refused, refused])
    assert (balance(chain, 0), balance(chain, 1)) == (40, 160), "the payment to nobody took nothing"


def test_the_same_bytes_are_executed_once_within_a_group_and_across_groups(chain: SqliteChain) -> None:
    replies, block = chain.commit([pay(30), pay(30)])
    assert replies == [ACCEPTED, ACCEPTED]
    assert block is not None
    assert len(block.tx_ids) == 1
    assert chain.commit([pay(30)]) == ([ACCEPTED], None)
    assert balance(chain, 1) == 130


@pytest.mark.parametrize(
    ("payload", "error_class"),
    [
        (b"garbage", ErrorClass.INVALID_TRANSACTION),
        (encode_write(Operation("mint"), b"salt", 0, 0, 0).payload, ErrorClass.METHOD_MISSING),
        (encode_write(Operation("transfer", {"amount": 1}), b"s", 0, 0, 0).payload, ErrorClass.INVALID_TRANSACTION),
        (encode_write(Operation("transfer", {"to": 1, "amount": "x"}), b"s", 0, 0, 0).payload,
         ErrorClass.INVALID_TRANSACTION),
    ],
)  # fmt: skip
def test_what_cannot_be_executed_is_refused_and_leaves_no_trace(
    chain: SqliteChain, payload: bytes, error_class: ErrorClass
) -> None:
    (reply, good), block = chain.commit([payload, pay(1)])
    assert isinstance(reply, Refusal)
    assert reply.error_class is error_class
    assert good == ACCEPTED
    assert block is not None
    assert len(block.tx_ids) == 1


def test_reads_and_their_refusals(chain: SqliteChain) -> None:
    assert chain.reads == {"balance", "money_created_since_start"}
    unknown = chain.read(encode_read(Operation("balance", {"of": 99}, Kind.READ), 0).payload)[0]
    assert unknown == Refusal(ErrorClass.READ_REFUSED, "unknown_account")
    missing = chain.read(encode_read(Operation("total", {}, Kind.READ), 0).payload)[0]
    assert isinstance(missing, Refusal)
    assert missing.error_class is ErrorClass.METHOD_MISSING
    mixed, block = chain.commit([encode_read(Operation("balance", {"of": 0}, Kind.READ), 0).payload])
    assert (mixed, block) == ([ACCEPTED], None)


def test_preparing_again_keeps_state_and_may_add_accounts(chain: SqliteChain) -> None:
    chain.commit([pay(30)])
    assert chain.prepare("transfer", SQL, OPENING, 2) is False
    assert chain.prepare("transfer", SQL, OPENING, 3) is True
    assert [balance(chain, account) for account in range(3)] == [70, 130, 100]
    assert chain.prepare("transfer", SQL, OPENING, 2) is False
    with pytest.raises(ConfigurationError, match="prepared for something else"):
        chain.prepare("transfer", SQL, {"opening_balance": 7}, 2)


def test_a_failed_setup_leaves_nothing(path: Path, tmp_path: Path) -> None:
    directory = tmp_path / "bad" / "sql"
    directory.mkdir(parents=True)
    (directory / "schema.sql").write_text("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER);")
    procedures = "WRITES = {}\nREADS = {}\ndef setup(db, parameters, accounts):\n    raise KeyError('customers')\n"
    (directory / "procedures.py").write_text(procedures)
    chain = SqliteChain(path)
    with pytest.raises(KeyError):
        chain.prepare("bad", directory, {}, 2)
    assert chain.database.execute("SELECT name FROM sqlite_master WHERE name IN ('t', 'u')") == []
    assert chain.head.height == 0
    chain.close()


def test_a_restart_continues_the_chain(chain: SqliteChain, path: Path) -> None:
    chain.commit([pay(30)])
    head = chain.head
    chain.close()
    again = SqliteChain(path)
    assert again.head == head
    assert again.commit([pay(30)]) == ([ACCEPTED], None), "known from before the restart"
    assert again.commit([pay(1, count=5)])[0] == [ACCEPTED], "procedures are loaded again"
    again.close()


@pytest.mark.parametrize(
    ("tampering", "where"),
    [
        ("UPDATE ledger_transactions SET error_class = 33 WHERE number = 0", "block 2"),
        ("UPDATE ledger_transactions SET payload = x'00' WHERE number = 1", "block 3"),
        ("UPDATE ledger_transactions SET tx_id = zeroblob(32) WHERE number = 1", "block 3"),
        ("DELETE FROM ledger_transactions WHERE number = 0", "block 2"),
        ("DELETE FROM ledger_transactions WHERE number = 2", "block 3"),
        ("DELETE FROM ledger_blocks WHERE height = 3", "transactions after the last block"),
        ("DELETE FROM ledger_blocks WHERE height = 2", "block 3"),
        ("UPDATE ledger_blocks SET time_ns = time_ns + 1 WHERE height = 2", "block 2"),
        ("UPDATE ledger_blocks SET note = '{}' WHERE height = 1", "block 1"),
        ("UPDATE ledger_blocks SET block_hash = zeroblob(32) WHERE height = 0", "block 0"),
    ],
)
def test_tampering_is_found_at_start(chain: SqliteChain, path: Path, tampering: str, where: str) -> None:
    chain.commit([pay(1)])
    chain.commit([pay(1, count=1), pay(1, count=2)])
    chain.close()
    connection = sqlite3.connect(path)
    connection.execute(tampering)
    connection.commit()
    connection.close()
    with pytest.raises(IntegrityError, match="the chain is broken") as caught:
        SqliteChain(path)
    assert where in str(caught.value)


def test_file_system_is_that_of_the_longest_mount_point(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\ntmpfs /mem tmpfs rw 0 0\n/dev/b /mem/disk xfs rw 0 0\n")
    found = {path: file_system_of(Path(path), mounts) for path in ("/data", "/mem/x", "/mem/disk/y", "/memory")}
    assert found == {"/data": "ext4", "/mem/x": "tmpfs", "/mem/disk/y": "xfs", "/memory": "ext4"}
    assert file_system_of(Path("/data"), tmp_path / "missing") == "unknown"
