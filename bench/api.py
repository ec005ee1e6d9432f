"""The public door: all that workloads, adapters, ledgers and monitors of third parties need, and nothing else.

`LedgerUser` and `task` pull in Locust (which patches the process for gevent unless LOCUST_SKIP_MONKEY_PATCH is set), so
they are resolved on first use only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.adapters.protocol import (
    Adapter,
    Auditable,
    Endpoint,
    Fixture,
    JsonValue,
    Queryable,
    Sequenced,
    Setup,
)
from bench.ledgers.protocol import Ledger, LedgerInfo, Progress
from bench.model.errors import BenchError, ConfigurationError, LedgerError
from bench.model.ledger import (
    CryptoSuite,
    Durability,
    FaultModel,
    Finality,
    LedgerClass,
    Link,
    Network,
    Node,
    Sequencing,
)
from bench.model.operation import Account, Kind, Operation
from bench.model.procedure import Database, Procedure, Refused
from bench.model.transaction import (
    ACCEPTED,
    Accepted,
    Blind,
    Block,
    CommitEvent,
    ErrorClass,
    Orphaned,
    Refusal,
    Reply,
    Settled,
    Transaction,
    Unanswered,
)
from bench.model.workload import Acknowledged, AuditInput, Invariant, OperationInfo, Parameter, StateReader, Workload

if TYPE_CHECKING:
    from bench.load.user import LedgerUser as LedgerUser
    from bench.load.user import task as task

_LAZY = {"LedgerUser": "bench.load.user", "task": "bench.load.user"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ACCEPTED",
    "Accepted",
    "Account",
    "Acknowledged",
    "Adapter",
    "AuditInput",
    "Auditable",
    "BenchError",
    "Blind",
    "Block",
    "CommitEvent",
    "ConfigurationError",
    "CryptoSuite",
    "Database",
    "Durability",
    "Endpoint",
    "ErrorClass",
    "FaultModel",
    "Finality",
    "Fixture",
    "Invariant",
    "JsonValue",
    "Kind",
    "Ledger",
    "LedgerClass",
    "LedgerError",
    "LedgerInfo",
    "LedgerUser",
    "Link",
    "Network",
    "Node",
    "Operation",
    "OperationInfo",
    "Orphaned",
    "Parameter",
    "Procedure",
    "Progress",
    "Queryable",
    "Refusal",
    "Refused",
    "Reply",
    "Sequenced",
    "Sequencing",
    "Settled",
    "Setup",
    "StateReader",
    "Transaction",
    "Unanswered",
    "Workload",
    "task",
]
