"""`smallbank`: the H-Store SmallBank mix, the usual yardstick for ledgers with application logic.

Source: Alomari et al., "The Cost of Serializability on Platforms That Use Snapshot Isolation" (ICDE 2008), with
H-Store's
weights 15/15/15/25/15/15. Deviation: a payment or withdrawal beyond the balance is refused by the contract, so that a
refusal is visible as an outcome.
"""

from pathlib import Path

from bench.api import Kind, OperationInfo, Workload
from workloads.smallbank.audit import audit

WORKLOAD = Workload(
    name="smallbank",
    summary="Six banking operations on checking and savings accounts; 15 % reads, business refusals possible.",
    user="workloads.smallbank.locustfile:SmallBankUser",
    directory=Path(__file__).parent,
    operations=(
        OperationInfo("amalgamate", Kind.WRITE, 15, "move all of one customer's money to another's checking account"),
        OperationInfo("balance", Kind.READ, 15, "read a customer's checking plus savings"),
        OperationInfo("deposit_checking", Kind.WRITE, 15, "add to checking"),
        OperationInfo("send_payment", Kind.WRITE, 25, "move from one checking account to another"),
        OperationInfo("transact_savings", Kind.WRITE, 15, "add to savings"),
        OperationInfo("write_check", Kind.WRITE, 15, "take from checking; a penalty applies below zero"),
    ),
    families=frozenset({"cometbft", "evm", "fabric", "sql"}),
    defaults={"customers": 1000, "initial_checking": 10_000, "initial_savings": 10_000},
    audit=audit,
)
