"""The page as a file: it asks for nothing but the run's data, and nothing of that data can become markup or script."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import fields
from html.parser import HTMLParser

import pytest

from bench.model.buckets import LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_MS
from bench.telemetry.live_data import LiveSeries
from bench.telemetry.live_page import page
from bench.telemetry.live_sample import LOADED
from bench.telemetry.live_window import PERCENTILE_S, RATE_S, Point
from tests.support.live_samples import RUN, START_NS, healthy

PAGE = page().decode()
SCRIPT = PAGE[PAGE.index("<script>") + 8 : PAGE.index("</script>")]
STYLE = PAGE[PAGE.index("<style>") + 7 : PAGE.index("</style>")]


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags() -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(PAGE)
    return reader.tags


@pytest.mark.parametrize(("kind", "text"), [("script", SCRIPT), ("style", STYLE)])
def test_the_policy_allows_this_very_script_and_style(kind: str, text: str) -> None:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert f"{kind}-src 'sha256-{digest}'" in PAGE


def test_the_policy_allows_nothing_else() -> None:
    (policy,) = [each["content"] or "" for _, each in tags() if each.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert set(rules) == {"default-src", "base-uri", "form-action", "connect-src", "script-src", "style-src"}


def test_it_is_one_file() -> None:
    for tag, attributes in tags():
        assert not {"src", "href", "style", "srcset", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert set(re.findall(r"https?://[^\"'\s]+", PAGE)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(", STYLE)
    assert re.findall(r"fetch\(([^,)]+)", SCRIPT) == ['"api/live.json"']


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc", "DOMParser"],
)
def test_nothing_turns_text_into_markup(word: str) -> None:
    assert word not in SCRIPT


def test_what_the_script_reads_is_what_the_data_has() -> None:
    series = LiveSeries()
    series.add(RUN, healthy(1))
    totals = set(series.data(START_NS).totals)
    known = {field.name for field in fields(Point)}
    columns = set(re.findall(r'column\("(\w+)"\)', SCRIPT)) | set(re.findall(r'now\("(\w+)"\)', SCRIPT))
    summed = {name for group in re.findall(r"summed\(([^)]*)\)", SCRIPT) for name in re.findall(r'"(\w+)"', group)}
    assert columns | summed
    assert (columns | summed) - known == set()
    steps = SCRIPT[SCRIPT.index("const STEPS") : SCRIPT.index("];", SCRIPT.index("const STEPS"))]
    assert set(re.findall(r'\["(\w+)",', steps)) == totals
    for phase in ("setup", *LOADED, "done"):
        assert re.search(rf"\b{phase}: ", SCRIPT)


def test_what_it_says_of_its_figures_is_so() -> None:
    assert f"means over the last {RATE_S:.0f} s" in PAGE
    assert f"percentiles of the last {PERCENTILE_S:.0f} s" in PAGE
    assert f"LEAST_MS = {LATENCY_BUCKETS_NS[0] // NS_PER_MS};" in PAGE


def test_a_reader_without_eyes_is_thought_of() -> None:
    found = tags()
    assert ("html", {"lang": "en"}) in found
    assert {"header", "main", "footer", "h1", "h2", "caption", "noscript"} <= {tag for tag, _ in found}
    assert [each for _, each in found if each.get("role") == "alert"]
    assert [each for _, each in found if each.get("aria-live") == "polite"]
    assert all(each.get("scope") for tag, each in found if tag == "th")
