"""What the live page and `bench.py watch` show: the last ten minutes of a run, a point a second, as one JSON document.

`LiveSeries` is fed with cumulative counts and makes rates and percentiles of them; it knows no files and no network.
`LiveData.to_json` is what `/api/live.json` answers. Times in it are seconds on one axis that begins with the first
sample, so that trials lie side by side. Percentiles come from buckets: good for watching, never reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from threading import Lock

import orjson
from pydantic import TypeAdapter

from bench.model.clock import NS_PER_S
from bench.telemetry.live_lights import STALE_S, Light, lights, stale_lights, unknown_lights
from bench.telemetry.live_sample import LOADED, PlannedPhase, Run, Sample
from bench.telemetry.live_window import Point, Window

__all__ = ["LiveData", "LiveSeries", "PlannedPhase", "Run", "Sample"]

SCHEMA = 1
HISTORY_S = 600
MOST_FINISHED = 50
LEAST_GAP_NS = NS_PER_S // 2
"""Samples closer together than this make one point: the later one."""
_POINT_FIELDS = tuple(field.name for field in fields(Point))


@dataclass(frozen=True, slots=True)
class TrialNow:
    """The trial that is on. `left_s` is until the end of the load; `phases` is empty until the start signal."""

    number: int
    of: int
    phase: str
    elapsed_s: float | None
    left_s: float | None
    phases: tuple[PlannedPhase, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the axis in which one trial was in one phase."""

    ledger: str
    trial: int
    phase: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """A trial that has ended: what its verdict says, with the reasons."""

    ledger: str
    trial: int
    status: str
    goodput_per_s: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveData:
    """The whole picture at `now_s`. Without a sample yet, `run` and `trial` are None and `points` is empty.

    `snapshot_age_s` is the age of what is shown: of the oldest worker's report while there is load, else of the last
    sample. `stale`: there is load, and what is shown is too old to be trusted. `ended`: the run is over, `outcome` says
    how, nothing more will come. `finished`: the last trials that have, oldest first. `totals` and `errors` (by class,
    most first) are of this trial.
    """

    now_s: float
    run: Run | None
    trial: TrialNow | None
    lights: tuple[Light, Light, Light]
    points: Sequence[Point]
    spans: tuple[Span, ...]
    finished: tuple[FinishedTrial, ...]
    totals: Mapping[str, int]
    errors: tuple[tuple[str, int], ...]
    snapshot_age_s: float | None
    stale: bool
    ended: bool
    outcome: str

    def to_json(self) -> bytes:
        """As sent to pages. The points go as one list for each of their fields, under `series`; None is null."""
        rows = [[getattr(point, name) for name in _POINT_FIELDS] for point in self.points]
        columns = zip(*rows, strict=True) if rows else ((),) * len(_POINT_FIELDS)
        shown = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("points", "errors")
        }
        shown["errors"] = [{"error_class": name, "count": count} for name, count in self.errors]
        shown["series"] = dict(zip(_POINT_FIELDS, columns, strict=True))
        return orjson.dumps({"schema": SCHEMA, **shown})

    @staticmethod
    def from_json(body: bytes) -> LiveData:
        """The inverse of `to_json`. ValueError when `body` is anything else, or of another schema."""
        try:
            read = orjson.loads(body)
            if read["schema"] != SCHEMA:
                raise ValueError(f"schema {read['schema']!r}, not {SCHEMA}")
            series = read["series"]
            points = [dict(zip(series, row, strict=True)) for row in zip(*series.values(), strict=True)]
            errors = [(error["error_class"], error["count"]) for error in read["errors"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no live data: {error!r}") from error
        return _reader().validate_python({**read, "points": points, "errors": errors})


class LiveSeries:
    """Fed about once a second from one thread, read from any other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._window = Window()
        self._points: deque[Point] = deque()
        self._spans: deque[Span] = deque()
        self._finished: deque[FinishedTrial] = deque(maxlen=MOST_FINISHED)
        self._run: Run | None = None
        self._epoch_ns = 0
        self._noted_ns = 0
        self._last: Sample | None = None
        self._lights: tuple[Light, Light, Light] | None = None
        self._outcome: str | None = None

    def add(self, run: Run, sample: Sample) -> None:
        """The newest sample, of this run; several runs (ledgers) may take turns. The trial may have changed."""
        with self._lock:
            before, self._last = self._last, sample
            same_trial = before is not None and (self._run, before.trial) == (run, sample.trial)
            same_phase = same_trial and before is not None and before.phase == sample.phase
            if before is None:
                self._epoch_ns = sample.at_ns
            if not same_trial:
                self._window = Window()
            if same_phase and sample.at_ns - self._noted_ns < LEAST_GAP_NS:
                self._points.pop()
            else:
                self._noted_ns = sample.at_ns
            self._run, self._outcome = run, None
            self._window.add(sample)
            point = self._window.point((sample.at_ns - self._epoch_ns) / NS_PER_S)
            self._points.append(point)
            self._lights = lights(self._window, point, run)
            self._extend_span(Span(run.ledger, sample.trial, sample.phase, point.at_s, point.at_s), same_phase)
            self._forget(point.at_s - HISTORY_S)

    def trial_ended(self, trial: FinishedTrial) -> None:
        """Its verdict is known."""
        with self._lock:
            self._finished.append(trial)

    def end(self, outcome: str) -> None:
        """The run is over; `outcome` is a sentence for the reader."""
        with self._lock:
            self._outcome = outcome

    def data(self, now_ns: int) -> LiveData:
        """The picture as it is at `now_ns`, of the clock that the samples are stamped with."""
        with self._lock:
            last, run = self._last, self._run
            age_s = None if last is None else _age_s(last, now_ns)
            ended = self._outcome is not None
            stale = last is not None and last.phase in LOADED and (age_s or 0.0) > STALE_S and not ended
            return LiveData(
                now_s=round((now_ns - self._epoch_ns) / NS_PER_S, 2) if last is not None else 0.0,
                run=run,
                trial=None if last is None else _trial(last, now_ns),
                lights=self._shown_lights(age_s, stale=stale),
                points=tuple(self._points),
                spans=tuple(self._spans),
                finished=tuple(self._finished),
                totals={} if last is None else _totals(last),
                errors=() if last is None else _errors(last),
                snapshot_age_s=None if age_s is None else round(age_s, 2),
                stale=stale,
                ended=ended,
                outcome=self._outcome or "",
            )

    def _shown_lights(self, age_s: float | None, *, stale: bool) -> tuple[Light, Light, Light]:
        if self._outcome is not None:
            return unknown_lights("The run has ended.")
        if self._lights is None:
            return unknown_lights("No data yet.")
        return stale_lights(age_s or 0.0) if stale else self._lights

    def _extend_span(self, now: Span, same_phase: bool) -> None:
        """The present one goes on to now; another phase begins where it ends."""
        if self._spans:
            self._spans.append(replace(self._spans.pop(), to_s=now.to_s))
        if not same_phase:
            self._spans.append(now)

    def _forget(self, before_s: float) -> None:
        while self._points[0].at_s < before_s:
            self._points.popleft()
        while self._spans[0].to_s < before_s:
            self._spans.popleft()


@cache
def _reader() -> TypeAdapter[LiveData]:
    return TypeAdapter(LiveData)


def _age_s(last: Sample, now_ns: int) -> float:
    reported_s = (last.snapshot_age_s or 0.0) if last.phase in LOADED else 0.0
    return max(0.0, (now_ns - last.at_ns) / NS_PER_S) + reported_s


def _trial(last: Sample, now_ns: int) -> TrialNow:
    if last.start_ns is None:
        return TrialNow(last.trial, last.trials, last.phase, None, None, ())
    now_ns = now_ns if last.phase in LOADED else last.at_ns
    elapsed_s = (now_ns - last.start_ns) / NS_PER_S
    load_end_s = max((phase.end_s for phase in last.phases if phase.end_s is not None), default=None)
    left_s = None if load_end_s is None else round(max(0.0, load_end_s - elapsed_s), 1)
    return TrialNow(last.trial, last.trials, last.phase, round(elapsed_s, 1), left_s, last.phases)


def _totals(last: Sample) -> dict[str, int]:
    return {
        "planned": last.planned,
        "submitted": last.submitted,
        "accepted": last.accepted,
        "finalized_valid": last.finalized_valid,
        "failed": last.failed,
        "failed_expected": last.failed_expected,
        "rejected": last.rejected,
        "unresolved": last.unresolved,
        "dropped": last.dropped_total,
        "reads_issued": last.reads_issued,
        "reads_answered": last.reads_answered,
        "blocks": last.blocks,
    }


def _errors(last: Sample) -> tuple[tuple[str, int], ...]:
    """Refusals and losses by class, then what was not sent by cause; the most frequent first."""
    counted = {name: count for name, count in (*last.errors.items(), *last.dropped.items()) if count}
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
