"""What happened during a run and when: one line of `events.jsonl` each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class Event:
    """`event` is a snake_case word ("phase_started", "worker_died", "alert"); `at` is UTC in ISO 8601, an anchor only.

    `trial` is 0 for what belongs to the whole run; `at_ns` counts from the trial's start signal, None outside it.
    """

    event: str
    at: str
    trial: int = 0
    at_ns: int | None = None
    detail: str = ""
    data: Mapping[str, Scalar] = field(default_factory=dict)
