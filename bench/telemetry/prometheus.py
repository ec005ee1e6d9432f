"""A Prometheus, and an Alertmanager, of our own on loopback: generated configuration, readiness, logs, end.

Each lives in one directory with its data and its log, and ends with this process, however that happens
(`bench.ledgers.process`). Where the programs come from: `bench.telemetry.packages`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench.ledgers.install.debian import MOVED_TO, Found
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess, spawn, wait_ready
from bench.ledgers.protocol import Progress
from bench.model.errors import ConfigurationError, HarnessError, LedgerError
from bench.telemetry.native import FAMILIES, JOB, kept
from bench.telemetry.packages import install
from bench.telemetry.query import PrometheusApi
from bench.telemetry.scrape_targets import PATH

RULES = Path(__file__).resolve().parents[2] / "docker" / "prometheus" / "rules"
"""Recording and alerting rules; the containers use the same files."""
SCRAPE_INTERVAL = "1s"
SCRAPE_TIMEOUT = "900ms"
_HOST = "127.0.0.1"
_READY_S = 30.0
_RETENTION = ("--storage.tsdb.retention.time=1d", "--storage.tsdb.retention.size=1GB")


@dataclass(frozen=True, slots=True)
class Target:
    """One address, `host:port`, that Prometheus reads every second. `labels` are put on all its series."""

    address: str
    job: str = "bench"
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = "/metrics"


class Server(PrometheusApi):
    """A running program with an address; what Prometheus can be asked, it can be asked here. Ends with its `with`."""

    def __init__(self, process: NodeProcess, url: str) -> None:
        super().__init__(url)
        self.process = process

    @property
    def log_path(self) -> Path:
        """What it wrote."""
        return self.process.log_path

    def stop(self) -> None:
        """End it; once is enough, twice does no harm. Its directory stays."""
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def quiet(_line: str) -> None:
    """Progress that nobody sees."""


def start(
    directory: Path,
    targets: Sequence[str | Target],
    *,
    nodes_of: Sequence[str] = (),
    rules: bool = True,
    alertmanager_url: str | None = None,
    progress: Progress = quiet,
) -> Server:
    """A Prometheus on a free port of 127.0.0.1 that has read each of `targets` once (or met nobody there), and goes on
    doing so every second. It takes some 5 s to begin.

    `nodes_of`: addresses of live servers that say where their ledgers' nodes have metrics; they are asked every second
    and the nodes read as well. `rules`: with the rules in `RULES`. The program is fetched when this machine has none.
    Raises HarnessError.
    """
    found = install("prometheus", progress)
    directory.mkdir(parents=True, exist_ok=True)
    written = directory / "prometheus.yml"
    written.write_text(yaml.safe_dump(configuration(targets, rules, alertmanager_url, nodes_of), sort_keys=False))
    port = free_port(_HOST)
    command = [
        str(found.path),
        f"--config.file={written.absolute()}",
        f"--storage.tsdb.path={(directory / 'data').absolute()}",
        *_RETENTION,
        f"--scrape.discovery-reload-interval={SCRAPE_INTERVAL}",  # hidden, but there in 2.42 and 3
        f"--web.listen-address={_HOST}:{port}",
        "--log.level=warn",
        *_pages(found),
    ]
    addresses = {one if isinstance(one, str) else one.address for one in targets}
    return _started(command, directory, "prometheus", port, lambda server: _has_read(server, addresses))


def start_alertmanager(directory: Path, webhook_url: str, *, progress: Progress = quiet) -> Server:
    """An Alertmanager that posts every alert, and its end, to `webhook_url`; on a free port of 127.0.0.1.

    The program is fetched when this machine has none. Raises HarnessError.
    """
    found = install("alertmanager", progress)
    directory.mkdir(parents=True, exist_ok=True)
    written = directory / "alertmanager.yml"
    written.write_text(yaml.safe_dump(alert_routing({"url": webhook_url}), sort_keys=False))
    written.chmod(0o600)  # such addresses often hold a token
    port = free_port(_HOST)
    command = [
        str(found.path),
        f"--config.file={written.absolute()}",
        f"--storage.path={(directory / 'data').absolute()}",
        f"--web.listen-address={_HOST}:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    if found.moved is not None and not (link := directory / MOVED_TO).exists():
        link.symlink_to(found.moved)
    return _started(command, directory, "alertmanager", port, PrometheusApi.ready)


def configuration(
    targets: Sequence[str | Target], rules: bool, alertmanager_url: str | None, nodes_of: Sequence[str] = ()
) -> dict[str, Any]:
    """Prometheus' configuration as plain values: one job for each name that `targets` have, and one for the nodes that
    those in `nodes_of` tell of.
    """
    jobs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for target in (Target(one) if isinstance(one, str) else one for one in targets):
        group = {"targets": [target.address], "labels": dict(target.labels)}
        jobs.setdefault((target.job, target.path), []).append(group)
    written: dict[str, Any] = {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "scrape_timeout": SCRAPE_TIMEOUT,
            "evaluation_interval": SCRAPE_INTERVAL,
            "external_labels": {"monitor": "ledger-bench"},
        },
        "scrape_configs": [
            {"job_name": job, "metrics_path": path, "static_configs": groups} for (job, path), groups in jobs.items()
        ],
    }
    if nodes_of:
        written["scrape_configs"].append(node_job(nodes_of))
    if rules:
        if not RULES.is_dir():
            raise ConfigurationError(
                "the rules are not beside this installation", value=str(RULES), remedy="work in a checkout"
            )
        written["rule_files"] = [str(RULES / "*.yml")]
    if alertmanager_url is not None:
        address = alertmanager_url.removeprefix("http://").rstrip("/")
        written["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}
    return written


def node_job(nodes_of: Sequence[str]) -> dict[str, Any]:
    """The job that reads nodes: it asks each live server every second where they are, and keeps the declared metrics.

    A rule for each family marks what it keeps; then what has no mark is dropped, and the mark is taken off.
    """
    mark = "__tmp_kept"
    marks = [
        {"source_labels": ["__name__"], "regex": kept(family), "target_label": mark, "replacement": family}
        for family in FAMILIES
    ]
    return {
        "job_name": JOB,
        "http_sd_configs": [
            {"url": f"http://{address}{PATH}", "refresh_interval": SCRAPE_INTERVAL} for address in nodes_of
        ],
        "metric_relabel_configs": [
            *marks,
            {"source_labels": [mark], "regex": ".+", "action": "keep"},
            {"regex": mark, "action": "labeldrop"},
        ],
    }


def alert_routing(webhook: Mapping[str, str]) -> dict[str, Any]:
    """Alertmanager's configuration as plain values: one message per alert and run, at once, and one when it ends.

    `webhook` says where to: {"url": …}, or {"url_file": …} for newer versions.
    """
    return {
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname", "run_id"],
            "group_wait": "1s",
            "group_interval": "5s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{**webhook, "send_resolved": True}]}],
    }


def _pages(found: Found) -> list[str]:
    """Where Debian's build has its web pages when it is not installed; other builds hold them themselves."""
    assets = None if found.tree is None else found.tree / "usr" / "share" / "prometheus" / "web"
    return [f"--web.local-assets={assets}/"] if assets is not None and assets.is_dir() else []


def _has_read(server: PrometheusApi, addresses: set[str]) -> bool:
    if not server.ready():
        return False
    active = server.get("/api/v1/targets", state="active")["activeTargets"]
    return addresses <= {one["discoveredLabels"]["__address__"] for one in active if one["health"] != "unknown"}


def _started(command: Sequence[str], directory: Path, name: str, port: int, ready: Callable[[Server], bool]) -> Server:
    one_core = {**os.environ, "GOMAXPROCS": "1"}  # the other cores are for the load and the ledger
    try:
        process = spawn(command, directory=directory, name=name, environment=one_core)
    except LedgerError as error:  # `process` speaks of nodes
        raise HarnessError(error.what, value=error.value, remedy=f"put another {name} on PATH") from error
    server = Server(process, f"http://{_HOST}:{port}")
    try:
        wait_ready(process, lambda: ready(server), _READY_S, name)
    except LedgerError as error:
        server.stop()
        raise HarnessError(error.what, value=error.value, remedy=error.remedy) from error
    except BaseException:
        server.stop()
        raise
    return server
