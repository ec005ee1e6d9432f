"""The live page in a real browser, fed with answers of the test's own: what it says when there is nothing to show, when
what it shows is old, at the end, and when somebody else's words come in.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.model.clock import NS_PER_S
from bench.telemetry.live_data import FinishedTrial, LiveSeries
from bench.telemetry.live_page import page
from tests.support.browser import dump_dom
from tests.support.live_samples import RUN, START_NS, healthy

pytestmark = pytest.mark.live

A_MOMENT = "--virtual-time-budget=2500"
A_MINUTE = "--virtual-time-budget=60000"
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"console.error('taken')\">"


@contextmanager
def served(*answers: bytes) -> Iterator[str]:
    """The page, and these answers one after the other; the last one for ever, `b""` is a refusal."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                body, kind = page(), "text/html; charset=utf-8"
            elif self.path == "/api/live.json":
                body, kind = (left.pop(0) if len(left) > 1 else left[0]), "application/json"
            else:
                body, kind = b"", ""
            self.send_response(200 if body else 503)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/"
        finally:
            http.shutdown()
            thread.join()


def series(seconds: int = 20) -> LiveSeries:
    made = LiveSeries()
    for second in range(seconds + 1):
        made.add(RUN, healthy(second))
    return made


def at(seconds: int) -> int:
    return START_NS + seconds * NS_PER_S


def banner(dom: str) -> tuple[str, str, bool]:
    """Its text, its class, and whether it is seen."""
    found = re.search(r'<p class="([^"]*)" id="banner"([^>]*)>(.*?)</p>', dom)
    assert found
    return found.group(3), found.group(1), "hidden" not in found.group(2)


def visit(tmp_path: Path, *answers: bytes, wait: str = A_MOMENT) -> str:
    with served(*answers) as url:
        seen = dump_dom(url, tmp_path / "profile", wait)
    assert [line for line in seen.complaints() if "503" not in line] == []
    return seen.output.decode()


def test_no_data_yet_is_said(tmp_path: Path) -> None:
    dom = visit(tmp_path, LiveSeries().data(0).to_json())
    assert banner(dom) == ("No data yet.", "banner", True)
    assert dom.count(">No data yet</text>") == 6
    assert dom.count('class="light unknown"') == 3


def test_a_healthy_run_needs_no_banner(tmp_path: Path) -> None:
    dom = visit(tmp_path, series().data(at(20)).to_json())
    assert banner(dom)[2] is False
    assert dom.count('class="light good"') == 3
    assert "<title>1/5 measure: transfer on simulated</title>" in dom


def test_stale_data_is_said_loudly(tmp_path: Path) -> None:
    dom = visit(tmp_path, series().data(at(32)).to_json())
    assert banner(dom) == ("Stale: nothing was reported for 12 s. What you see is old.", "banner bad", True)
    assert '<main id="main" class="old">' in dom
    assert "Our workers have not reported for 12 s." in dom


def test_the_end_is_said_and_stays_when_nobody_answers_any_more(tmp_path: Path) -> None:
    ended = series()
    ended.trial_ended(FinishedTrial("simulated", 1, "invalid", 12.5, ("harness-bound: late",)))
    ended.end("simulated transfer: invalid.")
    dom = visit(tmp_path, ended.data(at(20)).to_json(), b"", wait=A_MINUTE)
    text, kind, seen = banner(dom)
    assert (text, kind, seen) == (
        "The run has ended. simulated transfer: invalid. This is how it was last.",
        "banner over",
        True,
    )
    assert '<td class="invalid">invalid</td>' in dom
    assert "harness-bound: late" in dom


def test_a_run_that_does_not_answer_any_more_is_said_and_its_lights_go_out(tmp_path: Path) -> None:
    healthy_run = series().data(at(20)).to_json()
    dom = visit(tmp_path, healthy_run, healthy_run, b"", wait=A_MINUTE)
    text, kind, seen = banner(dom)
    assert re.fullmatch(r"No answer for \d+ s: the run has ended or was stopped. What you see is old.", text)
    assert (kind, seen) == ("banner bad", True)
    assert dom.count('class="light unknown"') == 3
    assert '<main id="main" class="old">' in dom


def test_one_lost_answer_is_no_news(tmp_path: Path) -> None:
    healthy_run = series().data(at(20)).to_json()
    dom = visit(tmp_path, healthy_run, b"", b"", healthy_run, wait="--virtual-time-budget=9000")
    assert banner(dom)[2] is False
    assert dom.count('class="light good"') == 3


def test_what_somebody_else_wrote_stays_text(tmp_path: Path) -> None:
    made = LiveSeries()
    hostile = replace(RUN, run_id=HOSTILE, ledger=HOSTILE, workload=HOSTILE, version=HOSTILE)
    for second in range(8):
        made.add(hostile, replace(healthy(second), phase=HOSTILE, errors={HOSTILE: 3}))
    made.trial_ended(FinishedTrial(HOSTILE, 1, HOSTILE, 1.0, (HOSTILE,)))
    made.end(HOSTILE)
    dom = visit(tmp_path, made.data(at(8)).to_json())
    assert dom.count("<script") == 1
    assert "<img" not in dom
    assert "&lt;img src=x" in dom
    assert "<title>taken" not in dom
