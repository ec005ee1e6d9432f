"""Writes the tables of docs/ledgers.md: what every registered ledger is, and what a shoot-out measured on it.

    bench.py run examples/shootout.yaml --out results/shootout
    python -m benchmarks.ledgers_table results/shootout/*-notary-*           writes docs/ledgers.md
    python -m benchmarks.ledgers_table                                       the first table only, start-up times kept

Declared facts come from the ledgers' own `info`, measured ones from bundles; nothing is typed by hand, so the page can
be made again and a test finds it stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import registry
from bench.bundle.reader import Bundle, read_bundle
from bench.model.result import Result
from bench.report import format as fmt
from bench.report.classes import Class, classes
from bench.report.judgement import METRICS, Metric, hardware, shown_interval, shown_value
from bench.stats.interval import median_interval

PAGE = Path(__file__).parents[1] / "docs" / "ledgers.md"
NO_CANDIDATES = frozenset({"simulated"})
UNKNOWN = "–"
SHOWN = (*METRICS[:2], Metric("Time until final, p95", "milliseconds", False, "p95"))
"""The p99 of a run this short is not known."""
_HEAD = (
    "ledger",
    "family",
    "version",
    "nodes",
    "final means",
    "survives",
    "data is",
    "signatures",
    "workloads",
    "start",
    "got",
)


def main(arguments: Sequence[str]) -> None:
    """Renew what the arguments (bundles) tell."""
    bundles = [read_bundle(Path(argument)) for argument in arguments]
    page = PAGE.read_text(encoding="utf-8")
    started = started_in(page) | {bundle.result.ledger.name: start_s(bundle.result) for bundle in bundles}
    page = placed(page, "targets", targets(started))
    if bundles:
        page = placed(page, "shootout", shootout(bundles))
    PAGE.write_text(page, encoding="utf-8")


def targets(started: Mapping[str, str]) -> str:
    """One row per registered candidate. `started` are start-up times as text."""
    infos = [registry.ledger(name).info for name in registry.names("ledgers") if name not in NO_CANDIDATES]
    rows = []
    for info in sorted(infos, key=lambda info: (info.family, info.name)):
        kind = info.ledger_class
        survives = (
            f"{kind.fault_model}, {kind.tolerated_faults} of {info.nodes}" if kind.tolerated_faults else "nothing"
        )
        carried = [name for name in registry.names("workloads") if info.family in registry.workload(name).families]
        rows.append(
            (
                f"`{info.name}`",
                info.family,
                info.version.split(" (")[0],
                str(info.nodes),
                info.finality.name,
                survives,
                kind.durability,
                str(kind.crypto),
                ", ".join(sorted(carried)),
                started.get(info.name, UNKNOWN),
                info.download,
            )
        )
    return table(_HEAD, rows)


def shootout(bundles: Sequence[Bundle]) -> str:
    """What was measured, on what, when; one row per candidate, by class."""
    first = bundles[0].result
    found = classes([(bundle.result.ledger.name, bundle.result.ledger) for bundle in bundles])
    by_name = {bundle.result.ledger.name: bundle.result for bundle in bundles}
    rows = [_measured(by_name[name], one.name) for one in found for name in one.members]
    machine = "; ".join(f"{name} {value}" for name, value in hardware(bundles[0].environment).items())
    trials = fmt.listed([fmt.trials(number) for number in sorted({len(bundle.result.trials) for bundle in bundles})])
    said = (
        f"Workload `{first.workload}`, {first.started_at[:10]}, {trials} each, harness {first.bench_version}. "
        f"Machine: {machine}."
    )
    head = (
        "class",
        "ledger",
        "verdict",
        "goodput",
        "until final, p50",
        "until final, p95",
        "anchors looked up",
        "start",
    )
    words = [f"- **{one.name}** ({', '.join(one.members)}): {_promised(one)}." for one in found]
    return "\n".join(
        [said, "", table(head, rows), "", "Figures may be held against each other inside a class only:", "", *words]
    )


def start_s(result: Result) -> str:
    """From spawning the first node until the network is ready: median over trials."""
    seconds = [trial.setup_s["ledger_up"] for trial in result.trials if "ledger_up" in trial.setup_s]
    return fmt.UNITS["seconds"](median_interval(seconds).median).replace(fmt.NBSP, " ") if seconds else UNKNOWN


def started_in(page: str) -> dict[str, str]:
    """The start-up times that the page's first table shows."""
    part = page.split("<!-- targets -->")[1].split("<!-- end -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[_HEAD.index("start")] for row in rows}


def placed(page: str, name: str, text: str) -> str:
    """`page` with the part between `<!-- name -->` and the next `<!-- end -->` replaced."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if not mark.search(page):
        raise SystemExit(f"{PAGE.name} has no part named {name}")
    return mark.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", page, count=1)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/').replace(fmt.NBSP, ' ') for cell in line)} |" for line in lines
    )


def _promised(one: Class) -> str:
    return "; ".join(f"{promise.name} – {promise.words}" for promise in one.promises)


def _measured(result: Result, letter: str) -> tuple[str, ...]:
    audit = [one for one in result.audit.invariants if one.name == "every_acknowledged_anchor_found"]
    valid = sum(trial.verdict.status == "valid" for trial in result.trials)
    verdict = result.summary.verdict.status
    shown = [f"{shown_value(result, metric)}{_interval(result, metric)}" for metric in SHOWN]
    return (
        letter,
        f"`{result.ledger.name}`",
        verdict if verdict == "valid" else f"{verdict} ({valid} of {len(result.trials)} trials valid)",
        *shown,
        audit[0].status if audit else "no audit",
        start_s(result),
    )


def _interval(result: Result, metric: Metric) -> str:
    text = shown_interval(result, metric)
    return f" ({text})" if "confidence" in text else ""


if __name__ == "__main__":
    main(sys.argv[1:])
