"""The documents are true where a program can tell: links, commands, options, dependencies, bounds, the sample."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer.main

import bench
from bench.bundle.verify import verify
from bench.cli.main import app
from bench.measure.inputs import Limits
from bench.stats.percentiles import SHARES, minimal_count

ROOT = Path(__file__).resolve().parents[3]
SKIPPED = {"node_modules", "build", "dist"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"bench\.py ((?:[a-z]+ ?){0,2})([^`\n|#]*)")
NOT_OURS = ("http://", "https://", "mailto:")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|work|home|tmp|Users)/")


def pages() -> list[Path]:
    """Every document of the repository; runs that somebody keeps in results/ are not ours."""
    found = []
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") or part in SKIPPED for part in parts)
        foreign = parts[0] == "results" and len(parts) > 2 and parts[1] != "sample"
        if not hidden and not foreign:
            found.append(path)
    return found


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What headings are called in links: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path, root: Path = ROOT) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if target.startswith(NOT_OURS):
            continue
        name, _, anchor = unquote(target).partition("#")
        goal = (page.parent / name).resolve() if name else page
        if not goal.exists() or not goal.is_relative_to(root):
            yield f"{target}: nothing there"
        elif anchor and anchor not in anchors(goal):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading, here\n[gone](gone.md) [here](#a-heading-here) [not](#nowhere) [out](https://a.b)\n")
    assert list(broken_links(page, tmp_path)) == ["gone.md: nothing there", "#nowhere: no such heading"]


def options_of(words: list[str]) -> set[str] | None:
    """The options of the command that `words` begin with; None when there is no such command."""
    command = typer.main.get_command(app)
    for word in words:
        inner = getattr(command, "commands", None)
        if inner is None:
            break
        if word not in inner:
            return None
        command = inner[word]
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_command_and_option_that_is_printed_exists(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    for words, rest in COMMAND.findall(text):
        known = options_of(words.split())
        assert known is not None, f"bench.py {words}"
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", rest)) - known - {"--version"}
        assert not unknown, f"bench.py {words}{rest}"


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"`bench.py {name}`" in text


@pytest.mark.parametrize("page", pages(), ids=named)
def test_no_path_of_a_machine_is_printed(page: Path) -> None:
    assert MACHINE_PATHS.findall(page.read_text()) == []


def project() -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def test_versions_agree() -> None:
    assert project()["version"] == bench.__version__
    assert f"## {bench.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_dependency_has_a_row_with_its_version_and_nothing_else_has_one() -> None:
    about = project()
    wanted = [*about["dependencies"], *about["optional-dependencies"]["dev"]]  # type: ignore[misc,index,call-overload]
    names = {re.split(r"[=<>~! ]", name)[0] for name in wanted}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().partition("## Not from Python")[0]
    rows = dict(re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", page, re.MULTILINE))
    assert rows == {name: pinned[name.lower()] for name in names}


def test_the_bounds_on_the_measurement_page_are_those_of_the_code() -> None:
    text = " ".join((ROOT / "docs" / "measurement.md").read_text().split())
    limits = Limits()
    assert f"≤ {limits.submit_lag_p99_ns / 1e6:g} ms | `limits.submit_lag_p99`" in text
    assert f"< {limits.worker_cpu_percent:g} % of a core | `limits.worker_cpu_percent`" in text
    assert f"≥ {limits.sent_share * 100:g} % | `limits.sent_share`" in text
    counts = {name: minimal_count(name) for name in SHARES}
    assert counts == {"p50": 20, "p90": 100, "p95": 200, "p99": 1_000, "p999": 10_000}
    assert "20 samples for p50, 100 for p90, 200 for p95, 1,000 for p99, 10,000 for p99.9" in text


SAMPLES = sorted(path.parent for path in (ROOT / "results" / "sample").glob("*/result.json"))


def test_there_is_a_small_sample() -> None:
    assert len(SAMPLES) == 2
    assert sum(path.stat().st_size for path in (ROOT / "results" / "sample").rglob("*")) < 400_000
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.stat().st_size < 300_000


@pytest.mark.parametrize("bundle", SAMPLES, ids=lambda path: path.name)
def test_the_sample_is_whole_and_names_no_machine(bundle: Path) -> None:
    assert verify(bundle) == []
    for path in bundle.iterdir():
        if path.suffix != ".parquet":
            assert MACHINE_PATHS.findall(path.read_text()) == [], path.name
