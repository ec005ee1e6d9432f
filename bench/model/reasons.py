"""How reasons of a verdict begin that others must tell apart. The rules themselves are in `bench.measure.verdict`."""

from __future__ import annotations

from bench.model.result import Verdict

STARTED_EMPTY = "goodput lacks its beginning: "
"""When measuring began, nothing could have become final yet."""
NOTHING_FINAL = "nothing became final: "
ALL_REFUSED = f"{NOTHING_FINAL}the node refused all "
"""A key, a quota or an account may be why, so no load is shown to be too much."""


def lasting(verdict: Verdict) -> bool:
    """Whether something is wrong that every further trial of the same scenario would show again."""
    return any(reason.startswith((STARTED_EMPTY, NOTHING_FINAL)) for reason in verdict.reasons)


def only_began_empty(verdict: Verdict) -> bool:
    """Whether a trial is undecided for nothing but an empty start: goodput is a lower bound, and no more is wrong."""
    return verdict.status == "undecided" and all(reason.startswith(STARTED_EMPTY) for reason in verdict.reasons)


def tells_of_ledger(verdict: Verdict) -> bool:
    """Whether a trial that is undecided nevertheless tells how the ledger bore its load: it was sent in full, and not
    refused in full.
    """
    return verdict.status == "undecided" and all(
        reason.startswith((STARTED_EMPTY, NOTHING_FINAL)) and not reason.startswith(ALL_REFUSED)
        for reason in verdict.reasons
    )


def nothing_final(verdict: Verdict) -> bool:
    """Whether nothing became final, so that this trial alone cannot tell a dead ledger from a set-up that is wrong."""
    return any(reason.startswith(NOTHING_FINAL) for reason in verdict.reasons)
