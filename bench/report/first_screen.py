"""What stands at the top of a report: coloured notices (can the figures be used?) and the large figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.measure.verdict import HARNESS_BOUND
from bench.model.result import Result
from bench.report import format as fmt
from bench.report.spread import Spread

_HARNESS_BOUND = re.compile(rf"^((?:trial \d+: )?){re.escape(HARNESS_BOUND)}")
_TONES = ("bad", "warn", "good")


@dataclass(frozen=True, slots=True)
class Banner:
    """A coloured notice. `tone` is good, warn or bad."""

    tone: str
    title: str
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One of the large figures at the top."""

    label: str
    big: str
    lines: tuple[str, ...]
    tone: str = ""


def figure_card(label: str, shown: Spread, *lines: str) -> Card:
    """A figure over the trials with its interval below it, if there is one."""
    interval = f"interval {shown.below}" if shown.below and shown.value is not None else shown.below
    return Card(label, shown.text, tuple(filter(None, (interval, *lines))))


def banners(result: Result, *more: Banner) -> tuple[Banner, ...]:
    """In the order of gravity; a good run has exactly one, which says so."""
    out = [*_verdict_banners(result, not more), *more]
    if result.partial or any(trial.partial for trial in result.trials):
        text = "The run ended before its plan did. What was recorded until then is below."
        out.append(Banner("warn", "Cut short.", text))
    broken = [item for item in result.audit.invariants if item.status == "broken"]
    if broken:
        text = "After the run the ledger's own state contradicts the record:"
        reasons = tuple(f"{fmt.words(item.name)}: {item.detail}" for item in broken)
        out.append(Banner("bad", "The book does not add up.", text, reasons))
    if result.trials and not all(trial.fresh_ledger for trial in result.trials):
        text = "It held data from before, so repeats are less independent of each other than on fresh ledgers."
        out.append(Banner("warn", "The ledger was not fresh.", text))
    return tuple(sorted(out, key=lambda banner: _TONES.index(banner.tone)))


def harness_bound(reason: str) -> bool:
    """Whether a reason blames our own load generator's limit."""
    return bool(_HARNESS_BOUND.match(reason))


def _verdict_banners(result: Result, nothing_else: bool) -> list[Banner]:
    verdict = result.summary.verdict
    reasons = tuple(dict.fromkeys(verdict.reasons))
    if verdict.status == "valid":
        text = "All checks of the measurement held, so the figures below can be used"
        text += "." if nothing_else else ", for what the notices above allow."
        return [Banner("good", "Valid.", text, reasons)]
    if verdict.status == "undecided":
        return [Banner("warn", "Undecided.", "Whether the measurement holds could not be decided:", reasons)]
    ours = tuple(_HARNESS_BOUND.sub(r"\1", reason) for reason in reasons if harness_bound(reason))
    others = tuple(reason for reason in reasons if not harness_bound(reason))
    out = []
    if ours:
        text = (
            "Our own load generator was the limit (harness-bound), so the figures say what it can do, not what the "
            "ledger can. To measure the ledger, use more workers, several transactions per request (a batch), a lower "
            "rate, or another machine for the load. What was seen:"
        )
        out.append(Banner("bad", "Not valid.", text, ours))
    if others or not ours:
        text = "The measurement broke a rule; do not use the figures below. What happened and what to do:"
        out.append(Banner("bad", "Not valid.", text, others or ("No reason was recorded.",)))
    return out
