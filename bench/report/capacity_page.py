"""What the report of a capacity search says, in words and rows: an interval, how sure it is, and every attempt.

The search varies the load, so its trials must not be mixed. `focus` keeps those that confirmed the result, and the
ordinary sections of the page are made of these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.measure.trials import summarise_trials
from bench.model.result import Capacity, CapacityAttempt, Result, ScalabilityFit, full_length_rates
from bench.report import capacity_charts
from bench.report import format as fmt
from bench.report.figure import Chart
from bench.report.first_screen import Banner, Card, figure_card
from bench.report.spread import of_interval

KINDS = {"probe": "probe", "confirm": "confirmation", "curve": "for the curve"}
_SLO = {"finality_p99_ms": "99 of 100 transactions final within {}"}
_ENDED = {
    "converged": "The search ended because its interval was narrow enough.",
    "budget": "The search ended because its time was used up; with a larger budget the interval can become narrower.",
    "harness-bound": "The search ended because our own load generator on this machine can send no more. The ledger may "
    "carry more than what is stated; use more workers, batches, or another machine for the load.",
    "interrupted": "The search was stopped before its end; the same command takes it up again.",
    "nothing-passed": "The search ended because not even the lowest load it tried was carried.",
    "undecided": "The search ended because at several loads in a row nothing became final in time, so a ledger that "
    "carries nothing cannot be told from a set-up that cannot work; the remarks say what to check.",
    "failed": "The search ended because the ledger or the harness failed; the reason is with the last attempt.",
}


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt as it stands in the table; every text is finished."""

    number: int
    trial: str
    kind: str
    offered: str
    goodput: str
    served: str
    p50: str
    p99: str
    growth: str
    duration: str
    outcome: str
    tone: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """Latency at a share of the result."""

    share: str
    offered: str
    p50: str
    p99: str


@dataclass(frozen=True, slots=True)
class CapacityPage:
    """Everything the capacity section prints."""

    sentence: str
    sureness: str
    ended: str
    demand: str
    charts: tuple[Chart, ...]
    attempts: tuple[AttemptRow, ...]
    shares: tuple[ShareRow, ...]
    fit_rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    shown_note: str


def focus(result: Result) -> Result:
    """The result with only the trials that stand for its capacity: those that confirmed `low_per_s`.

    Where none confirmed it, the trials that passed at that load; where nothing passed, none. A result without a
    capacity is returned as it is. The verdict stays that of the result, unless that summed up no trial at all.
    """
    if result.capacity is None:
        return result
    numbers = _confirming(result.capacity)
    trials = [trial for trial in result.trials if trial.trial in numbers]
    summary = summarise_trials(trials)
    if result.summary.goodput_per_s.trials or not trials:
        summary = summary.model_copy(update={"verdict": result.summary.verdict})
    return result.model_copy(update={"trials": trials, "summary": summary})


def capacity_page(whole: Result, focused: Result) -> CapacityPage | None:
    """The section, with its charts drawn; None for a run that searched nothing."""
    capacity = whole.capacity
    if capacity is None:
        return None
    return CapacityPage(
        sentence=sentence(whole),
        sureness=sureness(capacity),
        ended=_ENDED[capacity.ended],
        demand=demand(capacity),
        charts=capacity_charts.draw(capacity) if capacity.attempts else (),
        attempts=tuple(_attempt_row(number, attempt) for number, attempt in enumerate(capacity.attempts, 1)),
        shares=_share_rows(capacity),
        fit_rows=_fit_rows(capacity.fit) if capacity.fit else (),
        notes=tuple(capacity.notes),
        shown_note=_shown_note(capacity, len(focused.trials)),
    )


def sentence(result: Result) -> str:
    """The result in one sentence for somebody who buys."""
    capacity = result.capacity
    if capacity is None:
        return ""
    low, high = capacity.low_per_s, capacity.high_per_s
    work = f"transactions per second of the workload {result.workload}"
    if low is None:
        tried = [attempt.offered_per_s for attempt in capacity.attempts]
        lowest = f"; the lowest was {fmt.rate(min(tried))}" if tried else ""
        if capacity.ended == "undecided":
            return f"What this ledger carries could not be told: nothing became final in time ({work}{lowest})."
        return f"This ledger carried none of the loads that were tried ({work}{lowest})."
    if high is None:
        failed = any(one.offered_per_s > low and not one.passed and not one.harness_bound for one in capacity.attempts)
        above = "failed so clearly that it cannot be chance" if failed else "failed"
        return f"This ledger carried at least {fmt.number(low)} {work}; no higher load that was tried {above}."
    return (
        f"This ledger carried between {fmt.number(low)} and {fmt.number(high)} {work}: "
        f"{fmt.number(low)} it kept up with, {fmt.number(high)} it did not."
    )


