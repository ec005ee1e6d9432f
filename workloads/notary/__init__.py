"""`notary`: anchor the hash of a document, verify one; public data and court evidence, and what every family can carry.

The content stays outside: a ledger keeps 32 bytes, who brought them first and when. What decides is that appends go on
at a steady pace and that *acknowledged means durable*: the audit asks for every acknowledged document, one by one.
"""

from pathlib import Path

from bench.api import Kind, OperationInfo, Workload
from workloads.notary.audit import audit

WORKLOAD = Workload(
    name="notary",
    summary="Anchor a document's hash (70 %) or verify one (30 %); every acknowledged anchor is looked up afterwards.",
    user="workloads.notary.locustfile:NotaryUser",
    directory=Path(__file__).parent,
    operations=(
        OperationInfo("anchor", Kind.WRITE, 70, "store the first anchor of `document`: who brought it, and when"),
        OperationInfo("verify", Kind.READ, 30, "whether `document` is anchored: 0, or when it was"),
    ),
    families=frozenset({"cometbft", "cometbft-kvstore", "etcd", "evm", "fabric", "simulated", "sql", "utxo"}),
    audit=audit,
)
