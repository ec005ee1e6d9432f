"""Why the figures of a run can be trusted: one line per check, each with its value, its bound and what it means.

The verdict is made where the trial is measured; this page only lays out what it rests on, and what was not tested.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure.drift import TOLERATED_SHARE, TURNED_AWAY
from bench.measure.inputs import Limits as Bounds
from bench.measure.verdict import HARNESS_BOUND, PROGRAM_USED, STAMPING_PROCESSES
from bench.measure.warm_up import NOT_STEADY
from bench.model.phase import Phase
from bench.model.result import Counts, Drift, Headroom, Result, Trial, WarmUp
from bench.report import format as fmt
from bench.report.outcomes import total_counts
from bench.scenario.schema import Limits
from bench.stats.interval import FEWEST_TRIALS

MOST_OF_CEILING = Bounds().headroom_share
"""Offered load may be at most this share of what the harness alone can send."""
LEVEL = TOLERATED_SHARE
"""Under-way transactions that grow by at most this share of the offered load each second count as level."""
STATES = {
    "good": "in order",
    "warn": "take care",
    "bad": "broken",
    "none": "does not apply",
    "info": "for you to check",
}
_LATE = "submit lag p99 is"
_UNCHECKED = "not checked"
_GRAVE = (NOT_STEADY, _UNCHECKED, "lengthened")


@dataclass(frozen=True, slots=True)
class TrustLine:
    """`tone` is a key of `STATES`; `state` says the same in words. `fill` draws a bar with a mark at `limit`, both in
    percent. `command` is what to type to find out more.
    """

    tone: str
    name: str
    text: str
    fill: float | None = None
    limit: float | None = None
    command: str = ""

    @property
    def state(self) -> str:
        """The tone in words, so that nothing depends on colour."""
        return STATES[self.tone]


def title(result: Result) -> str:
    """Above the lines; it promises nothing that the verdict does not hold."""
    valid = result.summary.verdict.status == "valid"
    return "Why these figures can be trusted" if valid else "What was checked"


def trust_lines(result: Result, limits: Limits, name: str) -> tuple[TrustLine, ...]:
    """All checks of the trials in `result`. `name` is the folder of the run. Empty without a trial."""
    trials = result.trials
    if not trials:
        return ()
    return (
        _headroom(result),
        _on_time(trials, limits),
        _worker_cpu(trials, limits),
        _warm_up(trials),
        _drift(trials),
        _conservation(trials),
        _audit(result),
        _repeats(trials),
        TrustLine(
            "info",
            "Unchanged since",
            "The folder of this run holds a checksum of every file. To check them, in a terminal:",
            command=f"python bench.py verify {shlex.quote(name)}",
        ),
    )


def _headroom(result: Result) -> TrustLine:
    name = "Room to spare in our load generator"
    found = [trial.headroom for trial in result.trials if trial.headroom is not None]
    if len(found) < len(result.trials):
        text = (
            "Not held against a calibration, so how much more our own load generator could have sent on this machine "
            "is not known. To find out, in a terminal, and then run this again:"
        )
        return TrustLine("warn", name, text, command="python bench.py calibrate")
    worst = max(found, key=lambda part: part.share)
    tone = "good" if worst.share <= MOST_OF_CEILING else "bad"
    fill = min(100.0, 100 * worst.share)
    return TrustLine(tone, name, _headroom_words(worst), round(fill, 1), 100 * MOST_OF_CEILING)


def _headroom_words(part: Headroom) -> str:
    least = "at least " if part.at_least else ""
    most = "at most " if part.at_least else ""
    return (
        f"{fmt.rate(part.offered_per_s)} were offered; without a ledger, this machine's generator sends {least}"
        f"{fmt.rate(part.ceiling_per_s)} (calibration, plain transfers). That is {most}{fmt.percent(part.share, 1)} "
        f"of its ceiling, and up to {fmt.percent(MOST_OF_CEILING, 1)} is allowed."
    )


def _on_time(trials: Sequence[Trial], limits: Limits) -> TrustLine:
    name, allowed = "Punctual sending", f"up to {fmt.milliseconds(limits.submit_lag_p99_ns / 1e6)} is allowed"
    late = [reason for trial in trials for reason in trial.verdict.reasons if _LATE in reason]
    if late:
        which = "" if len(trials) == 1 else f"In {len(late)} of {fmt.trials(len(trials))}: "
        return TrustLine("bad", name, f"{which}{late[0].removeprefix(HARNESS_BOUND)}.")
    if not any(trial.latency_ms.submit_lag.count for trial in trials):
        return TrustLine("warn", name, f"Nothing was sent, so it could not be tested; {allowed}.")
    lags = [trial.latency_ms.submit_lag.p99 for trial in trials]
    known = [lag for lag in lags if lag is not None]
    if len(known) < len(lags):
        fewest = fmt.count(min(trial.latency_ms.submit_lag.count for trial in trials))
        text = f"The bound was kept ({allowed} for 99 of 100), but tested on only {fewest} transactions of a trial."
        return TrustLine("good", name, text)
    worst = " in the worst trial" if len(trials) > 1 else ""
    text = f"99 of 100 were sent within {fmt.milliseconds(max(known))} of their due time{worst}; {allowed}."
    return TrustLine("good", name, text)


def _worker_cpu(trials: Sequence[Trial], limits: Limits) -> TrustLine:
    name, bound = "Processor use of our load generator", limits.worker_cpu_percent
    parts = [
        part
        for trial in trials
        for part in trial.resources
        if part.role == "harness" and part.phase == Phase.MEASURE and part.process.startswith(STAMPING_PROCESSES)
    ]
    if not parts:
        return TrustLine("warn", name, f"Its processor use was not recorded: the bound of {bound:g} % is untested.")
    programs = [reason for trial in trials for reason in trial.verdict.reasons if PROGRAM_USED in reason]
    if programs:
        return TrustLine("bad", name, f"{programs[0].removeprefix(HARNESS_BOUND)}.")
    busiest = max(parts, key=lambda part: part.cpu_percent_mean)
    text = (
        f"Its busiest process ({busiest.process}) used {fmt.cpu(busiest.cpu_percent_mean)} of one processor core on "
        f"average; below {bound:g} % is needed for its clock readings to be right."
    )
    return TrustLine("good" if busiest.cpu_percent_mean < bound else "bad", name, text)


def _warm_up(trials: Sequence[Trial]) -> TrustLine:
    name = "Warm-up left out"
    found = [(trial.trial, trial.warm_up) for trial in trials if trial.warm_up is not None]
    if len(found) < len(trials):
        text = "The declared warm-up was left out, but whether it was long enough was not tested."
        return TrustLine("warn", name, text)
    parts = [part for _, part in found]
    number, shown = min(found, key=lambda entry: _gravity(entry[1]))
    declared, applied = _range(parts, lambda part: part.declared_s), _range(parts, lambda part: part.applied_s)
    left_out = "and left out" if declared == applied else f"and {applied} left out"
    which = f" In trial {number}" if len(found) > 1 and _gravity(shown) < len(_GRAVE) else " Its check"
    text = f"{declared} were declared {left_out}.{which}: {shown.note.rstrip('.')}."
    if "changes by design" in shown.note:
        return TrustLine("none", name, text)
    return TrustLine("warn" if shown.note.startswith((NOT_STEADY, _UNCHECKED)) else "good", name, text)


def _gravity(warm_up: WarmUp) -> int:
    """The trial whose warm-up raises most doubt comes first."""
    return next((place for place, begin in enumerate(_GRAVE) if warm_up.note.startswith(begin)), len(_GRAVE))


def _drift(trials: Sequence[Trial]) -> TrustLine:
    name = "Balance of what came in and went out"
    found = [(trial, trial.drift) for trial in trials if trial.drift is not None]
    notes = " ".join(dict.fromkeys(_sentence(drift.note) for _, drift in found if drift.note))
    turned_away = [drift.note for _, drift in found if drift.note.startswith(TURNED_AWAY)]
    if turned_away:
        which = "" if len(trials) == 1 else f"In {len(turned_away)} of {fmt.trials(len(trials))}, the first: "
        return TrustLine("warn", name, f"{which}{_sentence(turned_away[0])}")
    if "changes by design" in notes:
        return TrustLine("none", name, notes)
    uppers = [
        (drift.in_flight_upper_per_s, trial.rates.offered_per_s, drift)
        for trial, drift in found
        if drift.in_flight_upper_per_s is not None and trial.rates.offered_per_s
    ]
    if len(uppers) < len(trials):
        return TrustLine("warn", name, f"Whether work piled up was not tested in every trial. {notes}".strip())
    return _drift_line(name, *max(uppers, key=lambda entry: entry[0] / entry[1]))


def _drift_line(name: str, upper: float, offered: float, drift: Drift) -> TrustLine:
    """The trial in which most may have piled up."""
    if upper <= LEVEL * offered:
        text = (
            f"Transactions under way did not pile up: their number grew by at most {fmt.number(max(upper, 0.0))} each "
            f"second, {fmt.percent(max(upper, 0.0), offered)} of what was offered (up to 1 % counts as level)."
        )
        return TrustLine("good", name, text)
    slope = drift.in_flight_per_s
    if slope is not None and slope > LEVEL * offered:
        text = (
            f"Work piled up: {fmt.number(slope)} more transactions under way each second. The measurement holds, but "
            "waiting times depend on how long the run lasted, and would go on growing."
        )
        return TrustLine("warn", name, text)
    text = (
        f"Not shown: transactions under way may have grown by up to {fmt.number(upper)} each second, "
        f"{fmt.percent(upper, offered)} of what was offered (up to 1 % counts as level). A longer run can decide it."
    )
    return TrustLine("warn", name, text)


def _conservation(trials: Sequence[Trial]) -> TrustLine:
    name, counts = "Complete record", total_counts(trials)
    broken = [f"trial {trial.trial}" for trial in trials if not _adds_up(trial.counts)]
    if broken:
        return TrustLine("bad", name, f"The counts do not add up in {fmt.listed(broken)}.")
    text = f"Each of {fmt.count(counts.planned)} planned transactions is in exactly one end state; the sums agree."
    return TrustLine("good", name, text)


def _adds_up(counts: Counts) -> bool:
    return (
        counts.planned == counts.dropped + counts.submitted
        and counts.submitted == counts.rejected + counts.accepted
        and counts.accepted == counts.committed + counts.failed + counts.unresolved
        and counts.finalized <= counts.committed
        and counts.failed_expected <= counts.failed
    )


def _audit(result: Result) -> TrustLine:
    name, found = "The ledger's own book", result.audit.invariants
    broken = [fmt.words(item.name) for item in found if item.status == "broken"]
    if broken:
        return TrustLine("bad", name, f"Its state after the run contradicts the record: {fmt.listed(broken)}.")
    held = sum(item.status == "held" for item in found)
    if held < len(found) or not found:
        text = (
            "This workload states nothing that could be checked in it."
            if not found
            else "Not every statement was checked."
        )
        return TrustLine("warn", name, f"{text} {held} of {len(found)} held." if found else text)
    statements = "the one statement that was" if held == 1 else f"all {held} statements that were"
    return TrustLine("good", name, f"After the run, {statements} checked in its own state held.")


def _repeats(trials: Sequence[Trial]) -> TrustLine:
    fresh = all(trial.fresh_ledger for trial in trials)
    each = ", each on a fresh ledger" if len(trials) > 1 else ", on a fresh ledger"
    text = f"{fmt.trials(len(trials))}{each if fresh else ', the ledger held earlier data'}"
    if len(trials) < FEWEST_TRIALS:
        return TrustLine("warn", "Repetitions", f"{text}. From {FEWEST_TRIALS} on, intervals can be stated.")
    text = f"{text}. The large figures are medians over them, the small ones intervals."
    return TrustLine("good" if fresh else "warn", "Repetitions", text)


def _range(parts: Sequence[WarmUp], value: Callable[[WarmUp], float]) -> str:
    values = [value(part) for part in parts]
    low, high = fmt.seconds(min(values)), fmt.seconds(max(values))
    return low if low == high else f"{low.split(fmt.NBSP)[0]} to {high}"


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:].rstrip('.')}." if note else ""
