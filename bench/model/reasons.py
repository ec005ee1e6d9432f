"""How reasons of a verdict begin that others must tell apart. The rules themselves are in `bench.measure.verdict`."""

from __future__ import annotations

from bench.model.result import Verdict

STARTED_EMPTY = "goodput lacks its beginning: "
"""When measuring began, nothing could have become final yet."""
NOTHING_FINAL = "nothing became final: "


def lasting(verdict: Verdict) -> bool:
    """Whether something is wrong that every further trial of the same scenario would show again."""
    return any(reason.startswith((STARTED_EMPTY, NOTHING_FINAL)) for reason in verdict.reasons)


def only_began_empty(verdict: Verdict) -> bool:
    """Whether a trial is undecided for nothing but an empty start: goodput is a lower bound, and no more is wrong."""
    return verdict.status == "undecided" and all(reason.startswith(STARTED_EMPTY) for reason in verdict.reasons)


def tells_of_ledger(verdict: Verdict) -> bool:
    """Whether a trial that is undecided nevertheless tells how the ledger bore its load: it was sent in full."""
    return verdict.status == "undecided" and all(
        reason.startswith((STARTED_EMPTY, NOTHING_FINAL)) for reason in verdict.reasons
    )
