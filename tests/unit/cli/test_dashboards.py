"""`bench.py dashboards`: what is printed, and which code it ends in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cli.fault import run_to_exit_code
from bench.cli.main import app
from tests.support.grafana_stub import TOKEN, GrafanaStub, grafana_stub

SAMPLE = next((Path(__file__).parents[3] / "results" / "sample").glob("*-smallbank-anvil-*"))
PROMETHEUS = "http://127.0.0.1:9090"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaStub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("BENCH_GRAFANA_TOKEN", TOKEN)
    with grafana_stub() as state:
        monkeypatch.setenv("BENCH_GRAFANA_URL", state.url)
        yield state


def ended(*words: str) -> int:
    return run_to_exit_code(lambda: app(["dashboards", *words], prog_name="bench.py"))


def test_push_then_check(stub: GrafanaStub, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("push", "--folder", "Mine", "--prometheus", PROMETHEUS) == 0
    assert [each["title"] for each in stub.folders.values()] == ["Mine"]
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["WHAT", "NAME", "STATE", "DETAIL"]
    assert printed.count("created") == 6
    assert ended("check", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in found] == ["healthy", "same", "same", "same", "same"]


def test_check_ends_with_4_when_something_differs_and_says_what_to_do(
    stub: GrafanaStub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("check") == 4
    assert "dashboards push" in capsys.readouterr().err
    assert ended("push", "--prometheus", PROMETHEUS) == 0
    stub.dashboards["bench-run"]["dashboard"]["title"] = "Mine"
    assert ended("check") == 4
    assert "at title" in capsys.readouterr().out


def test_check_ends_with_4_when_the_data_source_does_not_work(stub: GrafanaStub) -> None:
    assert ended("push", "--prometheus", PROMETHEUS) == 0
    stub.unreachable.add(PROMETHEUS)
    assert ended("check") == 4


def test_check_ends_with_8_when_the_token_may_not_look(stub: GrafanaStub) -> None:
    assert ended("push") == 0
    stub.admin = False
    assert ended("check") == 8


def test_annotate(stub: GrafanaStub, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("annotate", str(SAMPLE)) == 0
    assert capsys.readouterr().out == "4 marks added, 0 were there\n"
    assert ended("annotate", str(SAMPLE), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"regions": 4, "added": 0}


def test_a_wrong_token_ends_with_2_and_is_not_shown(
    stub: GrafanaStub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_GRAFANA_TOKEN", "glsa_wrong")
    assert ended("push") == 2
    printed = capsys.readouterr()
    assert "(401)" in printed.err
    assert "glsa_wrong" not in printed.out + printed.err


def test_no_option_takes_a_token() -> None:
    import typer.main

    group = typer.main.get_command(app).commands["dashboards"]  # type: ignore[attr-defined]
    options = {option for command in group.commands.values() for each in command.params for option in each.opts}
    assert "--url" in options
    assert not any("token" in option or "password" in option or "key" in option for option in options)


def test_plain_http_across_a_network_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BENCH_GRAFANA_TOKEN", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert ended("check", "--url", "http://grafana.example.org") == 2
    assert "not https" in capsys.readouterr().err