def sureness(capacity: Capacity) -> str:
    """How often the lower end was confirmed, and what that says about the next time."""
    rate = confirmed_rate(capacity)
    if rate is None:
        return ""
    trials = capacity.confirmed_trials
    if not trials:
        return f"{fmt.rate(rate)} was not confirmed in trials of full length: a first indication only."
    length = "shortened" if capacity.estimate else "full-length"
    passes = f"{fmt.count(capacity.confirmed_passes)} of {fmt.counted(trials, f'{length} trial')}"
    words = f"{passes} at {fmt.rate(rate)} passed."
    if capacity.pass_probability_low is None:
        return words
    share = fmt.percent(capacity.pass_probability_low, 1)
    rates = full_length_rates(capacity.attempts)
    allowed = f" {fmt.count(rates)} rates were tried at full length, which is allowed for." if rates > 1 else ""
    return (
        f"{words} That alone shows that the next trial passes with a chance of at least {share} (95 % confidence)."
        f"{allowed}"
    )


def confirmations(capacity: Capacity) -> str:
    """How many trials of full length passed, in few words."""
    if not capacity.confirmed_trials:
        return "not confirmed"
    return f"{capacity.confirmed_passes} of {fmt.counted(capacity.confirmed_trials, 'confirmation')} passed"


def demand(capacity: Capacity) -> str:
    """What a load had to fulfil to count as carried."""
    slo = fmt.listed([_slo_words(key, value) for key, value in capacity.slo.items()])
    return (
        "A load counts as carried when at least 99 % of it came through, valid and final (expected refusals included), "
        "the transactions under way did not pile up, the measurement is valid"
        + (f", and the demand was met: {slo}." if slo else ".")
    )


def cards(result: Result, ordinary: tuple[Card, ...]) -> tuple[Card, ...]:
    """The large figures of a capacity search; `ordinary` are those of the trials that confirmed it, or none."""
    capacity = result.capacity
    if capacity is None:
        return ordinary
    low, high, rate = capacity.low_per_s, capacity.high_per_s, confirmed_rate(capacity)
    tries = fmt.counted(len(capacity.attempts), "attempt")
    if low is None or rate is None:
        return (Card("Highest sustainable load", "none found", (tries,), "fault"),)
    big = fmt.span(low, high, "rate") if high is not None else f"≥{fmt.NBSP}{fmt.rate(low)}"
    estimate = ("an estimate",) if capacity.estimate else ()
    return (
        Card("Highest sustainable load", big, (*estimate, f"{confirmations(capacity)}, {tries} in all")),
        figure_card(f"Came through at {fmt.rate(rate)}", of_interval(result.summary.goodput_per_s, "rate")),
        *(replace(card, label=f"{card.label}, at {fmt.rate(rate)}") for card in ordinary[2:]),
    )


def banners(capacity: Capacity | None) -> tuple[Banner, ...]:
    """What a reader must know before using the interval."""
    if capacity is None:
        return ()
    out = []
    if capacity.estimate:
        short = "The trials were shorter than a result needs" if capacity.confirmed_trials else "Only probes were made"
        text = f"{short}. Do not quote it as a result; repeat the search in full length."
        out.append(Banner("warn", "An estimate.", text))
    if capacity.ended in ("budget", "harness-bound", "interrupted", "undecided", "failed"):
        out.append(Banner("warn", "The search is not complete.", _ENDED[capacity.ended]))
    return tuple(out)


def confirmed_rate(capacity: Capacity) -> float | None:
    """The load that the trials behind `low_per_s` were offered: that, or a little more, because a trial passes with up
    to 1 % of its load unserved and only what is shown is stated.
    """
    low = capacity.low_per_s
    rates = [attempt.offered_per_s for attempt in capacity.attempts if attempt.passed and attempt.kind != "curve"]
    return min(rates, key=lambda rate: abs(rate - low)) if low is not None and rates else None


def _confirming(capacity: Capacity) -> set[int]:
    rate = confirmed_rate(capacity)
    at_low = [a for a in capacity.attempts if a.offered_per_s == rate and a.kind != "curve" and not a.harness_bound]
    confirmed = {attempt.trial for attempt in at_low if attempt.kind == "confirm"}
    chosen = confirmed or {attempt.trial for attempt in at_low if attempt.passed}
    return {number for number in chosen if number is not None}


