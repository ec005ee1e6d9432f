"""A run whose ledger stalls, watched while it goes on: in a real browser and with `bench.py watch`."""

from __future__ import annotations

import io
import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from matplotlib import image

from bench.telemetry.live_data import LiveData
from tests.support.browser import Visit, dump_dom, requested_addresses, screenshot
from tests.support.cli import Cli, wait_for_line

pytestmark = pytest.mark.live

SETTLED = "--virtual-time-budget=2500"  # two or three rounds of the page's own clock
DARK = "--blink-settings=preferredColorScheme=0"
STALL = (5, 18)  # start and length in s, from the first write
SCENARIO = f"""
name: watched
workload: transfer
trials: 1
ledgers:
  - name: simulated
    options: {{block_interval_ms: 500, stalls: [[{STALL[0]}, {STALL[1]}]], fail: {{every: 40}}}}
arrival: {{process: constant, rate: 25}}
phases: {{warm_up: 3s, duration: 30s, drain: 15s}}
"""


@dataclass
class Seen:
    """What was seen of the one run, in its order."""

    url: str = ""
    stalled: Visit | None = None
    asked: list[str] = field(default_factory=list)
    shots: dict[str, bytes] = field(default_factory=dict)
    snapshot: str = ""
    recovered: LiveData | None = None
    run_code: int | None = None
    watched: subprocess.CompletedProcess[str] | None = None
    goodput: float = 0.0


def live(url: str) -> LiveData:
    with urllib.request.urlopen(f"{url}api/live.json", timeout=5) as answer:
        return LiveData.from_json(answer.read())


def wait_until(url: str, holds: Callable[[LiveData], bool], seconds: float) -> LiveData:
    deadline = time.monotonic() + seconds
    while not holds(data := live(url)):
        assert time.monotonic() < deadline, data
        time.sleep(0.3)
    return data


def look(seen: Seen, cli: Cli, directory: Path, state: str) -> None:
    """While the run goes on."""
    wait_until(seen.url, lambda data: data.lights[0].state == "bad", 60)
    seen.stalled = dump_dom(seen.url, directory / "dom", SETTLED)
    for name, size, flags in (
        ("light", (1280, 1700), [SETTLED]),
        ("dark", (1280, 1700), [SETTLED, DARK]),
        ("phone", (400, 900), [SETTLED]),
    ):
        seen.shots[name] = screenshot(seen.url, directory / name, *size, *flags)
    seen.snapshot = cli.run("watch", "--json", BENCH_STATE=state).stdout
    seen.asked = requested_addresses(seen.url, directory / "net", SETTLED)
    seen.recovered = wait_until(seen.url, lambda data: data.lights[0].state == "good", 60)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("watched")
    scenario = directory / "scenario.yaml"
    scenario.write_text(SCENARIO)
    cli, seen, state = Cli(directory), Seen(), str(directory / "state")
    try:
        run = cli.start("run", str(scenario), "--live", "--out", str(cli.out), BENCH_STATE=state)
        lines: list[str] = []
        wait_for_line(run, ["live: http://"], lines)
        seen.url = re.findall(r"http://\S+/", lines[-1])[0]
        draining = threading.Thread(target=lambda: [None for _ in run.stderr or ()])
        draining.start()
        watching = cli.start("watch", BENCH_STATE=state)
        look(seen, cli, directory, state)
        output, errors = watching.communicate(timeout=90)
        seen.watched = subprocess.CompletedProcess(watching.args, watching.returncode, output, errors)
        seen.run_code = run.wait(90)
        draining.join(10)
        seen.goodput = cli.only_bundle().result.trials[0].rates.goodput_per_s
        yield seen
    finally:
        cli.end()


def text_of(dom: str, element: str) -> str:
    """Text inside the element with this id."""
    found = re.search(rf'<(\w+)[^>]* id="{element}"[^>]*>(.*?)</\1>', dom, re.DOTALL)
    assert found, element
    return re.sub(r"<[^>]+>", " ", found.group(2))


def dom(seen: Seen) -> str:
    assert seen.stalled is not None
    return seen.stalled.output.decode()


