"""Scripted ledgers with a known limit, one drawn anew for each search."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.ledgers.simulated_options import Collapse, SimulatedOptions, Variation

LOWEST_PER_S, HIGHEST_PER_S = 15.0, 45.0
"""Between these the limits lie: small, because what a search costs in virtual time is its transactions."""


@dataclass(frozen=True, slots=True)
class Model:
    """One ledger. `true_per_s` is the load it can bear for good; `options` make it, but for the seed of each trial."""

    options: SimulatedOptions
    true_per_s: float


def _constant(draw: random.Random) -> Model:
    rate = draw.uniform(LOWEST_PER_S, HIGHEST_PER_S)
    return Model(SimulatedOptions(service_rate_per_s=rate, block_interval_ms=500), rate)


def _block_capped(draw: random.Random) -> Model:
    """Whole transactions per block, blocks of half a second to two."""
    interval_s = draw.choice((0.5, 1.0, 2.0))
    capacity = draw.randint(round(LOWEST_PER_S * interval_s), round(HIGHEST_PER_S * interval_s))
    return Model(SimulatedOptions(block_capacity=capacity, block_interval_ms=interval_s * 1000), capacity / interval_s)


def _collapsing(draw: random.Random) -> Model:
    """Below the limit hardly anything waits; once two seconds of work do, the rate falls to 60 %."""
    rate = draw.uniform(LOWEST_PER_S, HIGHEST_PER_S)
    collapse = Collapse(above=round(2 * rate), factor=0.6)
    return Model(SimulatedOptions(service_rate_per_s=rate, block_interval_ms=500, collapse=collapse), rate)


def _noisy(draw: random.Random) -> Model:
    """The rate wanders by 10 % from second to second, and neighbouring seconds are alike."""
    rate = draw.uniform(LOWEST_PER_S, HIGHEST_PER_S)
    variation = Variation(sigma=0.1, every_s=1.0, memory=0.5)
    return Model(SimulatedOptions(service_rate_per_s=rate, block_interval_ms=500, service_variation=variation), rate)


MODELS: dict[str, Callable[[random.Random], Model]] = {
    "constant": _constant,
    "block-capped": _block_capped,
    "collapsing": _collapsing,
    "noisy": _noisy,
}


def drawn(name: str, seed: int) -> Model:
    """The ledger of search `seed` on model `name`."""
    return MODELS[name](random.Random(f"{name}/{seed}"))