def _shown_note(capacity: Capacity, shown: int) -> str:
    rate = confirmed_rate(capacity)
    if not shown or rate is None:
        return "No trial of this run confirmed a load, so the sections about single trials are left out."
    rest = "The other attempts had other loads and are only in the table above."
    if not capacity.confirmed_trials:
        return f"Everything below is about {fmt.counted(shown, 'short probe')} at {fmt.rate(rate)}. {rest}"
    which = "the one trial" if shown == 1 else f"the {shown} trials"
    below = ""
    if capacity.low_per_s is not None and capacity.low_per_s < rate:
        below = (
            f" {fmt.rate(capacity.low_per_s)} is stated, because a trial passes with up to 1 % of its load unserved, "
            "and no more is stated than was shown."
        )
    return f"Everything below is about {which} at {fmt.rate(rate)} that confirmed the result.{below} {rest}"


def _attempt_row(number: int, attempt: CapacityAttempt) -> AttemptRow:
    slope = attempt.in_flight_slope_upper_per_s
    bound = attempt.finality_p99_at_least_ms
    unknown = fmt.UNKNOWN if bound is None else f"≥{fmt.NBSP}{fmt.milliseconds(bound)}"
    return AttemptRow(
        number=number,
        trial="earlier run" if attempt.trial is None else str(attempt.trial),
        kind=KINDS[attempt.kind],
        offered=fmt.rate(attempt.offered_per_s),
        goodput=fmt.rate(attempt.goodput_per_s),
        served=fmt.percent(attempt.served_share, 1),
        p50=fmt.milliseconds(attempt.finality_p50_ms),
        p99=unknown if attempt.finality_p99_ms is None else fmt.milliseconds(attempt.finality_p99_ms),
        growth=fmt.UNKNOWN if slope is None else fmt.signed(fmt.rate(abs(slope)), slope),
        duration=fmt.seconds(attempt.duration_s),
        outcome="not told"
        if attempt.undecided
        else "not counted"
        if attempt.harness_bound
        else "passed"
        if attempt.passed
        else "failed",
        tone="" if attempt.harness_bound or attempt.undecided else "ok" if attempt.passed else "fault",
        reasons=tuple(attempt.reasons),
    )


def _share_rows(capacity: Capacity) -> tuple[ShareRow, ...]:
    rate = confirmed_rate(capacity)
    return tuple(
        ShareRow(
            f"{share}{fmt.NBSP}%",
            fmt.UNKNOWN if rate is None else fmt.rate(rate * float(share) / 100),
            fmt.milliseconds(found.get("p50")),
            fmt.milliseconds(found.get("p99")),
        )
        for share, found in sorted(capacity.latency_at.items(), key=lambda item: float(item[0]))
    )


def _fit_rows(fit: ScalabilityFit) -> tuple[tuple[str, str], ...]:
    if fit.gamma is None or fit.alpha is None or fit.beta is None:
        return (("Curve", f"not fitted: {fit.note}" if fit.note else "not fitted"),)
    low, high = fmt.number(fit.lowest_offered_per_s), fmt.rate(fit.highest_offered_per_s)
    peak = "not within the measured range" if fit.peak_per_s is None else f"at {fmt.rate(fit.peak_per_s)} offered"
    rows = [
        ("Curve", "goodput = γ·N / (1 + α·N + β·N²), N offered per second (Universal Scalability Law)"),
        ("Coefficients", f"γ {fit.gamma:.4g}, α {fit.alpha:.3g}, β {fit.beta:.3g}"),
        ("How well it fits", _quality(fit)),
        ("Valid", f"only from {low} to {high}, where it was measured; it is not extrapolated"),
        ("Highest goodput of the curve", peak),
    ]
    return (*rows, ("Remark", fit.note)) if fit.note else tuple(rows)


def _quality(fit: ScalabilityFit) -> str:
    quality = "R² not defined" if fit.r_squared is None else f"R² = {fit.r_squared:.3f}"
    off = "" if fit.rmse_per_s is None else f", typically off by {fmt.rate(fit.rmse_per_s)}"
    return f"{quality}{off}, {fmt.counted(fit.points, 'point')}"


def _slo_words(key: str, value: float) -> str:
    shown = fmt.milliseconds(value) if key.endswith("_ms") else fmt.number(value)
    return _SLO.get(key, f"{fmt.words(key)} {{}}").format(shown)
