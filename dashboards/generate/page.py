"""The tables of docs/dashboards.md: what each panel shows, in the words the panel itself carries."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.generate.shell import Board

BEGIN = "<!-- panels: written by python -m dashboards.generate -->"
END = "<!-- panels: end -->"


def with_tables(page: str, boards: Iterable[Board]) -> str:
    """`page` with everything between the two marks replaced."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    tables = "\n".join(_table(board) for board in boards)
    return f"{head}{BEGIN}\n\n{tables}\n{END}{tail}"


def _table(board: Board) -> str:
    parts = [f"### {board.title}\n\n{board.text}\n"]
    for section in board.sections:
        parts.append(f"**{section.question}**\n\n| panel | what it shows |\n|---|---|")
        parts += [f"| {panel.title} | {panel.description} |" for panels in section.lines for panel in panels]
        parts.append("")
    return "\n".join(parts)
