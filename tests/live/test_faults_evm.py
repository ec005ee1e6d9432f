"""A real node behind a faulty proxy: late, lost, unanswered, duplicated, reordered, refused, reverted, and a gateway's
hiccups, each counted where docs/measurement.md puts it, and nothing lost between the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.reader import Bundle
from bench.model.keccak import keccak256
from bench.model.result import Trial
from tests.support.anvil import anvil_network
from tests.support.evm_proxy import HTML, Call, Fault, Proxy, Rule, between, every, evm_proxy, own_hash
from tests.support.runs import assert_nothing_vanished, run_once

pytestmark = pytest.mark.live

RATE, DURATION_S, WARM_UP_S, BLOCK_S = 100, 2, 0.5, 0.2
PLANNED = RATE * DURATION_S

LATE = Fault("late", late_s=1.5)
LOST = Fault("lost", passes=0, result=own_hash)
TWICE = Fault("twice", passes=2)
CUT = Fault("cut", cut=b"")
CUT_MIDWAY = Fault("cut midway", cut=b"HTTP/1.1 200 OK\r\nContent-Le")
CUT_UNSENT = Fault("cut unsent", passes=0, cut=b"HTTP/1.1 200 OK\r\nContent-Le")
GATEWAY = Fault("502", passes=0, status="502 Bad Gateway", body=HTML)
GATEWAY_PASSED = Fault("502 passed on", status="502 Bad Gateway", body=HTML)
UNAVAILABLE = Fault("503", passes=0, status="503 Service Unavailable", body=HTML)
TOO_MANY = Fault("429", passes=0, status="429 Too Many Requests", body=HTML)
GARBAGE = Fault("garbage", body=b'{"jsonrpc":"2.0","id":7,"resu')
POOL_FULL = Fault("pool full", passes=0, refusal=(-32000, "txpool is full"))
NONCE_LOW = Fault("nonce low", passes=0, refusal=(-32003, "nonce too low"))
NO_FUNDS = Fault("no funds", passes=0, refusal=(-32003, "insufficient funds for gas * price + value"))
HELD = Fault("held", held_s=0.5, result=own_hash)
SILENT = Fault("silent", passes=0, silent=True)
INTERNAL = Fault("internal error", passes=0, refusal=(-32603, "internal error"))
INTERNAL_PASSED = Fault("internal error, passed on", refusal=(-32603, "internal error"))
UNKNOWN_PASSED = Fault("unknown words, passed on", refusal=(-32000, "context deadline exceeded"))
OMITTED = Fault("omitted", omitted=True)
NULL = Fault("null", result=lambda call, answer: None)


@dataclass
class Faulty:
    """What came of a run through the proxy."""

    bundle: Bundle
    trial: Trial
    proxy: Proxy

    @property
    def errors(self) -> dict[str, int]:
        return {name: error.count for name, error in self.trial.errors.items()}

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.bundle.transactions(1).to_pylist()
        return rows

    def unanswered(self) -> int:
        """Rows that were accepted without an answer."""
        return sum(
            row["accepted_at_ns"] is None and row["outcome"] not in ("rejected", "dropped") for row in self.rows()
        )

    def answered_late(self) -> int:
        """Rows whose answer came long after the transaction was final."""
        return sum((row["accepted_at_ns"] or 0) - (row["finalized_at_ns"] or 10**18) > 10**9 for row in self.rows())


def faulty(
    tmp_path: Path,
    rules: Sequence[Rule],
    *,
    drain_s: float = 2,
    accounts: int = PLANNED,
    node: dict[str, Any] | None = None,
    batch: int = 1,
    **options: object,
) -> Faulty:
    """A transfer load through the proxy, by default one transaction per account, so that faults do not meet."""
    with (
        anvil_network(tmp_path, block_time_s=BLOCK_S, **(node or {})) as network,
        evm_proxy(network.endpoint, rules) as proxy,
    ):
        bundle = run_once(
            tmp_path,
            {
                "endpoint": {"adapter": "evm", "url": proxy.url, "options": {"dev_funding": True, **options}},
                "arrival": {"process": "constant", "rate": RATE},
                "phases": {"duration": f"{DURATION_S}s", "warm_up": f"{WARM_UP_S}s", "drain": f"{drain_s:g}s"},
                "load": {"accounts": accounts, "batch": batch, "linger": "50ms"},
            },
        )
    trial = assert_nothing_vanished(bundle)
    assert trial.counts.planned == PLANNED
    assert trial.counts.dropped == 0
    assert trial.counts.unmatched_commits == 0
    return Faulty(bundle, trial, proxy)


@dataclass(frozen=True)
class Case:
    """Faults, and what must be counted for them. Everything else is final."""

    rules: Sequence[Rule]
    met: dict[str, int]
    rejected: int = 0
    unresolved: int = 0
    unanswered: int = 0
    cut_on_a_new_connection: int = 0  # at most; unanswered, too, where a kept one is replaced without a word
    answered_late: int = 0
    errors: dict[str, int] | None = None
    batch: int = 1


CASES = {
    "taken, whatever the answer": Case(
        [
            every(40, LATE),
            every(40, TWICE, offset=5),
            every(40, HELD, offset=10),
            every(40, CUT, offset=15),
            every(40, CUT_MIDWAY, offset=20),
            every(40, CUT_UNSENT, offset=25),
            every(40, LOST, offset=30, again=True),
        ],
        {"late": 5, "twice": 5, "held": 5, "cut": 5, "cut midway": 5, "cut unsent": 5, "lost": 5},
        unresolved=5,
        unanswered=10,
        cut_on_a_new_connection=5,
        answered_late=5,
        errors={"not_included": 5},
    ),
    "refused, and a gateway that fails": Case(
        [
            every(40, POOL_FULL),
            every(40, NONCE_LOW, offset=5),
            every(40, NO_FUNDS, offset=10),
            every(40, UNAVAILABLE, offset=15),
            every(40, TOO_MANY, offset=20),
            every(40, GATEWAY, offset=25),
            every(40, GATEWAY_PASSED, offset=30),
            every(40, GARBAGE, offset=35),
        ],
        {"pool full": 5, "nonce low": 5, "no funds": 5, "503": 5, "429": 5, "502": 5, "502 passed on": 5, "garbage": 5},
        rejected=20,
        unanswered=20,
        errors={
            "pool_full": 5,
            "sequence_too_low": 5,
            "insufficient_funds": 5,
            "rate_limited": 5,
        },
    ),
    "errors that prove nothing": Case(
        [every(40, INTERNAL), every(40, INTERNAL_PASSED, offset=10), every(40, UNKNOWN_PASSED, offset=20)],
        {"internal error": 5, "internal error, passed on": 5, "unknown words, passed on": 5},
        unanswered=15,
    ),
    "in batches": Case(
        [every(40, LOST, again=True), every(40, POOL_FULL, offset=10), every(40, OMITTED, offset=20)],
        {"lost": 5, "pool full": 5, "omitted": 5},
        rejected=5,
        unresolved=5,
        unanswered=5,
        errors={"pool_full": 5, "not_included": 5},
        batch=10,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_fault_of_a_send_is_counted_in_its_place(tmp_path: Path, name: str):
    case = CASES[name]
    found = faulty(tmp_path, case.rules, batch=case.batch)
    counts = found.trial.counts
    assert {name: found.proxy.met[name] for name in case.met} == case.met
    assert counts.submitted == PLANNED
    assert counts.rejected == case.rejected
    assert counts.unresolved == case.unresolved
    assert counts.failed == 0
    assert counts.finalized == PLANNED - case.rejected - case.unresolved
    assert found.errors == (case.errors or {})
    assert case.unanswered <= found.unanswered() <= case.unanswered + case.cut_on_a_new_connection
    assert found.answered_late() == case.answered_late


def test_refusals_and_late_numbers_in_shared_accounts_are_mended(tmp_path: Path):
    rules = [every(20, POOL_FULL), every(20, NONCE_LOW, offset=6), every(20, HELD, offset=12)]
    found = faulty(tmp_path, rules, accounts=10, drain_s=8)
    counts, met = found.trial.counts, found.proxy.met
    refused = met["pool full"] + met["nonce low"]
    assert refused >= 2 * (PLANNED // 20 - 1)
    assert refused - counts.fillers <= counts.rejected <= refused
    assert met["held"] >= PLANNED // 20 - 1
    assert counts.unresolved == counts.failed == 0
    assert counts.finalized == counts.accepted == PLANNED - counts.rejected


def test_what_the_node_never_got_is_sent_again_and_a_block_without_receipts_is_unresolved(tmp_path: Path):
    withheld: list[str] = []

    def of_one_block(call: Call) -> bool:
        if call.at_s > 1 and not withheld:
            withheld.append(call.params[0])
        return call.params[0] in withheld

    rules = [
        every(100, SILENT),
        every(100, LOST, offset=50),
        between("eth_getBlockReceipts", 0, 0.8, NULL),
        Rule("eth_getBlockReceipts", of_one_block, Fault("withheld", result=lambda call, answer: None)),
    ]
    found = faulty(tmp_path, rules, drain_s=8, status_source="receipts")
    counts, met = found.trial.counts, found.proxy.met
    assert met["silent"] == met["lost"] == 2
    assert met["null"] > 0
    assert met["withheld"] > 1
    assert len(found.proxy.reached) == PLANNED
    blocks = found.bundle.blocks(1).to_pylist()
    assert counts.unresolved in {block["own"] for block in blocks if block["own"]}
    assert found.errors == {"status_unknown": counts.unresolved}
    assert counts.finalized == PLANNED - counts.unresolved
    assert found.unanswered() == met["silent"]  # not heard of in time, but seen in a block
    finality = found.trial.latency_ms.finality
    assert finality.max is None or 5000 < finality.max < 9000  # a loss is noticed after 5 to 7 s
    measured = [row for row in found.rows() if row["intended_at_ns"] >= WARM_UP_S * 1e9]
    assert finality.censored == sum(row["outcome"] == "unresolved" for row in measured)
    assert sum((row["finalized_at_ns"] or 0) - row["intended_at_ns"] > 5e9 for row in found.rows()) == 4


def test_a_reader_that_lags_repeats_jumps_and_fails_makes_blocks_late_and_loses_none(tmp_path: Path):
    frozen: list[str] = []

    def freeze(call: Call, answer: str) -> str:
        frozen.append(answer)
        return frozen[0]

    lagging = Fault("lagging", result=lambda call, answer: hex(int(answer, 16) - 3))
    hiccups = [GATEWAY, UNAVAILABLE, TOO_MANY, GARBAGE, CUT_MIDWAY]
    reading = ["eth_blockNumber", "eth_getBlockByNumber", "trace_block", "eth_getTransactionReceipt"]
    rules = [
        *(every(13, fault, offset=2 * at, method=method) for at, fault in enumerate(hiccups) for method in reading),
        every(4, NULL, offset=3, method="eth_getBlockByNumber"),
        between("eth_blockNumber", 0.2, 0.8, lagging),
        between("eth_blockNumber", 1.0, 2.2, Fault("frozen", result=freeze)),
        between("eth_blockNumber", 2.4, 2.6, lagging),
    ]
    found = faulty(tmp_path, rules, drain_s=4, subscribe=False)
    met = found.proxy.met
    assert all(met[fault.name] > 0 for fault in (*hiccups, NULL, lagging)), met
    assert len(frozen) > 3
    assert found.trial.counts.finalized == PLANNED
    assert found.errors == {}
    blocks = found.bundle.blocks(1).to_pylist()
    heights = [block["height"] for block in blocks]
    assert heights == list(range(heights[0], heights[0] + len(heights)))
    assert sum(block["own"] for block in blocks) == PLANNED
    assert not any(block["orphaned"] for block in blocks)
    finality = found.trial.latency_ms.finality
    assert finality.max is not None
    assert 700 < finality.max < 2500  # due when the height stood still, and seen when it moved again
    stamps = [block["observed_at_ns"] for block in blocks]
    assert max(stamps.count(stamp) for stamp in stamps) >= 4  # one answer told of several blocks


def test_what_the_contract_refuses_is_expected_and_what_runs_out_of_gas_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    selector = "0x" + keccak256(b"depositChecking(uint256,uint256)")[:4].hex()
    too_little = Fault("too little gas", result=lambda call, answer: hex(3200))
    rules = [Rule("eth_estimateGas", lambda call: call.params[0].get("data", "").startswith(selector), too_little)]
    with anvil_network(tmp_path, block_time_s=BLOCK_S) as network, evm_proxy(network.endpoint, rules) as proxy:
        monkeypatch.setenv("BENCH_FUNDING_KEY", network.funding_key)
        bundle = run_once(
            tmp_path,
            {
                "endpoint": {"adapter": "evm", "url": proxy.url},
                "workload": {"name": "smallbank", "parameters": {"customers": 50, "initial_checking": 400}},
                "arrival": {"process": "constant", "rate": RATE},
                "phases": {"duration": f"{DURATION_S}s", "warm_up": f"{WARM_UP_S}s", "drain": "5s"},
                "load": {"accounts": 20},
            },
        )
    trial = assert_nothing_vanished(bundle)
    counts, operations = trial.counts, trial.operations
    deposits, payments = operations["deposit_checking"], operations["send_payment"]
    assert proxy.met["too little gas"] == 1
    assert counts.dropped == counts.rejected == counts.unresolved == 0
    assert deposits.failed == deposits.planned == trial.errors["out_of_gas"].count > 20
    assert trial.errors["out_of_gas"].expected == 0
    assert counts.failed_expected == payments.failed_expected == trial.errors["reverted"].count > 10
    assert trial.errors["reverted"].expected == trial.errors["reverted"].count
    assert counts.failed == deposits.failed + counts.failed_expected
    assert counts.finalized == counts.planned - counts.failed


@pytest.mark.parametrize(("confirmations", "drain_s"), [(0, 1), (3, 14)])
def test_a_transaction_whose_block_left_the_chain(tmp_path: Path, confirmations: int, drain_s: float):
    """Called final and gone, it is unresolved; not yet final, it is open again, and what the node forgot is resent."""
    reorganise = Fault("reorganised", before=("anvil_reorg", [2, []]))
    rules = [Rule("eth_blockNumber", lambda call: call.turn == 10, reorganise)]
    found = faulty(
        tmp_path,
        rules,
        drain_s=drain_s,
        node={"keep_states": True},
        subscribe=False,
        confirmations=confirmations,
    )
    counts, blocks = found.trial.counts, found.bundle.blocks(1).to_pylist()
    orphaned = [block for block in blocks if block["orphaned"]]
    assert orphaned
    assert found.trial.blocks.orphaned == len(orphaned)
    if confirmations:
        assert counts.finalized == PLANNED
        assert found.errors == {}
        assert len(set(found.proxy.reached.values())) == 2  # some once, and those of the lost blocks again
        return
    gone = sum(block["own"] for block in orphaned)
    assert found.errors.get("orphaned", 0) == gone > 0
    assert counts.unresolved == gone + found.errors.get("not_included", 0)
    assert counts.finalized == PLANNED - counts.unresolved
