"""From a file, or a mapping of flags, to a resolved `Scenario`; and from a `Scenario` back to a file and a digest.

A scenario that is wrong raises one `ConfigurationError` that lists every mistake found, each with its place and remedy.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue, ValidationError

from bench.model.errors import ConfigurationError
from bench.model.masking import masked_values
from bench.scenario.document import NUMBERS, Document, document_of, parse_document, read_text
from bench.scenario.mistakes import nearest, note_mistakes
from bench.scenario.overrides import apply_overrides, expand_shorthand
from bench.scenario.schema import Scenario
from bench.scenario.traces import published_traces, read_trace

_AFTER_ALL_LINES = 1_000_000_000
_NOT_LOAD = ("name", "ledgers", "endpoint", "trials", "stopping", "capacity")


def load_scenario(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read, override, check and resolve a scenario file. `overrides` are `key.path=value` as `--set` takes them.

    Trace files are found relative to the scenario's folder. ConfigurationError for anything that cannot be run.
    """
    path = Path(path)
    return scenario_of(parse_document(read_text(path), str(path)), overrides, path.parent)


def scenario_from_mapping(
    mapping: Mapping[str, JsonValue], overrides: Sequence[str] = (), source: str = "scenario"
) -> Scenario:
    """The same for values that never were a file, such as flags; `source` stands where a file's name would.

    Trace files are found relative to the working directory.
    """
    return scenario_of(document_of(mapping, source), overrides, Path())


def resolved_yaml(scenario: Scenario) -> str:
    """The whole scenario, every default written out, as YAML that loads back to an equal `Scenario`; but keys in the
    path of an endpoint's address are masked, so that one does not load back to what it was.
    """
    return yaml.dump(_resolved(scenario), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


def scenario_sha256(scenario: Scenario) -> str:
    """Digest of the resolved scenario as JSON with sorted keys: equal scenarios, equal digest, on every machine."""
    return _digest(_resolved(scenario))


def load_sha256(scenario: Scenario) -> str:
    """Digest of all that makes two runs comparable: the scenario without its name, its ledgers or endpoint, how often
    it is repeated, how its capacity is searched for, and the remark where a trace came from.
    """
    load = {key: value for key, value in _resolved(scenario).items() if key not in _NOT_LOAD}
    load["arrival"] = {key: value for key, value in load["arrival"].items() if key != "source"}
    return _digest(load)


def scenario_of(document: Document, overrides: Sequence[str], folder: Path) -> Scenario:
    """The same for a document that was parsed already, which this changes; `folder` is where its trace files are."""
    expand_shorthand(document)
    apply_overrides(document, overrides)
    _inline_trace(document, folder)
    try:
        scenario = Scenario.model_validate(document.data)
    except ValidationError as error:
        note_mistakes(document, error)
        raise refusal(document) from error
    if document.mistakes:
        raise refusal(document)
    return scenario


def _inline_trace(document: Document, folder: Path) -> None:
    """Put the rows of a published trace or of a trace file in place of its name."""
    arrival = document.data.get("arrival")
    if not isinstance(arrival, dict) or arrival.get("process") != "trace":
        return
    given = [key for key in ("name", "file", "points") if key in arrival]
    if given == ["points"]:
        return
    document.reported.add(("arrival", "points"))
    if len(given) != 1:
        what = f"is given by {' and '.join(given)}" if given else "has no rows"
        document.add(("arrival",), what, "give one of name, file and points")
        for key in given:
            arrival.pop(key)
        return
    wanted = arrival.pop(given[0])
    rows = _published(document, wanted) if given[0] == "name" else _from_file(document, wanted, folder)
    if rows is not None:
        arrival["points"] = rows
        arrival.setdefault("source", f"published trace {wanted}" if given[0] == "name" else f"file {wanted}")


def _published(document: Document, name: JsonValue) -> JsonValue:
    traces = published_traces()
    if isinstance(name, str) and name in traces:
        return [[second, rate] for second, rate in traces[name].points]
    document.add(("arrival", "name"), "is not a published trace", nearest(str(name), list(traces)), name)
    return None


def _from_file(document: Document, file: JsonValue, folder: Path) -> JsonValue:
    key = ("arrival", "file")
    if not isinstance(file, str) or "\0" in file:
        document.add(key, "is not a file name", "name a CSV or JSON file", file)
        return None
    try:
        return [list(row) for row in read_trace(folder / file)]
    except ConfigurationError as error:
        document.add(key, error.what, error.remedy, error.value)
        return None


def refusal(document: Document, page: str = "docs/scenario.md") -> ConfigurationError:
    """One error with all mistakes of a document, by line; `page` explains the keys."""

    def line(mistake: str) -> int:
        found = re.match(rf"{re.escape(document.name)}:([0-9]+):", mistake)
        return int(found[1]) if found else _AFTER_ALL_LINES

    mistakes = sorted(document.mistakes, key=line)
    remedy = f"{page} explains every key"
    if len(mistakes) == 1:
        return ConfigurationError(mistakes[0], remedy=remedy)
    listed = "".join(f"\n  {mistake}" for mistake in mistakes)
    return ConfigurationError(f"{document.name}: {len(mistakes)} mistakes{listed}", remedy=remedy)


def _resolved(scenario: Scenario) -> dict[str, Any]:
    document = scenario.model_dump(mode="json", by_alias=True)
    if document.get("endpoint"):
        document["endpoint"] = masked_values(document["endpoint"])
    return {key: value for key, value in document.items() if value is not None and value != []}


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


class _Dumper(yaml.SafeDumper):
    """Quotes all text that our reader or another YAML reader would take for something else."""

    def ignore_aliases(self, data: object) -> bool:
        """Write every value out."""
        del data
        return True


for _tag, _pattern in NUMBERS.items():
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"({_pattern.pattern})$"), None)
