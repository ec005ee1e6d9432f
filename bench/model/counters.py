"""What one worker counts while a trial runs: cumulative, so that a lost report is healed by the next one.

Live figures only. What a bundle says is counted again from every row; both agree when a trial has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Buckets:
    """`counts[i]` values lie above bound i-1 and at or below bound i; the last count has no upper bound."""

    counts: list[int] = field(default_factory=list)
    sum_ns: int = 0

    @property
    def total(self) -> int:
        """How many values."""
        return sum(self.counts)


@dataclass(slots=True)
class BlockCounters:
    """What a host's observer saw since the start signal. `ordinal` and `height` are the last block's, -1: none yet.
    `gas` and `size_bytes` are of the blocks that told; `tells_gas`, `tells_size` say whether any did.
    """

    heard: int = 0
    empty: int = 0
    orphaned: int = 0
    transactions: int = 0
    gas: int = 0
    size_bytes: int = 0
    tells_gas: bool = False
    tells_size: bool = False
    ordinal: int = -1
    height: int = -1
    age_ns: int = 0  # since the last block was heard; counted on the worker's own host
    interval: Buckets = field(default_factory=Buckets)


@dataclass(slots=True)
class Counters:
    """Cumulative unless the last group says otherwise. Lists have one entry per operation of the workload, in its
    order; counts are of writes unless they say otherwise.

    `incarnation` names one life of one worker, `sequence` numbers its reports from 1, `final` marks the last one.
    `accepted` leaves out what was not answered until a block or the end of the trial has told. `committed` and
    `finalized` are valid writes only; a block that leaves the chain takes its `committed` and `failed` back.
    `dropped` is by `ErrorClass` value, of writes; `errors` likewise, of everything that ended as an error, reads too.
    """

    incarnation: str = ""
    sequence: int = 0
    final: bool = False
    planned: list[int] = field(default_factory=list)
    submitted: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    finalized: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    failed_expected: list[int] = field(default_factory=list)
    reads_issued: list[int] = field(default_factory=list)
    reads_answered: list[int] = field(default_factory=list)
    reads_failed: list[int] = field(default_factory=list)
    dropped: dict[int, int] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)
    examples: dict[int, list[str]] = field(default_factory=dict)
    unresolved: int = 0
    fillers: int = 0
    sent_bytes: int = 0  # payloads of everything sent: writes, reads, fillers, and whatever was sent again
    included: int = 0  # transactions of ours found in blocks, fillers too
    over_objective: int = 0  # valid writes that became final later than the scenario's objective
    submit_lag: Buckets = field(default_factory=Buckets)  # of writes and reads
    accept: Buckets = field(default_factory=Buckets)
    commit: Buckets = field(default_factory=Buckets)
    finality: list[Buckets] = field(default_factory=list)
    reads: list[Buckets] = field(default_factory=list)
    blocks: BlockCounters | None = None  # from the worker that owns its host's observer
    # as it is now
    last_block: int = -1  # ordinal of the last block this worker was handed
    in_flight: int = 0
    buffered: int = 0
    lanes: int = 0
    # most since the last report
    submit_lag_max_ns: int = 0
    loop_lag_ns: int = 0
    observer_delay_ns: int = 0
    observer_age_ns: int = 0  # since the observer was heard, at the time of the report

    def to_wire(self) -> dict[str, Any]:
        """As `dataclasses.asdict`, without copying every number: that takes a millisecond in which nothing is sent."""
        wire: dict[str, Any] = {name: getattr(self, name) for name in Counters.__slots__}
        for name in ("submit_lag", "accept", "commit"):
            wire[name] = _buckets(wire[name])
        for name in ("finality", "reads"):
            wire[name] = [_buckets(each) for each in wire[name]]
        for name in ("dropped", "errors", "examples"):
            wire[name] = dict(wire[name])
        if self.blocks is not None:
            blocks = {name: getattr(self.blocks, name) for name in BlockCounters.__slots__}
            wire["blocks"] = {**blocks, "interval": _buckets(self.blocks.interval)}
        return wire

    @staticmethod
    def from_wire(data: Mapping[str, Any]) -> Counters:
        """The inverse of `to_wire`, also after JSON, which turns the keys of mappings into text."""
        known = {name: data[name] for name in Counters.__slots__}
        for name in ("submit_lag", "accept", "commit"):
            known[name] = Buckets(**data[name])
        for name in ("finality", "reads"):
            known[name] = [Buckets(**each) for each in data[name]]
        for name in ("dropped", "errors", "examples"):
            known[name] = {int(code): value for code, value in data[name].items()}
        if (blocks := data["blocks"]) is not None:
            known["blocks"] = BlockCounters(**{**blocks, "interval": Buckets(**blocks["interval"])})
        return Counters(**known)


def _buckets(buckets: Buckets) -> dict[str, Any]:
    return {"counts": buckets.counts, "sum_ns": buckets.sum_ns}
