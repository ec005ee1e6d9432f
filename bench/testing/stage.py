"""One prepared ledger for a test: adapters opened the way the harness does it, sequence numbers kept count of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from bench.adapters.protocol import Adapter, Endpoint, Fixture, Setup
from bench.model.ledger import Sequencing
from bench.model.operation import Operation
from bench.model.transaction import Transaction
from bench.testing.follower import Follower


@dataclass
class Stage:
    """`adapter` prepared the ledger and gave `fixture`. Everything opened or started here is closed by `close`."""

    factory: Callable[[], Adapter]
    endpoint: Endpoint
    setup: Setup
    patience_s: float
    adapter: Adapter = field(init=False)
    fixture: Fixture = field(init=False)
    _sequences: list[int] = field(init=False)
    _adapters: list[Adapter] = field(default_factory=list)
    _followers: list[Follower] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adapter = self.factory()
        self._adapters.append(self.adapter)
        self.adapter.open(self.endpoint)
        self.fixture = self.adapter.prepare(self.setup)
        self._sequences = list(self.fixture.sequences) or [0] * self.fixture.accounts

    @property
    def sequenced(self) -> bool:
        """Whether the ledger has gapless account sequences."""
        return self.adapter.sequencing is Sequencing.ACCOUNT

    def open(self, endpoint: Endpoint | None = None) -> Adapter:
        """A fresh adapter as a worker or observer gets it: with the fixture, which has been through JSON."""
        adapter = self.factory()
        self._adapters.append(adapter)
        adapter.open(endpoint or self.endpoint, through_json(self.fixture))
        return adapter

    def next_sequence(self, sender: int) -> int:
        """The next number `encode` takes for the sender."""
        return self._sequences[sender]

    def encode(self, operations: Sequence[Operation], sender: int = 0) -> list[Transaction]:
        """Encode for one sender, each under the next sequence number (0 on ledgers without)."""
        encoded = []
        for operation in operations:
            encoded.append(self.adapter.encode(operation, sender, self._sequences[sender]))
            self._sequences[sender] += self.sequenced
        return encoded

    def follow(self, after: int | None = None) -> Follower:
        """A follower on an adapter of its own."""
        follower = Follower(self.open(), after, self.patience_s)
        self._followers.append(follower)
        return follower

    def close(self) -> None:
        """Stop followers, then close adapters; raises what a follower raised."""
        try:
            for follower in self._followers:
                follower.stop()
        finally:
            for adapter in self._adapters:
                adapter.close()


def through_json(fixture: Fixture) -> Fixture:
    """The fixture as another process gets it."""
    return Fixture(**json.loads(json.dumps(asdict(fixture))))
