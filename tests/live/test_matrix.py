"""Every candidate under every workload it carries, each a short real run: conservation, audit, finality, clean end.

A ledger that is registered is in the matrix by that alone. What a busy machine explains (the harness was late) may make
a run invalid; what the ledger or the adapter did may not.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import registry
from bench.bundle.reader import Bundle
from bench.measure.verdict import HARNESS_BOUND
from bench.model.ledger import SERVANT_ROLES, Network
from bench.model.reasons import STARTED_EMPTY
from bench.model.result import Trial
from tests.support.live import missing
from tests.support.matrix import Seen, answering, leftovers, now, still_running, watched
from tests.support.runs import assert_nothing_vanished, run_once

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]

NO_CANDIDATES = {"simulated", "null-evm", "null-socket"}
RATE, SECONDS = 20, 5
LEDGERS = [name for name in registry.names("ledgers") if name not in NO_CANDIDATES]
WORKLOADS = ("transfer", "notary", "smallbank")
CELLS = [
    (ledger, workload)
    for ledger in LEDGERS
    for workload in WORKLOADS
    if registry.ledger(ledger).info.family in registry.workload(workload).families
]
UNCOUNTED = {"no_money_created_or_lost"}
"""Invariants that a family may be unable to check; it then says "not checked", never "held"."""
CONFLICTING = {("fabric", "transfer"), ("fabric", "smallbank")}
"""Where two transactions of one block that touch one account cannot both be valid: execute, order, validate."""


def test_transfer_and_notary_are_in_the_matrix_for_every_candidate():
    gaps = {(ledger, workload) for ledger in LEDGERS for workload in WORKLOADS[:2]} - set(CELLS)
    assert gaps <= {("cometbft-kvstore", "transfer")}, "a gap is declared here and in the docs"
    assert ("sqlite", "smallbank") in CELLS


@pytest.fixture
def seen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    ledger = request.node.callspec.params["ledger"]
    stand_in, found = watched(ledger)
    if stand_in.installed() is None:
        missing(f"{ledger}; bench.py ledgers install {ledger}")
    monkeypatch.setattr(registry, "ledger", lambda _: stand_in)
    yield found
    if found.network is not None:
        stand_in.down(found.network)  # a test that failed half-way leaves nothing either


@pytest.mark.parametrize(("ledger", "workload"), CELLS, ids=lambda part: part)
def test_a_short_run(tmp_path: Path, seen: Seen, ledger: str, workload: str):
    began = now()
    bundle = run_once(
        tmp_path,
        {
            "workload": workload,
            "ledgers": [ledger],
            "arrival": {"process": "constant", "rate": RATE},
            "phases": {"duration": f"{SECONDS}s", "warm_up": "1s", "drain": "60s"},
            "load": {"accounts": 20},
        },
    )
    trial = assert_nothing_vanished(bundle)
    assert_all_was_executed(trial, ledger, workload)
    assert_audited(bundle)
    assert_valid_but_for_the_machine(bundle)
    assert seen.network is not None
    assert_finality(bundle, seen.network)
    assert_declared(bundle, seen.network)
    assert_own_metrics(seen)
    assert_clean_end(seen, seen.network, began)


def assert_all_was_executed(trial: Trial, ledger: str, workload: str) -> None:
    """At a rate far below every candidate's limit nothing is refused, lost or failed but what the workload intends."""
    counts, errors = trial.counts, trial.errors
    conflicts = errors["conflict"].count if "conflict" in errors and (ledger, workload) in CONFLICTING else 0
    assert counts.planned + trial.reads.issued + trial.reads.dropped == RATE * SECONDS
    assert counts.rejected == counts.unresolved == 0, errors
    assert counts.failed - conflicts == counts.failed_expected, errors
    assert conflicts <= counts.planned // 4, errors
    if workload != "smallbank":
        assert counts.failed_expected == 0, errors
    assert counts.dropped <= counts.planned // 10, errors  # a stalled worker; the rest must be complete
    assert counts.finalized + counts.failed == counts.submitted
    assert trial.reads.answered >= 0.9 * trial.reads.issued, errors


