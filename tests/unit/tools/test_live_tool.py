"""`tools/live.py`: what it starts, with what, in which order, and that all of it ends. The real ones: tests/live."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bench.model.errors import HarnessError

ROOT = Path(__file__).resolve().parents[3]


class Stub:
    """A server that notes its beginning and its end."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.url = f"http://127.0.0.1/{name}"
        self._name, self._log = name, log

    def __enter__(self) -> Stub:
        self._log.append(f"{self._name} up")
        return self

    def __exit__(self, *_: object) -> None:
        self._log.append(f"{self._name} down")


@pytest.fixture
def live() -> Iterator[ModuleType]:
    """The tool as a module; the signal handler it sets is taken back."""
    spec = importlib.util.spec_from_file_location("live_tool", ROOT / "tools" / "live.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before = signal.getsignal(signal.SIGTERM)
    yield module
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def log(live: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was started and ended; the run ends with code 4."""
    noted: list[str] = []

    def start(
        directory: Path,
        targets: Sequence[str],
        *,
        nodes_of: Sequence[str],
        alertmanager_url: str | None,
        progress: object,
    ) -> Stub:
        noted.append(f"targets {targets} nodes of {nodes_of} alerts {alertmanager_url}")
        return Stub("prometheus", noted)

    def run(arguments: Sequence[str]) -> int:
        noted.append(f"run {' '.join(arguments)}")
        return 4

    monkeypatch.setattr(live, "start", start)
    monkeypatch.setattr(live, "start_alertmanager", lambda directory, url, progress: Stub(f"alerts to {url}", noted))
    monkeypatch.setattr(live, "_run", run)
    monkeypatch.setattr(live, "free_port", lambda host: 4711)
    monkeypatch.setattr(live.shutil, "which", lambda name: None)
    return noted


def test_it_runs_the_first_scenario_and_ends_as_the_run_does(live: ModuleType, log: list[str]) -> None:
    assert live.main(["--no-stay"]) == 4
    assert log == [
        "targets ['127.0.0.1:4711'] nodes of ['127.0.0.1:4711'] alerts None",
        "prometheus up",
        f"run {ROOT / 'examples' / 'smallbank.yaml'} --live --metrics-listen 127.0.0.1:4711",
        "prometheus down",
    ]


def test_a_run_of_ones_own_with_alerts(live: ModuleType, log: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--no-stay", "--webhook", "http://127.0.0.1/hook", "--", "x.yaml", "--seed", "2"]) == 4
    assert log[0] == "alerts to http://127.0.0.1/hook up"
    assert "run x.yaml --seed 2 --live --metrics-listen 127.0.0.1:4711" in log
    assert log[-2:] == ["prometheus down", "alerts to http://127.0.0.1/hook down"]
    said = capsys.readouterr().out
    assert "Prometheus      http://127.0.0.1/prometheus" in said
    assert "the run         http://127.0.0.1:4711" in said


def test_all_ends_when_it_is_interrupted(live: ModuleType, log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: Sequence[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "_run", interrupted)
    assert live.main(["--no-stay"]) == 130
    assert log[-1] == "prometheus down"


def test_graphs_stay_until_ctrl_c_and_the_runs_code_is_kept(
    live: ModuleType, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause() -> None:
        assert log[-1].startswith("run ")
        raise KeyboardInterrupt

    monkeypatch.setattr(live.signal, "pause", pause)
    assert live.main(["--stay"]) == 4
    assert log[-1] == "prometheus down"


def test_nothing_stays_after_an_interrupted_run(
    live: ModuleType, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_run", lambda arguments: 130)
    assert live.main(["--stay"]) == 130
    assert log[-1] == "prometheus down"


def test_what_cannot_be_started_is_said_with_its_code(
    live: ModuleType, log: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object, **__: object) -> Stub:
        raise HarnessError("no prometheus", remedy="get one")

    monkeypatch.setattr(live, "start", start)
    assert live.main(["--no-stay"]) == 1
    assert "error: no prometheus\n  remedy: get one" in capsys.readouterr().err


def test_grafana_is_given_the_same_as_in_its_container(live: ModuleType, tmp_path: Path) -> None:
    made = live.grafana_provisioning("http://prometheus:9090")
    made["dashboards"]["providers"][0]["options"]["path"] = "/dashboards"
    for name, content in made.items():
        file = ROOT / "docker" / "grafana" / "provisioning" / name / "bench.yml"
        assert yaml.safe_load(file.read_text()) == content
    settings = live.grafana_environment(tmp_path, 4711)
    assert settings["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert len(settings["GF_SECURITY_ADMIN_PASSWORD"]) > 20
    paths = {value for name, value in settings.items() if name.startswith("GF_PATHS_")}
    assert all(value.startswith(str(tmp_path)) for value in paths)
