"""Templates in, text out. HTML escapes every value by itself, Markdown likewise; only finished drawings pass through.

Error messages, versions and flags come from ledgers that are not ours, so no value is trusted anywhere.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report import format as fmt
from bench.report.glossary import TERMS

TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = {
    "count": fmt.count,
    "number": fmt.number,
    "rate": fmt.rate,
    "milliseconds": fmt.milliseconds,
    "seconds": fmt.seconds,
    "size": fmt.size,
    "cpu": fmt.cpu,
    "percentile": fmt.percentile,
    "words": fmt.words,
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#!~&])")


def html(template: str, page: object) -> str:
    """A finished HTML page."""
    text = _html_environment().get_template(template).render(page=page, style=_style(), terms=TERMS)
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"


def markdown(template: str, page: object) -> str:
    """A finished Markdown page."""
    text = _markdown_environment().get_template(template).render(page=page, terms=TERMS)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def visible(value: str) -> str:
    """Without control and direction-changing characters, which could make a page say something else than its source."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)


def markdown_text(value: Any) -> Any:
    """A value as literal Markdown text on one line."""
    if not isinstance(value, str):
        return value
    return _MARKDOWN.sub(r"\\\1", " ".join(visible(value).split("\n")))


def markdown_code(value: str) -> Verbatim:
    """A value as a code span that it cannot leave, also inside a table."""
    plain = " ".join(visible(value).split("\n")).replace("`", "'").replace("|", "¦")
    return Verbatim(f"`{plain}`") if plain.strip() else Verbatim("—")


def markdown_block(value: str) -> Verbatim:
    """A value as an indented block, which nothing inside it can end."""
    return Verbatim("\n".join(f"    {visible(line)}" for line in value.splitlines()))


class Verbatim(str):
    """Markdown that is meant as such."""

    __slots__ = ()


@cache
def _html_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
    )
    environment.filters |= {**_FILTERS, "drawn": Markup}
    return environment


@cache
def _markdown_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Verbatim) else markdown_text(value),
        trim_blocks=True,
    )
    environment.filters |= {**_FILTERS, "code": markdown_code, "block": markdown_block, "verbatim": Verbatim}
    return environment


@cache
def _style() -> Markup:
    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
