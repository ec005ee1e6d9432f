from dataclasses import replace
from pathlib import Path

import pytest

from bench.adapters.evm.funding import need_per_account
from bench.adapters.evm.options import EvmOptions, parse_options
from bench.adapters.evm.preparing import Chain, prepare
from bench.adapters.evm.signing import Signer
from bench.adapters.protocol import Setup
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.keccak import keccak256
from bench.model.operation import Kind
from bench.model.workload import OperationInfo, Workload
from tests.support.fake_node import FakeNode, NodeSays

KEY = "0x" + "05" * 32
FUNDER = "0x" + Signer(b"\x05" * 32).address.hex()
GWEI, ETHER = 10**9, 10**18
TRANSFER = OperationInfo("transfer", Kind.WRITE, 1, "")
WORKLOAD = Workload("transfer", "", "", Path("/nowhere"), (TRANSFER,), frozenset({"evm"}))
SETUP = Setup(WORKLOAD, {"amount": 7}, accounts=3, writes=30, seed=1, secrets={"funding_key": KEY})


class Bank(FakeNode):
    """A chain that pays transfers as soon as they are sent, from raw transactions whose fields it does not check."""

    def __init__(self, **balances: int) -> None:
        super().__init__()
        self.balances: dict[str, int] = dict(balances)
        self.sent: list[str] = []
        self.refusal = ""
        self.methods = {
            "eth_getBlockByNumber": lambda *_: {"baseFeePerGas": hex(GWEI)},
            "eth_maxPriorityFeePerGas": lambda: hex(GWEI),
            "eth_estimateGas": lambda _: hex(21_000),
            "eth_blockNumber": lambda: "0x7",
            "eth_getBalance": lambda address, _: hex(self.balances.get(address, 0)),
            "eth_getTransactionCount": lambda address, _: hex(len(self.sent) if address == FUNDER else 5),
            "eth_sendRawTransaction": self.send,
            "anvil_setBalance": lambda address, wei: self.balances.update({address: int(wei, 16)}),
            "web3_clientVersion": lambda: "Geth/v1",
        }

    def send(self, raw: str) -> str:
        if self.refusal:
            raise NodeSays(self.refusal)
        self.sent.append(raw)
        # Type 2, 7-byte nonce-to-gas head varies; the recipient follows the byte 0x94 after the gas limit 0x825208.
        at = raw.index("82520894") + 8
        rest = bytes.fromhex(raw[at + 40 :])
        size = rest[0] - 0x80
        address = "0x" + raw[at : at + 40]
        self.balances[address] = self.balances.get(address, 0) + int.from_bytes(rest[1 : 1 + size], "big")
        return "0x" + keccak256(bytes.fromhex(raw[2:])).hex()

    def prepare(self, setup: Setup = SETUP, options: EvmOptions | None = None):
        return prepare(Chain(self.rpc, self, 1337, "0xgenesis"), options or parse_options({}), setup)


def test_need_is_twice_the_even_share_and_ten_at_the_cap():
    need = need_per_account(writes=100, accounts=10, gas=21_000, price_wei=2, value_wei=5)
    assert need.least == 30 * (21_000 * 2 + 5)
    assert need.target == need.least * 3 // 2
    assert need_per_account(0, 10, 1, 1, 0).least == 10


def test_accounts_are_funded_to_what_they_need_and_left_alone_the_second_time():
    bank = Bank(**{FUNDER: ETHER})
    fixture = bank.prepare()
    need = need_per_account(30, 3, 21_000, 9 * GWEI, 7)
    funded = {address: balance for address, balance in bank.balances.items() if address != FUNDER}
    assert list(funded.values()) == [need.target] * 3
    assert fixture.accounts == 3
    assert fixture.sequences == (5, 5, 5)
    assert fixture.disclosed["accounts_funded"] == 3
    again = bank.prepare()
    assert again.data == fixture.data
    assert again.disclosed["accounts_left_alone"] == 3
    assert len(bank.sent) == 3


def test_only_the_poor_are_funded():
    bank = Bank(**{FUNDER: ETHER})
    bank.prepare()
    poor = next(address for address in bank.balances if address != FUNDER)
    bank.balances[poor] = 1
    assert bank.prepare().disclosed["accounts_funded"] == 1
    assert len(bank.sent) == 4


def test_the_salt_is_secret_and_follows_key_and_seed():
    bank = Bank(**{FUNDER: ETHER})
    salts = {str(bank.prepare(replace(SETUP, seed=seed)).data["salt"]) for seed in (1, 2)}
    assert len(salts) == 2
    fixture = bank.prepare()
    assert str(fixture.data["salt"]) not in str(fixture.disclosed) + repr(fixture)
    assert KEY[2:] not in str(fixture.data) + str(fixture.disclosed)


def test_a_poor_funding_key_is_told_what_is_missing():
    bank = Bank(**{FUNDER: 1000})
    with pytest.raises(LedgerError, match=f"the funding key {FUNDER} holds 1e-15 ether and needs") as caught:
        bank.prepare()
    assert f"to {FUNDER}" in str(caught.value)
    assert bank.sent == []


def test_no_key_and_bad_keys():
    with pytest.raises(LedgerError, match="no funding key was given"):
        Bank().prepare(replace(SETUP, secrets={}))
    for key in ("xyz", "0x12", "00" * 32, "ff" * 32):
        with pytest.raises(ConfigurationError, match="not a private key") as caught:
            Bank().prepare(replace(SETUP, secrets={"funding_key": key}))
        assert key not in str(caught.value)


def test_a_development_chain_sets_balances_without_key():
    bank = Bank()
    fixture = bank.prepare(replace(SETUP, secrets={}), parse_options({"dev_funding": True}))
    assert fixture.disclosed["funding_source"] == "anvil_setBalance"
    assert len(bank.balances) == 3
    assert bank.sent == []


def test_a_refused_setup_transaction_stops_with_the_nodes_words():
    bank = Bank(**{FUNDER: ETHER})
    bank.refusal = "txpool is full"
    with pytest.raises(LedgerError, match="txpool is full"):
        bank.prepare()


def test_funding_that_never_arrives_is_given_up():
    bank = Bank(**{FUNDER: ETHER})
    bank.methods["eth_getTransactionCount"] = lambda *_: "0x0"
    with pytest.raises(LedgerError, match=r"3 setup transactions of 0x.* were not included"):
        bank.prepare(options=parse_options({"setup_timeout_s": 0.01}))


def test_an_operation_that_the_chain_cannot_express_is_refused_before_anything_is_sent():
    odd = replace(WORKLOAD, operations=(TRANSFER, OperationInfo("fly", Kind.WRITE, 1, "")))
    with pytest.raises(ConfigurationError, match=r"cannot express .got 'fly'"):
        Bank().prepare(replace(SETUP, workload=odd))
    with pytest.raises(ConfigurationError, match="cannot express"):
        Bank().prepare(
            replace(SETUP, workload=replace(WORKLOAD, operations=(OperationInfo("transfer", Kind.READ, 1, ""),)))
        )


def test_what_is_disclosed():
    shown = Bank(**{FUNDER: ETHER}).prepare().disclosed
    assert shown["chain_id"] == 1337
    assert shown["transaction_type"] == "1559"
    assert shown["gas_limits"] == {"transfer": 21_000}
    assert shown["fee_max_wei"] == 9 * GWEI
    assert shown["status_source"] == "receipts"
