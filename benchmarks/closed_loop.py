"""A closed loop over one adapter in a process like a worker's: gevent, many lanes, transactions encoded beforehand.

`python -m benchmarks.closed_loop` takes `Orders` as JSON on standard input and prints accepted, refused, seconds and
cpu_s as JSON. Used by the `*_goodput` commands of the SQL and etcd families. It measures an adapter and its ledger, not
the engine above: pacing, recording and the observer are in `benchmarks/load_path.py`.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import gc
import json
import random
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gevent

from bench import registry
from bench.adapters.protocol import Adapter, Endpoint, Fixture, Setup
from bench.model.ledger import Network
from bench.model.operation import Account, Operation
from bench.model.transaction import ACCEPTED, Transaction

ACCOUNTS = 200
ENCODED_PER_S = 8_000


@dataclass(frozen=True, slots=True)
class Orders:
    """What the loop does: `lanes` requests of `batch` transactions at a time, for `seconds`."""

    adapter: str
    url: str
    options: Mapping[str, Any]
    fixture: Mapping[str, Any]
    operation: str
    lanes: int
    batch: int
    seconds: float

    def text(self) -> str:
        """For the process's standard input."""
        return json.dumps(asdict(self))


def prepared(network: Network, workload_name: str) -> dict[str, Any]:
    """The fixture of a fresh ledger, as JSON."""
    workload = registry.workload(workload_name)
    adapter = registry.adapter(network.adapter)
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    try:
        return asdict(adapter.prepare(Setup(workload, workload.defaults, ACCOUNTS, 1_000_000, 1)))
    finally:
        adapter.close()


def main() -> None:
    """Encode, send until the time is over, report."""
    orders = Orders(**json.load(sys.stdin))
    adapter = registry.adapter(orders.adapter)
    adapter.open(Endpoint(orders.url, options=orders.options), Fixture(**orders.fixture))
    transactions = encoded(adapter, orders)
    gc.collect()
    gc.disable()
    done: dict[bool, int] = {True: 0, False: 0}
    begin = time.monotonic()
    used = _cpu_s()
    deadline = begin + orders.seconds

    def lane() -> None:
        while time.monotonic() < deadline and transactions:
            batch = [transactions.pop() for _ in range(min(orders.batch, len(transactions)))]
            for reply in adapter.submit(batch):
                done[reply is ACCEPTED or reply == ACCEPTED] += 1

    gevent.joinall([gevent.spawn(lane) for _ in range(orders.lanes)], raise_error=True)
    seconds = time.monotonic() - begin
    print(json.dumps({"accepted": done[True], "refused": done[False], "seconds": seconds, "cpu_s": _cpu_s() - used}))
    adapter.close()


def encoded(adapter: Adapter, orders: Orders) -> list[Transaction]:
    """More than can be sent."""
    draw = random.Random(time.time_ns())
    count = int(orders.seconds * ENCODED_PER_S * (3 if orders.batch > 1 else 1))
    return [adapter.encode(_operation(orders.operation, draw), number % ACCOUNTS, 0) for number in range(count)]


def _operation(name: str, draw: random.Random) -> Operation:
    if name == "anchor":
        return Operation("anchor", {"document": draw.randbytes(32)})
    return Operation("transfer", {"to": Account(draw.randrange(ACCOUNTS)), "amount": 1})


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
