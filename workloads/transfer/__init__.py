"""`transfer`: one account pays another; the smallest write every family can express."""

from pathlib import Path

from bench.api import Kind, OperationInfo, Workload
from workloads.transfer.audit import audit

WORKLOAD = Workload(
    name="transfer",
    summary="One account pays another, uniformly at random; no contract, no contention to speak of.",
    user="workloads.transfer.locustfile:TransferUser",
    directory=Path(__file__).parent,
    operations=(OperationInfo("transfer", Kind.WRITE, 1.0, "move `amount` from the sender to another account"),),
    families=frozenset({"cometbft", "etcd", "evm", "fabric", "simulated", "sql", "utxo"}),
    defaults={"amount": 1},
    audit=audit,
)
