"""What calibrations found on this machine, kept as one JSON file per way of sending.

A record belongs to a machine, a version of this product and a way of sending; its key is a digest of all of them. A
file that cannot be read, or that is not what its name says, counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.bundle.environment import collect_environment
from bench.ledgers.install.cache import cache_directory
from bench.model.errors import ConfigurationError
from bench.model.result import CalibrationPart
from bench.model.version import __version__

_KEY_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class LoadPath:
    """One way of sending. `scheme` is http, ws or unix."""

    adapter: str
    scheme: str
    workers: int
    batch: int

    def __str__(self) -> str:
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        batch = "single calls" if self.batch == 1 else f"batches of {self.batch}"
        return f"{self.adapter} over {self.scheme}, {workers}, {batch}"


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how fast the harness is, as far as it can be named."""

    cpu: str | None
    usable_cores: int | None
    kernel: str

    @classmethod
    def here(cls) -> Machine:
        """The one that runs this."""
        found = collect_environment(Path(tempfile.gettempdir()))
        return cls(found.cpu.model, found.cpu.usable, found.kernel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attempt(_Part):
    """One short trial at one rate. Lags in ms, CPU in percent of one core, of the busiest process of each kind; null
    where too little was seen. `other_cpu_percent` is what programs that are not ours took, of all cores together.
    `reasons` are the broken rules, empty when it held.
    """

    rate_per_s: float
    held: bool
    reasons: list[str] = []
    sent_per_s: float
    submit_lag_p50_ms: float | None
    submit_lag_p99_ms: float | None
    submit_lag_max_ms: float | None
    worker_cpu_percent: float | None
    encoder_cpu_percent: float | None
    observer_cpu_percent: float | None
    ledger_cpu_percent: float | None
    other_cpu_percent: float | None


class LatencyFloor(_Part):
    """What is measured when the ledger needs no time at all, in ms from the due time: at `rate_per_s`, against a null
    ledger that makes a block at once.
    """

    rate_per_s: float
    submit_lag_p99_ms: float | None
    accept_p50_ms: float | None
    accept_p99_ms: float | None
    commit_p50_ms: float | None
    commit_p99_ms: float | None


class Overheads(_Part):
    """Costs that do not depend on the ledger. `sleep_late_p99_us`: how late a sleep of 1 ms ends."""

    recording_us_per_tx: float
    clock_step_ns: int
    sleep_late_p50_us: float
    sleep_late_p99_us: float


class CalibrationRecord(_Part):
    """`ceiling_per_s` is the highest rate that held, 0 if none did. With `at_least` the search ended before the true
    ceiling was found: nothing failed, or what failed lies further above than the method's precision. `failed_per_s` is
    the lowest rate that failed, if one did. `method` says how it was found: by `calibrate`, by `calibrate --quick`, or
    by a check before a run.
    """

    format: Literal[1] = 1
    key: str
    made_at: str
    bench_version: str
    cpu: str | None
    usable_cores: int | None
    kernel: str
    adapter: str
    scheme: str
    workers: int
    batch: int
    method: Literal["full", "quick", "check"]
    ceiling_per_s: float
    at_least: bool
    failed_per_s: float | None = None
    attempts: list[Attempt] = []
    latency_floor: LatencyFloor | None = None
    overheads: Overheads | None = None

    @property
    def path(self) -> LoadPath:
        """The way of sending it is about."""
        return LoadPath(self.adapter, self.scheme, self.workers, self.batch)

    def says_more_than(self, known: CalibrationRecord) -> bool:
        """Whether this one may take the place of `known`. Nothing but a full calibration replaces a full one; a lower
        bound, and what was found quickly where a full calibration ended early, must be higher.
        """
        complete = self.method == "full" and not self.at_least
        if known.method == "full" and not known.at_least:
            return complete
        lesser = self.at_least or (known.method == "full" and not complete)
        return not lesser or self.ceiling_per_s > known.ceiling_per_s

    def part(self) -> CalibrationPart:
        """For `result.json`."""
        return CalibrationPart(
            key=self.key,
            made_at=self.made_at,
            adapter=self.adapter,
            workers=self.workers,
            batch=self.batch,
            ceiling_per_s=self.ceiling_per_s,
            at_least=self.at_least,
        )


class CalibrationStore:
    """Below `directory`, by default the product's cache. Safe for several processes: files are replaced whole."""

    def __init__(self, directory: Path | None = None, machine: Machine | None = None) -> None:
        self.directory = directory or cache_directory() / "calibration"
        self.machine = machine or Machine.here()

    def key(self, path: LoadPath) -> str:
        """Names the record of `path` on this machine with this version."""
        identity = {**asdict(self.machine), **asdict(path), "version": __version__}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:_KEY_CHARACTERS]

    def find(self, path: LoadPath) -> CalibrationRecord | None:
        """The record, if there is one that can be used."""
        key = self.key(path)
        try:
            record = CalibrationRecord.model_validate_json(self._file(key).read_bytes())
        except (OSError, ValidationError):
            return None
        usable = record.key == key and record.path == path and record.ceiling_per_s > 0
        return record if usable else None

    def new(
        self,
        path: LoadPath,
        *,
        method: Literal["full", "quick", "check"],
        made_at: str,
        ceiling_per_s: float,
        at_least: bool,
        failed_per_s: float | None,
        attempts: Sequence[Attempt],
    ) -> CalibrationRecord:
        """A record of this machine, not kept yet."""
        return CalibrationRecord(
            key=self.key(path),
            made_at=made_at,
            bench_version=__version__,
            **asdict(self.machine),
            **asdict(path),
            method=method,
            ceiling_per_s=ceiling_per_s,
            at_least=at_least,
            failed_per_s=failed_per_s,
            attempts=list(attempts),
        )

    def keep(self, record: CalibrationRecord) -> Path:
        """Write it in place of what was known, unless that says more. Raises ConfigurationError where the cache
        cannot be written.
        """
        target = self._file(record.key)
        known = self.find(record.path)
        if known is not None and not record.says_more_than(known):
            return target
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".calibration-", dir=self.directory)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(record.model_dump_json(indent=1))
                os.replace(name, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise ConfigurationError(
                f"the calibration could not be kept: {error.strerror}",
                value=str(self.directory),
                remedy="free space there, or point BENCH_CACHE at a directory that can be written",
            ) from error
        return target

    def _file(self, key: str) -> Path:
        return self.directory / f"{key}.json"
