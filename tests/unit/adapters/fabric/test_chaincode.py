"""What workloads say of their chaincodes, and operations as arguments."""

from pathlib import Path

import pytest

from bench.adapters.fabric.chaincode import ChaincodeInfo, chunks, read_info, words
from bench.api import Account, ConfigurationError, Workload
from workloads.notary import WORKLOAD as NOTARY
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER


def test_arguments() -> None:
    arguments = {"to": Account(7), "amount": -3, "note": "ü", "document": b"\x00\xff", "flag": True}
    assert words("pay", arguments, 2) == [b"pay", b"2", b"7", b"-3", "ü".encode(), b"\x00\xff", b"true"]
    assert words("balance", {"of": Account(0)}, None) == [b"balance", b"0"]
    with pytest.raises(ConfigurationError, match="64 bits"):
        words("pay", {"amount": 2**63}, 0)


def test_what_the_workloads_declare() -> None:
    assert read_info(TRANSFER) == ChaincodeInfo(frozenset({"balance"}), "open", "accounts", (10**12,), "total_of")
    assert read_info(NOTARY) == ChaincodeInfo(frozenset({"verify"}))
    bank = read_info(SMALLBANK)
    parameters = {"customers": 700, "initial_checking": 5, "initial_savings": 6}
    assert bank.count(parameters, accounts=3) == 700
    assert list(bank.opening_calls(parameters, accounts=3)) == [
        [b"open", b"0", b"500", b"5", b"6"],
        [b"open", b"500", b"200", b"5", b"6"],
    ]
    assert list(read_info(NOTARY).opening_calls({}, accounts=3)) == []


def test_chunks() -> None:
    assert list(chunks(0)) == []
    assert list(chunks(1001)) == [(0, 500), (500, 500), (1000, 1)]


def test_a_workload_without_a_chaincode(tmp_path: Path) -> None:
    workload = Workload("nothing", "", "x:Y", tmp_path, (), frozenset({"sql"}))
    with pytest.raises(ConfigurationError, match="no chaincode"):
        read_info(workload)
    (tmp_path / "fabric").mkdir()
    (tmp_path / "fabric" / "chaincode.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_info(workload)