def assert_audited(bundle: Bundle) -> None:
    """The ledger's own book agrees."""
    invariants = {one.name: one for one in bundle.result.audit.invariants}
    assert len(invariants) >= 1
    for name, one in invariants.items():
        assert one.status == "held" or (name in UNCOUNTED and one.status == "not checked"), one


def assert_valid_but_for_the_machine(bundle: Bundle) -> None:
    """Everything that makes a run invalid or undecided is a defect, but that the harness was too slow here, and that
    some ledgers need longer for finality than these few seconds.
    """
    verdict = bundle.result.trials[0].verdict
    allowed = (HARNESS_BOUND, "worker CPU was not", STARTED_EMPTY)
    assert [reason for reason in verdict.reasons if not reason.startswith(allowed)] == []


def assert_finality(bundle: Bundle, network: Network) -> None:
    """The bundle says what the network declared, and the stamps mean it: final with the k-th block that follows."""
    declared = bundle.result.ledger.finality
    assert (declared.name, declared.confirmations) == (network.finality.name, network.finality.confirmations)
    blocks = bundle.blocks(1)
    arrival = {
        height: at
        for height, at, orphaned in zip(
            blocks["height"].to_pylist(),
            blocks["observed_at_ns"].to_pylist(),
            blocks["orphaned"].to_pylist(),
            strict=True,
        )
        if not orphaned
    }
    expected: dict[int, set[int]] = {}
    for height, at in arrival.items():
        if height + declared.confirmations in arrival:
            expected.setdefault(at, set()).add(arrival[height + declared.confirmations])
    rows = bundle.transactions(1).to_pylist()
    final = [row for row in rows if row["kind"] == "write" and row["finalized_at_ns"] is not None]
    assert len(final) >= 0.5 * RATE * SECONDS
    for row in final:
        assert row["submitted_at_ns"] < row["committed_at_ns"] <= row["finalized_at_ns"]
        assert row["finalized_at_ns"] in expected[row["committed_at_ns"]], row


def assert_declared(bundle: Bundle, network: Network) -> None:
    """The network as it ran is in the bundle: nodes with addresses and roles, links, flags, version, class."""
    ledger = bundle.result.ledger
    assert [(node.name, node.role, node.address) for node in ledger.network] == [
        (node.name, node.role, node.address) for node in network.nodes
    ]
    assert len({node.name for node in network.nodes}) == len(network.nodes)
    assert sum(node.role not in SERVANT_ROLES for node in network.nodes) == ledger.nodes
    assert len(ledger.links) == len(network.links)
    assert {end for link in network.links for end in (link.one, link.other)} <= {node.name for node in network.nodes}
    assert ledger.flags == list(network.flags)
    assert ledger.version == network.version
    assert ledger.ledger_class.durability == network.ledger_class.durability
    ours = {part.process for part in bundle.result.trials[0].resources if part.role == "ledger"}
    assert ours == {node.name for node in network.nodes if node.pid is not None}


def assert_own_metrics(seen: Seen) -> None:
    """A page that a node declares is there and is one of Prometheus."""
    assert seen.network is not None
    declared = {node.name for node in seen.network.nodes if node.metrics_url is not None}
    assert set(seen.metrics) == declared
    for name, text in seen.metrics.items():
        assert any(line and not line.startswith("#") for line in text.splitlines()), name
        assert "# TYPE " in text, name


def assert_clean_end(seen: Seen, network: Network, began: float) -> None:
    """Whoever was started has ended, nobody listens, nothing lies about."""
    assert seen.downs == 1
    assert still_running(seen.processes) == []
    assert answering(network) == []
    assert leftovers(began) == []
    kept = [node.data_directory for node in network.nodes if node.data_directory and node.data_directory.exists()]
    assert kept == []
