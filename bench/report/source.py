"""The rows of a bundle as arrays that charts are drawn from. Only the columns that are needed are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.bundle.reader import Bundle
from bench.model.errors import IntegrityError
from bench.model.operation import Kind
from bench.model.phase import Outcome
from bench.report.series import NS_PER_S, Ns, Usage, Writes

_STAMPS = ("intended", "submitted", "accepted", "committed", "finalized")
_OUTCOMES = {outcome.label: int(outcome) for outcome in Outcome}
_NEVER = -1


def writes(bundle: Bundle, trial: int) -> Writes:
    """The planned writes of one trial; only valid ones keep a finalized stamp (an invalid one becomes final too)."""
    kind = bundle.transactions(trial, ["kind"])["kind"]
    keep = pc.equal(kind, Kind.WRITE.value).to_numpy()
    outcome = _outcomes(bundle.transactions(trial, ["outcome"])["outcome"])[keep]
    stamps = {}
    for name in _STAMPS:  # one column at a time: a million rows of all of them at once would be 100 MB twice
        column = f"{name}_at_ns"
        stamps[name] = _integers(bundle.transactions(trial, [column])[column])[keep]
    stamps["finalized"][outcome != Outcome.FINALIZED] = _NEVER
    return Writes(**stamps, outcome=outcome)


def usage(bundle: Bundle, trial: int) -> Mapping[str, Usage]:
    """Resource series of one trial per process, without the machine as a whole."""
    table = bundle.resources(trial, ["process", "role", "at_ns", "cpu_percent", "rss_bytes"])
    table = table.filter(pc.not_equal(table["role"], "host"))
    names = np.array(table["process"].to_pylist(), dtype=object)
    seconds = _integers(table["at_ns"]) / NS_PER_S
    cpu = table["cpu_percent"].to_numpy()
    rss = _integers(table["rss_bytes"], unknown=0).astype(float)
    return {
        str(name): Usage(seconds[of_it], cpu[of_it], rss[of_it])
        for name in dict.fromkeys(names)
        if (of_it := (names == name) & (seconds >= 0)).any()
    }


def _integers(column: pa.ChunkedArray, unknown: int = _NEVER) -> Ns:
    filled: Ns = pc.fill_null(column, unknown).to_numpy()
    return filled


def _outcomes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    combined = column.combine_chunks()
    encoded = combined if pa.types.is_dictionary(combined.type) else combined.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    labels = encoded.dictionary.to_pylist()
    unknown = sorted(set(labels) - set(_OUTCOMES))
    if unknown:
        raise IntegrityError(
            "transactions hold outcomes this version does not know", value=unknown, remedy="run `verify`"
        )
    codes = np.array([_OUTCOMES[label] for label in labels] or [0], np.uint8)
    found: NDArray[np.uint8] = codes[encoded.indices.to_numpy(zero_copy_only=False)]
    return found
