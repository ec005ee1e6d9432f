"""Which statements on pairs stand where. Two candidates need one column; nine make 36 pairs, most of them not to be
compared at all: those inside a class come first, the rest is folded away, and equal grounds are said once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import format as fmt
from bench.report.classes import Class
from bench.report.judgement import PairVerdict


@dataclass(frozen=True, slots=True)
class Pairs:
    """`undecided` says how many are left out of `within` and `across` because nothing is decided; `grounds` say why,
    one line for each different one where there are several.
    """

    within: tuple[PairVerdict, ...]
    across: tuple[PairVerdict, ...]
    undecided: str
    grounds: tuple[str, ...]


def sorted_pairs(verdicts: Sequence[PairVerdict], classes: Sequence[Class]) -> Pairs:
    """Decided ones one by one, undecided ones as counts by their grounds."""
    home = {label: one.name for one in classes for label in one.members}
    decided = [verdict for verdict in verdicts if verdict.decided]
    within = tuple(verdict for verdict in decided if home[verdict.first] == home[verdict.second])
    across = tuple(verdict for verdict in decided if home[verdict.first] != home[verdict.second])
    return Pairs(within, across, *_undecided([verdict for verdict in verdicts if not verdict.decided], len(verdicts)))


def _undecided(verdicts: Sequence[PairVerdict], total: int) -> tuple[str, tuple[str, ...]]:
    if not verdicts:
        return "", ()
    plain: dict[str, list[str]] = {}
    for verdict in verdicts:
        pair = f"{verdict.first} and {verdict.second}, {verdict.metric.name}"
        plain.setdefault(_short(verdict.grounds), []).append(pair)
    if len(plain) == 1:
        (grounds,) = plain
        return f"{_of(len(verdicts), total)} undecided: {grounds}.", ()
    lines = (f"{fmt.count(len(pairs))}: {grounds}{_named(pairs)}" for grounds, pairs in plain.items())
    return f"{_of(len(verdicts), total)} undecided.", tuple(lines)


def _short(grounds: str) -> str:
    """Intervals are each pair's own; why they decide nothing is not."""
    return grounds.split("; ")[0] if grounds.startswith("the ") and "; " in grounds else grounds


def _of(some: int, total: int) -> str:
    if some == total:
        return f"All {fmt.counted(total, 'comparison')} of pairs are"
    return f"{fmt.count(some)} of {fmt.counted(total, 'comparison')} of pairs {'is' if some == 1 else 'are'}"


def _named(pairs: Sequence[str]) -> str:
    return f" ({'; '.join(pairs)})" if len(pairs) <= 3 else ""
