"""Changes bench.stats and bench.measure in small ways, one at a time, and tells which changes no test notices.

Run by `make mutation`; docs/mutation.md says what it means. `mutmut` makes the changes and runs the tests, in a copy
below mutants/; this runs it, prints a table, and ends with 1 when a change survived that nobody has explained in
tools/mutation_survivors.toml, with 2 when the check itself did not come to its end.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "mutants"
EXPLAINED = Path(__file__).with_name("mutation_survivors.toml")
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
NICENESS = 10

TEXT = "text"
UNNOTICED = ("survived", "no tests", "suspicious", "check was interrupted by user")
COLUMNS = ("killed", "timeout", "survived", "no tests", TEXT)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What was changed, told by its words so that it stays the same when lines move or mutants are numbered anew."""

    function: str
    before: str
    after: str

    @property
    def only_words(self) -> bool:
        """Whether nothing but sentences changed: string literals that hold a space."""
        old, new = _LITERAL.findall(self.before), _LITERAL.findall(self.after)
        if len(old) != len(new) or _LITERAL.sub("", self.before) != _LITERAL.sub("", self.after):
            return False
        return all(" " in text for text, other in zip(old, new, strict=True) if text != other)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every change was noticed or is explained."""
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to try again, such as bench.stats.interval.*; default: all")
    parser.add_argument("--children", type=int, default=1, help="processes at a time (default 1)")
    parser.add_argument("--report", action="store_true", help="only tell what the last run found")
    asked = parser.parse_args(arguments)
    os.nice(NICENESS)
    if not asked.report and not _run(asked.names, asked.children):
        return 2
    statuses = _statuses()
    changes = {name: change_of(name, _mutmut("show", name)) for name, kind in statuses.items() if kind in UNNOTICED}
    return _report(statuses, changes, read_explained(EXPLAINED), partial=bool(asked.names))


def _run(names: Sequence[str], children: int) -> bool:
    if names:
        (COPY / "mutmut-stats.json").unlink(missing_ok=True)  # which tests run a function: they may have changed
    else:
        shutil.rmtree(COPY, ignore_errors=True)  # results of earlier tests would be kept
    command = [MUTMUT, "run", "--max-children", str(children), *names]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _mutmut(*arguments: str) -> str:
    return subprocess.run([MUTMUT, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _statuses() -> dict[str, str]:
    lines = _mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if "__mutmut_" in line)


def function_of(mutant: str) -> str:
    """`bench.a.x_name__mutmut_3` is of `bench.a.name`, `bench.a.xǁKindǁname__mutmut_3` of `bench.a.Kind.name`."""
    module, _, mangled = mutant.rpartition("__mutmut_")[0].rpartition(".")
    plain = mangled.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled.removeprefix("x_")
    return f"{module}.{plain}"


def change_of(mutant: str, shown: str) -> Change:
    """From what `mutmut show` prints: a heading and a unified diff of one function."""
    lines = [line for line in shown.splitlines() if not line.startswith(("--- ", "+++ "))]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(function_of(mutant), before, after)


def read_explained(path: Path) -> dict[Change, str]:
    """Survivors that may stay, each with its reason."""
    listed = tomllib.loads(path.read_text("utf-8"))["explained"]
    return {Change(one["function"], one["before"], after): one["reason"] for one in listed for after in one["after"]}


def table(statuses: Mapping[str, str], texts: Iterable[str]) -> list[str]:
    """One Markdown row per module and one for all. `texts` are mutants of which only words changed."""
    words = set(texts)
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for name, status in statuses.items():
        modules[name.rpartition(".")[0]][TEXT if name in words else status] += 1
    total: Counter[str] = sum(modules.values(), Counter())
    known = [*COLUMNS, *sorted(set(total) - set(COLUMNS))]
    rows = [["module", "mutants", *known], ["---", *["---:"] * (len(known) + 1)]]
    for module, counts in [*sorted(modules.items()), ("**all**", total)]:
        rows.append([module, str(counts.total()), *(str(counts[column]) for column in known)])
    return [f"| {' | '.join(row)} |" for row in rows]


def _report(
    statuses: Mapping[str, str], changes: Mapping[str, Change], explained: Mapping[Change, str], *, partial: bool
) -> int:
    texts = [name for name, change in changes.items() if change.only_words]
    _say(*table(statuses, texts), "")
    kept = {name: change for name, change in changes.items() if name not in set(texts)}
    unexplained = {name: change for name, change in kept.items() if change not in explained}
    for name, change in sorted(unexplained.items()):
        _say(f"{statuses[name]}, not explained: {name}", f"  - {change.before}", f"  + {change.after}")
    checked = [name for name, status in statuses.items() if status != "not checked"]
    whole = len(checked) == len(statuses)
    if whole:
        for change in sorted(set(explained) - set(kept.values())):
            _say(f"explained, but noticed or no longer made: {change.function}: {change.before} → {change.after}")
    _say(
        f"{len(checked):,} of {len(statuses):,} mutants checked, {len(kept) - len(unexplained):,} survivors explained, "
        f"{len(unexplained):,} not"
    )
    return 1 if unexplained else 0 if whole or partial else 2


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
