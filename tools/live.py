"""A run to watch: Prometheus with the alert rules, Grafana where it is installed, and a scenario; all ends together.

Run by `make live`. Everything listens on 127.0.0.1 only, keeps its data in one temporary directory, and is gone
afterwards; the run's bundle stays in results/.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import yaml

from bench.ledgers.ports import free_port
from bench.ledgers.process import spawn, wait_ready
from bench.model.errors import BenchError, ExitCode
from bench.telemetry.prometheus import start, start_alertmanager

ROOT = Path(__file__).resolve().parents[1]
DASHBOARDS = ROOT / "dashboards"
SCENARIO = ROOT / "examples" / "smallbank.yaml"
HOST = "127.0.0.1"
GRAFANA_HOMES = (
    "/usr/share/grafana",
    "/opt/homebrew/opt/grafana/share/grafana",
    "/usr/local/opt/grafana/share/grafana",
)
GRAFANA_READY_S = 90.0  # its first start builds its database


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring all up, run, take all down; returns the run's exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-live-") as place, contextlib.ExitStack() as running:
            metrics = f"{HOST}:{free_port(HOST)}"
            _bring_up(Path(place), metrics, options.webhook, running)
            code = _run([*options.run, "--live", "--metrics-listen", metrics])
            if options.stay and code != ExitCode.INTERRUPTED:
                _say("the run has ended; its graphs stay until Ctrl-C")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
            return code
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return int(error.exit_code)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/live.py", description=__doc__)
    parser.add_argument("--webhook", metavar="URL", help="where alerts are posted; without it nobody is told")
    stays = "keep the graphs until Ctrl-C when the run has ended (default: where somebody sits at a terminal)"
    parser.add_argument("--stay", action=argparse.BooleanOptionalAction, default=sys.stdin.isatty(), help=stays)
    parser.add_argument("run", nargs="*", help="arguments of `bench.py run`, after `--` where they begin with a dash")
    found = parser.parse_args(arguments)
    found.run = found.run or [str(SCENARIO)]
    return found


def _bring_up(place: Path, metrics: str, webhook: str | None, running: contextlib.ExitStack) -> None:
    alerts = None
    if webhook is not None:
        alerts = running.enter_context(start_alertmanager(place / "alertmanager", webhook, progress=_say)).url
    server = running.enter_context(
        start(place / "prometheus", [metrics], nodes_of=[metrics], alertmanager_url=alerts, progress=_say),
    )
    grafana = shutil.which("grafana-server")
    if grafana is not None:
        address = running.enter_context(_grafana(grafana, place / "grafana", server.url))
        _say(f"Grafana         {address}/dashboards   the four dashboards, no login")
    else:
        _say("Grafana         not installed here (see docs/operate.md); the run's own page shows the core")
    _say(f"Prometheus      {server.url}   queries, targets, alerts")
    if alerts is not None:
        _say(f"Alertmanager    {alerts}   posts to the webhook")
    _say(f"the run         http://{metrics}   its page and its metrics, from its start to its end")


def _run(arguments: Sequence[str]) -> int:
    """`bench.py run` in a process group of its own: it hears of Ctrl-C from us, once for each time we do."""
    child = subprocess.Popen([sys.executable, str(ROOT / "bench.py"), "run", *arguments], process_group=0)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGINT)


@contextlib.contextmanager
def _grafana(program: str, directory: Path, prometheus_url: str) -> Iterator[str]:
    """A Grafana that shows `DASHBOARDS` to whoever looks. Nobody knows the password, so nobody changes anything."""
    port = free_port(HOST)
    provisioning = directory / "provisioning"
    for name, content in grafana_provisioning(prometheus_url).items():
        (provisioning / name).mkdir(parents=True)
        (provisioning / name / "bench.yml").write_text(yaml.safe_dump(content))
    home = next((path for path in GRAFANA_HOMES if Path(path).is_dir()), None)
    command = [program, *([] if home is None else ["--homepath", home])]
    environment = {**os.environ, **grafana_environment(directory, port)}
    process = spawn(command, directory=directory, name="grafana", environment=environment)
    try:
        wait_ready(process, lambda: _answers(port), GRAFANA_READY_S, "grafana")
        yield f"http://{HOST}:{port}"
    finally:
        process.stop()


def grafana_provisioning(prometheus_url: str) -> Mapping[str, object]:
    """Files that Grafana reads when it starts, by the folder they are in: our data source and our dashboards."""
    source = {
        "name": "Prometheus (bench)",
        "uid": "bench-prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus_url,
        "isDefault": True,
        "jsonData": {"timeInterval": "1s"},
    }
    provider = {
        "name": "ledger-bench",
        "folder": "Ledger benchmarks",
        "type": "file",
        "allowUiUpdates": True,
        "options": {"path": str(DASHBOARDS)},
    }
    return {
        "datasources": {"apiVersion": 1, "datasources": [source]},
        "dashboards": {"apiVersion": 1, "providers": [provider]},
    }


def grafana_environment(directory: Path, port: int) -> dict[str, str]:
    """Settings of a Grafana that lives in `directory` only and talks to nobody outside."""
    return {
        "GF_PATHS_DATA": str(directory / "data"),
        "GF_PATHS_LOGS": str(directory / "logs"),
        "GF_PATHS_PLUGINS": str(directory / "plugins"),
        "GF_PATHS_PROVISIONING": str(directory / "provisioning"),
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SECURITY_ADMIN_PASSWORD": secrets.token_urlsafe(16),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "1s",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    }


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(f"live: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
