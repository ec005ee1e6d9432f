"""`deposit`: SmallBank's contract and one call of it, so that several load generators can be given the same work."""

from pathlib import Path

import workloads.smallbank
from bench.api import Kind, OperationInfo, Workload

WORKLOAD = Workload(
    name="deposit",
    summary="depositChecking by customers in turn: one existing slot rewritten per transaction.",
    user="deposit_workload.user:DepositUser",
    directory=Path(workloads.smallbank.__file__).parent,
    operations=(OperationInfo("deposit_checking", Kind.WRITE, 1, "add to checking"),),
    families=frozenset({"evm"}),
    defaults={"customers": 1000, "initial_checking": 10_000, "initial_savings": 10_000},
)