def test_the_page_says_that_the_ledger_stalls_and_that_it_is_not_keeping_up(seen: Seen) -> None:
    lights = re.findall(r'<li class="light (\w+)"><h3>([^<]+)</h3>.*?class="answer">([^<]+)<', dom(seen))
    assert lights[:2] == [("bad", "Is the ledger alive?", "No"), ("bad", "Is it keeping up?", "No")]
    assert lights[2][1] == "Is it us?"
    assert lights[2][0] != "unknown"
    assert re.search(r"Block [\d,]+ came \d+ s ago, and [\d,]+ writes wait for another", text_of(dom(seen), "lights"))


def test_the_page_shows_run_trial_phase_and_figures(seen: Seen) -> None:
    assert text_of(dom(seen), "title") == "transfer on simulated"
    assert "version" in text_of(dom(seen), "facts")
    assert re.match(
        r"Trial 1 of 1: measure, 0:\d\d since the start signal, 0:\d\d of load left", text_of(dom(seen), "phase")
    )
    assert "reverted" in text_of(dom(seen), "errors")
    totals = text_of(dom(seen), "totals")
    assert re.search(r"Submitted\s+[1-9]", totals)
    assert re.search(r"Failed in a block\s+[1-9]", totals)
    assert re.search(r'id="banner"[^>]*hidden', dom(seen))


def test_every_chart_is_drawn_and_says_in_words_what_it_shows(seen: Seen) -> None:
    figures = re.findall(r'<figure id="chart-([\w-]+)".*?</figure>', dom(seen), re.DOTALL)
    assert figures == ["rates", "finality", "accept", "in-flight", "lag", "cpu"]
    for name in figures:
        chart = dom(seen)[dom(seen).index(f'id="chart-{name}"') :].split("</figure>")[0]
        assert re.search(r'<path class="c\d" d="M[^"]{40,}', chart), name
        assert re.search(r'aria-label="[^"]+\d', chart), name
        assert 'class="trial"' in chart
        assert 'class="warm_up"' in chart
        assert "NaN" not in chart


def test_nothing_complains_and_nothing_but_the_run_is_asked(seen: Seen) -> None:
    assert seen.stalled is not None
    assert seen.stalled.complaints() == []
    assert set(seen.asked) <= {seen.url, f"{seen.url}api/live.json", f"{seen.url}favicon.ico"}
    assert f"{seen.url}api/live.json" in seen.asked


@pytest.mark.parametrize("name", ["light", "dark", "phone"])
def test_something_is_seen_in_light_dark_and_on_a_phone(seen: Seen, name: str) -> None:
    picture: Any = image.imread(io.BytesIO(seen.shots[name]), format="png")[:, :, :3]
    corner = picture[0, 0]
    assert corner.max() < 0.2 if name == "dark" else corner.min() > 0.9
    assert 0.01 < (abs(picture - corner).max(axis=2) > 0.3).mean() < 0.5
    red = (picture[:, :, 0] > picture[:, :, 1] + 0.3) & (picture[:, :, 0] > picture[:, :, 2] + 0.3)
    assert red.mean() > 0.001  # two lights


def test_a_snapshot_is_the_document_that_the_page_gets(seen: Seen) -> None:
    read = json.loads(seen.snapshot)
    assert read["run"]["ledger"] == "simulated"
    assert read["lights"][0]["state"] == "bad"
    assert max(read["series"]["in_flight"]) > 100


def test_when_it_goes_on_the_light_changes_back(seen: Seen) -> None:
    data = seen.recovered
    assert data is not None
    assert data.lights[0].answer == "Yes"
    assert [span.phase for span in data.spans][:3] == ["setup", "warm_up", "measure"]


def test_the_terminal_follows_to_the_end(seen: Seen) -> None:
    assert seen.watched is not None
    lines = seen.watched.stdout.splitlines()
    assert seen.watched.returncode == 0, seen.watched.stderr
    assert any("alive? No" in line for line in lines)
    assert any("alive? Yes" in line for line in lines)
    assert "ENDED: simulated transfer:" in lines[-1]
    assert "the run has ended: simulated transfer:" in seen.watched.stderr
    assert seen.run_code in (0, 3)
