"""The notary on real nodes: every acknowledged document is asked for, and a ledger that lost one is found out."""

import sqlite3
from pathlib import Path

import pytest

from bench.adapters.sqlite import SqliteAdapter
from bench.api import ACCEPTED, Acknowledged, AuditInput, Endpoint, Kind, Operation, Setup
from bench.ledgers.sqlite import SqliteLedger
from tests.support.runs import assert_nothing_vanished, run_once
from workloads.notary import WORKLOAD
from workloads.notary.audit import audit

pytestmark = pytest.mark.live
SHORT = {"duration": "3s", "warm_up": "500ms", "drain": "10s"}


def scenario(ledger: object, rate: float = 150, **load: object) -> dict[str, object]:
    arrival = {"process": "constant", "rate": rate}
    return {"workload": "notary", "ledgers": [ledger], "arrival": arrival, "phases": SHORT, "load": load}


@pytest.mark.parametrize("ledger", ["sqlite", "anvil", "simulated"])
def test_every_acknowledged_anchor_is_found_again(tmp_path: Path, ledger: str):
    bundle = run_once(tmp_path, scenario(ledger, workers=2))
    trial = assert_nothing_vanished(bundle)
    assert trial.counts.failed == trial.counts.rejected == 0  # documents are unique: nothing is refused
    (invariant,) = bundle.result.audit.invariants
    assert invariant.name == "every_acknowledged_anchor_found"
    assert invariant.detail == f"all {trial.counts.committed} acknowledged anchors were looked up and found"
    assert trial.reads.answered > 50


def test_documents_are_those_that_were_sent_when_turns_were_dropped(tmp_path: Path):
    """A dropped turn's signed transaction takes its sender's next turn: the row's index is then not its operation's."""
    bundle = run_once(tmp_path, scenario("anvil", in_flight=20))
    trial = assert_nothing_vanished(bundle)
    assert trial.counts.dropped > 50
    assert trial.counts.committed > 30
    (invariant,) = bundle.result.audit.invariants
    assert invariant.detail == f"all {trial.counts.committed} acknowledged anchors were looked up and found"


def test_a_ledger_that_forgets_is_found_out(tmp_path: Path):
    bundle = run_once(tmp_path, scenario({"name": "simulated", "options": {"forget": {"every": 100}}}))
    trial = assert_nothing_vanished(bundle, audit="broken")
    (invariant,) = bundle.result.audit.invariants
    lost = trial.counts.committed // 100
    assert invariant.detail.startswith(f"{lost} of {trial.counts.committed} acknowledged anchors are not on the ledger")
    sent = set(bundle.transactions(1)["tx_id"].to_pylist())
    named = [part.split()[-1] for part in invariant.detail.split(": ")[1].split("; ")]
    assert len(named) == min(3, lost)
    assert set(named) <= sent


def test_a_row_deleted_behind_the_nodes_back_is_named(tmp_path: Path):
    ledger = SqliteLedger()
    network = ledger.up(tmp_path / "ledger", {}, lambda _: None)
    adapter = SqliteAdapter()
    try:
        adapter.open(Endpoint(network.endpoint))
        adapter.prepare(Setup(WORKLOAD, {}, 4, 1200, 1))
        operations = [Operation("anchor", {"document": number.to_bytes(32, "big")}) for number in range(1200)]
        sent = [adapter.encode(operation, number % 4, 0) for number, operation in enumerate(operations)]
        assert adapter.submit(sent) == [ACCEPTED] * 1200
        acknowledged = [Acknowledged(one, tx.tx_id) for one, tx in zip(operations, sent, strict=True)]
        record = AuditInput({"anchor": {"finalized": 1200}}, 4, {}, acknowledged=acknowledged)
        assert [one.status for one in audit(adapter.state(), record)] == ["held"]
        (database,) = tmp_path.glob("ledger/**/ledger.sqlite")
        lost = (777).to_bytes(32, "big")
        with sqlite3.connect(database) as connection:
            assert connection.execute("DELETE FROM notary_anchors WHERE document = ?", (lost,)).rowcount == 1
        (found,) = audit(adapter.state(), record)
        assert found.status == "broken"
        assert found.detail == (
            "1 of 1200 acknowledged anchors are not on the ledger: "
            f"document {lost.hex()} of transaction {sent[777].tx_id.hex()}"
        )
        asked = adapter.encode(Operation("verify", {"document": lost}, Kind.READ), 0, 0)
        assert adapter.submit([asked]) == [ACCEPTED]
        assert adapter.state().read("verify", {"document": lost}) == 0
    finally:
        adapter.close()
        ledger.down(network)
