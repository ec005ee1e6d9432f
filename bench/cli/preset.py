"""`--preset` of `run` and `report`: the runs a published source asks for, and the page of its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.output import note, print_json, say
from bench.model.errors import ConfigurationError, ExitCode, worst

if TYPE_CHECKING:
    from bench.report.standards.build import WrittenPreset
    from bench.run.coordinator import RunOutcome
    from bench.scenario.schema import Scenario

_GIVE_UP = (ExitCode.INTERRUPTED, ExitCode.INTERNAL, ExitCode.LEDGER_FAILED)


@unique
class Preset(StrEnum):
    """The sources. `bench.scenario.presets.NAMES` has the same; it is not imported, to keep `--help` quick."""

    PSWG = "pswg"
    ITU = "itu"
    CAICT = "caict"
    JRT0193 = "jrt0193"


@dataclass(frozen=True, slots=True)
class PresetOutcome:
    """All runs of a preset as one outcome, and the pages: one per ledger."""

    runs: RunOutcome
    pages: tuple[WrittenPreset, ...]


def run_preset(preset: Preset | None, scenario: Scenario, execute: Callable[[Scenario], RunOutcome]) -> PresetOutcome:
    """Run what the source asks for, one scenario after the other, and write the pages beside the bundles.

    Without a preset it is the scenario alone, and no page. A run that was interrupted, or whose ledger or
    harness failed, is the last one; the page says what is missing then.
    """
    if preset is None:
        return PresetOutcome(execute(scenario), ())
    from bench.run.coordinator import RunOutcome
    from bench.scenario.presets import preset_scenarios

    tests = preset_scenarios(preset.value, scenario)
    bundles: list[Path] = []
    by_ledger: dict[tuple[str, int], list[Path]] = {}
    problems: list[str] = []
    codes: list[ExitCode] = []
    for number, (role, one) in enumerate(tests, start=1):
        if len(tests) > 1:
            note(f"preset {preset}, test {number} of {len(tests)}: {role}")
        outcome = execute(one)
        bundles += outcome.bundles
        for key, bundle in _keyed(outcome.bundles):
            by_ledger.setdefault(key, []).append(bundle)
        problems += outcome.problems
        codes.append(outcome.exit_code)
        if outcome.exit_code in _GIVE_UP:
            break
    pages = tuple(_written(preset, group) for group in by_ledger.values())
    codes += [code for page in pages for code in verdict_codes(page)]
    return PresetOutcome(RunOutcome(bundles, worst(codes), problems), pages)


def report_preset(preset: Preset, bundles: Sequence[Path], out: Path | None, as_json: bool) -> ExitCode:
    """Write the page from bundles on disk and print where it is; the code says what became of the thresholds."""
    from bench.report.standards.build import as_data, write_preset

    written = write_preset(preset.value, bundles, out)
    if as_json:
        paths = {"html": str(written.html_path), "markdown": str(written.markdown_path)}
        print_json({**paths, "page": as_data(written.page)})
    else:
        show_page(written)
    return worst(verdict_codes(written))


def verdict_codes(written: WrittenPreset) -> list[ExitCode]:
    """4 for a threshold that was missed, 8 for one that is undecided."""
    missed = [ExitCode.GATE_FAILED] if written.missed else []
    return missed + ([ExitCode.UNDECIDED] if written.undecided else [])


def show_page(written: WrittenPreset) -> None:
    """The thresholds that were not met, and the path."""
    for sentence in written.missed:
        note(f"missed: {sentence}")
    for sentence in written.undecided:
        note(f"undecided: {sentence}")
    say(f"{written.page.source.wording} {written.page.source.short} ({written.page.source.read})")
    say(f"  {written.html_path}")


def pages_as_data(pages: Sequence[WrittenPreset]) -> dict[str, object]:
    """What `run --json` prints of them; nothing where there are none."""
    if not pages:
        return {}
    from bench.report.standards.build import as_data

    found = [
        {"html": str(page.html_path), "markdown": str(page.markdown_path), "page": as_data(page.page)} for page in pages
    ]
    return {"preset": found}


def refuse_both(preset: Preset | None, baselines: Sequence[Path]) -> None:
    """A baseline is of one load, and a preset may be of several."""
    if preset is not None and baselines:
        raise ConfigurationError(
            "--preset and --baseline are both given", remedy="keep one: a preset may run loads the baseline never had"
        )


def only_bundle(bundles: Sequence[Path], out: Path | None) -> Path:
    """What `report` without `--preset` takes: one bundle, in which its report lies."""
    if len(bundles) != 1:
        raise ConfigurationError(
            "several bundles are given, and a report is of one", remedy="give one, or --preset for a page of several"
        )
    if out is not None:
        raise ConfigurationError(
            "--out is given without --preset", value=str(out), remedy="leave it out: a report lies in its bundle"
        )
    return bundles[0]


def _keyed(bundles: Sequence[Path]) -> Iterator[tuple[tuple[str, int], Path]]:
    """Each bundle of one run with its ledger's name, and how many of that name came before: options make another."""
    from bench.bundle.reader import read_bundle

    seen: Counter[str] = Counter()
    for bundle in bundles:
        name = read_bundle(bundle).result.ledger.name
        yield (name, seen[name]), bundle
        seen[name] += 1


def _written(preset: Preset, bundles: Sequence[Path]) -> WrittenPreset:
    from bench.report.standards.build import write_preset

    return write_preset(preset.value, bundles)
