"""What is written into other files from the same tables: panels and native metrics in docs/dashboards.md, and the job
of Prometheus in the containers that reads nodes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

import yaml

from bench.telemetry.native import FAMILIES, NATIVE
from bench.telemetry.prometheus import node_job
from dashboards.generate.shell import Board

BY = "written by python -m dashboards.generate"
BEGIN = f"<!-- panels: {BY} -->"
END = "<!-- panels: end -->"
NATIVE_BEGIN = f"<!-- native metrics: {BY} -->"
NATIVE_END = "<!-- native metrics: end -->"
JOB_BEGIN = f"  # nodes: {BY}"
JOB_END = "  # nodes: end"
IN_CONTAINERS = "harness:9464"
"""The name and port to which every container with a run answers."""


def with_tables(page: str, boards: Iterable[Board]) -> str:
    """`page` with everything between the marks replaced."""
    panels = "\n".join(_table(board) for board in boards)
    page = _between(page, NATIVE_BEGIN, NATIVE_END, f"\n\n{_native_table()}\n")
    return _between(page, BEGIN, END, f"\n\n{panels}\n")


def with_job(configuration: str) -> str:
    """Prometheus' configuration with the job that reads nodes replaced."""
    written = yaml.dump([node_job([IN_CONTAINERS])], Dumper=_Short, sort_keys=False, width=10_000)
    folded = re.sub(r'"([^"\n]{80,})"', lambda found: f'"{_wrapped(found[1])}"', written)
    return _between(configuration, JOB_BEGIN, JOB_END, f"\n{textwrap.indent(folded, '  ')}")


def _wrapped(names: str) -> str:
    """Over several lines, each ending in the backslash that makes YAML take the line's end and the indentation out."""
    spaced = textwrap.wrap(names.replace("|", "| "), width=100, break_long_words=False)
    return "\\\n      ".join(line.replace(" ", "") for line in spaced)


def _between(text: str, begin: str, end: str, new: str) -> str:
    head, found, rest = text.partition(begin)
    _, last, tail = rest.partition(end)
    if not found or not last:
        raise ValueError(f"the page lacks {begin.strip()} or {end.strip()}")
    return f"{head}{begin}{new}{end}{tail}"


def _table(board: Board) -> str:
    parts = [f"### {board.title}\n\n{board.text}\n"]
    for section in board.sections:
        parts.append(f"**{section.question}**\n\n| panel | what it shows |\n|---|---|")
        parts += [f"| {panel.title} | {panel.description} |" for panels in section.lines for panel in panels]
        parts.append("")
    return "\n".join(parts)


def _native_table() -> str:
    rows = ["| family | metric | kind | what | its labels | where and when |", "|---|---|---|---|---|---|"]
    for family in FAMILIES:
        for metric in (metric for metric in NATIVE if metric.family == family):
            labels = ", ".join(metric.labels) or "–"
            when = ", ".join(filter(None, (f"{metric.role}s" if metric.role else "", metric.when))) or "always"
            rows.append(f"| {family} | `{metric.name}` | {metric.kind} | {metric.help} | {labels} | {when} |")
    return "\n".join(rows)


class _Short(yaml.SafeDumper):
    """Long strings in quotes, where a line may end anywhere, and lists of words on one line."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        """As PyYAML does, but for the quotes."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if len(text) > 80 else None)

    def represent_sequence(
        self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        """On one line when it holds words only."""
        items = list(sequence)
        words = all(isinstance(each, str) for each in items)
        return super().represent_sequence(tag, items, flow_style=words or flow_style)


_Short.add_representer(str, _Short.represent_str)
