from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.cli import watch as module
from bench.cli.main import app
from bench.cli.watch import fetched
from bench.cli.watch_view import PlainWatch, latency, picture, plain_line, shown_live, sparkline
from bench.model.clock import NS_PER_S
from bench.model.errors import ConfigurationError
from bench.telemetry.address import announced
from bench.telemetry.live_data import FinishedTrial, LiveData, LiveSeries
from tests.support.live_samples import RUN, START_NS, healthy, stalled

runner = CliRunner()


def series_after(seconds: int, stalled_from: int | None = None) -> LiveSeries:
    series = LiveSeries()
    for second in range(seconds + 1):
        still = stalled_from is None or second <= stalled_from
        series.add(RUN, healthy(second) if still else stalled(second, stalled_from or 0))
    return series


def data_after(seconds: int, stalled_from: int | None = None, late_s: int = 0) -> LiveData:
    return series_after(seconds, stalled_from).data(START_NS + (seconds + late_s) * NS_PER_S)


def shown(data: LiveData, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(data, width))
    return capture.get()


class Endpoint:
    """Answers each request with the next of `answers` (status, body), the last one for ever."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None: ...

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def endpoints() -> Iterator[list[Endpoint]]:
    made: list[Endpoint] = []
    yield made
    for endpoint in made:
        endpoint.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.0)
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "state"))


# --- what it shows


def test_the_picture_answers_the_three_questions_and_holds_the_figures() -> None:
    text = shown(data_after(30))
    for words in (
        "transfer on simulated, trial 1 of 5, measure, 0:30, 0:30 of load left",
        "Is the ledger alive? ✓ Yes Block 130 came 0.2 s ago.",
        "Is it keeping up?    ✓ Yes",
        "Is it us?            ✓ No",
        "planned 100, submitted 100, accepted 100, valid and final 100",
        "p50 785 ms, p95 890 ms, p99 899 ms",
        "100, at most 1,000",
        "130, 0.2 s old",
        "worker 40 %, observer 10 %, ledger 25 %",
        "none so far",
        "goodput over the last 0:30, up to 100/s",
    ):
        assert words in text


def test_a_stall_is_seen() -> None:
    text = shown(data_after(45, stalled_from=30))
    assert "✕ No" in text
    assert "1,600 writes wait" in text
    assert "valid and final 0" in text
    assert "▁▁▁" in text


def test_it_fits_eighty_columns() -> None:
    data = data_after(45, stalled_from=30)
    assert max(map(len, shown(data, 80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LiveSeries().data(0), "No data yet."),
        (data_after(20, late_s=8), "STALE: nothing was reported for 8 s"),
    ],
)
def test_no_data_and_old_data_are_said(data: LiveData, words: str) -> None:
    assert words in shown(data)


def test_the_end_is_said() -> None:
    series = series_after(20)
    series.trial_ended(FinishedTrial("simulated", 1, "invalid", 12.5, ("harness-bound: late",)))
    series.end("simulated transfer: invalid.")
    text = shown(series.data(START_NS))
    assert "The run has ended. simulated transfer: invalid." in text
    assert "trial 1 on simulated invalid, goodput 12.5/s; harness-bound: late" in text


def test_control_characters_do_not_reach_the_terminal() -> None:
    series = LiveSeries()
    hostile = replace(RUN, ledger="\x1b]0;taken\x07", run_id="\x1b[2J")
    series.add(hostile, replace(healthy(5), errors={"\x1b[31mred": 3}))
    series.trial_ended(FinishedTrial("x", 1, "valid", 1.0, ("\x1b[5m",)))
    data = series.data(START_NS)
    for text in (shown(data), plain_line(data)):
        assert "\x1b" not in text
        assert "\x07" not in text


def test_a_line_says_all_that_matters() -> None:
    assert plain_line(data_after(45, stalled_from=30)) == (
        "transfer on simulated, trial 1 of 5, measure, 0:45, 0:15 of load left: planned 100/s, valid and final 0/s, "
        "finality p99 –, in flight 1,600; Is the ledger alive? No (Block 130 came 15 s ago, and 1,600 writes wait for "
        "another.); Is it keeping up? No (1,500 of 3,000 writes planned in the last 30 s became final, and ever more "
        "are in flight (1,600).); Is it us? No"
    )


def test_lines_come_every_five_seconds_and_at_once_when_something_changes() -> None:
    lines: list[str] = []
    now = 0
    plain = PlainWatch(lines.append, lambda: now)
    healthy_data, stalled_data = data_after(30), data_after(45, stalled_from=30)
    for second in range(12):
        now = second * NS_PER_S
        plain.show(healthy_data)
    assert len(lines) == 3
    plain.show(stalled_data)
    plain.show(stalled_data)
    assert lines[3:] == [plain_line(stalled_data)]
    plain.show(replace(stalled_data, ended=True, outcome="valid."))
    assert "ENDED: valid." in lines[4]


def test_a_pipe_gets_lines() -> None:
    stream = io.StringIO()
    with shown_live(stream) as show:
        show(data_after(20))
    assert stream.getvalue() == plain_line(data_after(20)) + "\n"


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 5, ""),
        ([0, 50, 100], 5, "▁▅█"),
        ([0, 0, 100, 100, 50, 50], 3, "▁█▅"),
        ([100, 0, 0, 50, 50], 3, "█▁▅"),
        ([None, 100, None], 5, " █ "),
        ([200], 5, "█"),
    ],
)
def test_sparklines(values: list[float | None], width: int, expected: str) -> None:
    assert sparkline(values, width, top=100.0) == expected


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(None, "–"), (3.0, "< 10 ms"), (10.0, "10 ms"), (999.0, "999 ms"), (1_540.0, "1.5 s")]
)
def test_latencies_read_well(milliseconds: float | None, text: str) -> None:
    assert latency(milliseconds) == text


# --- where it looks


def test_what_is_served_is_read_as_it_was(endpoints: list[Endpoint]) -> None:
    data = data_after(20)
    endpoints.append(Endpoint((200, data.to_json())))
    assert fetched(endpoints[0].url) == replace(data, points=list(data.points))


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"", "it answers 404"),
        (200, b"<html>", "cannot be read"),
        (200, b"[]", "cannot be read"),
        (200, b'{"schema": 99}', "schema 99, not 1"),
        (200, b'{"schema": 1, "series": {"at_s": [1]}, "errors": []}', "cannot be read"),
    ],
)
def test_what_is_no_run_is_told_from_one(endpoints: list[Endpoint], status: int, body: bytes, why: str) -> None:
    endpoints.append(Endpoint((status, body)))
    with pytest.raises(ConfigurationError, match=why):
        fetched(endpoints[0].url)


def test_nobody_there_is_no_answer(endpoints: list[Endpoint]) -> None:
    gone = Endpoint((200, b""))
    gone.close()
    assert fetched(gone.url) is None
    result = runner.invoke(app, ["watch", gone.url])
    assert isinstance(result.exception, ConfigurationError)
    assert "nothing answers there" in str(result.exception)
    assert "is the run still on?" in str(result.exception)


@pytest.mark.parametrize("url", ["ftp://host/", "http://", "http://host:port/", "http://host/?a=1", "http://[::1/", ""])
def test_what_is_no_address_is_said(url: str) -> None:
    result = runner.invoke(app, ["watch", url])
    assert isinstance(result.exception, ConfigurationError)
    assert "not an address of a run" in str(result.exception)


def test_without_a_run_it_says_how_to_start_one() -> None:
    result = runner.invoke(app, ["watch"])
    assert isinstance(result.exception, ConfigurationError)
    assert "no run that can be watched is on here" in str(result.exception)
    assert "--live" in str(result.exception)


def test_one_snapshot_as_json_from_the_run_on_this_machine(endpoints: list[Endpoint]) -> None:
    data = data_after(20)
    endpoints.append(Endpoint((200, data.to_json())))
    with announced(endpoints[0].url):
        result = runner.invoke(app, ["watch", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(data.to_json())


def test_an_address_needs_no_scheme_and_no_slash(endpoints: list[Endpoint]) -> None:
    endpoints.append(Endpoint((200, data_after(20).to_json())))
    bare = endpoints[0].url.removeprefix("http://").rstrip("/")
    assert runner.invoke(app, ["watch", bare, "--json"]).exit_code == 0


def test_it_ends_when_the_run_has_ended(endpoints: list[Endpoint]) -> None:
    series = series_after(20)
    running = series.data(START_NS).to_json()
    series.end("simulated transfer: valid.")
    endpoints.append(Endpoint((200, running), (200, running), (200, series.data(START_NS).to_json())))
    result = runner.invoke(app, ["watch", endpoints[0].url])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert "ENDED: simulated transfer: valid." in lines[1]
    assert "the run has ended: simulated transfer: valid." in result.stderr


def test_it_ends_when_nobody_answers_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[LiveData | None] = [data_after(20), None, data_after(21), None, None, None]
    monkeypatch.setattr(module, "fetched", lambda address: answers.pop(0))
    result = runner.invoke(app, ["watch", "http://127.0.0.1:1/"])
    assert result.exit_code == 0
    assert answers == []
    assert "no answer any more: the run has ended or was stopped" in result.stderr
