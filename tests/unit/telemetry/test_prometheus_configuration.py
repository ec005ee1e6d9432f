"""What is generated for our own servers, and that the containers' files say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.model.errors import ConfigurationError
from bench.telemetry import prometheus
from bench.telemetry.prometheus import RULES, Target, alert_routing, configuration

DOCKER = Path(__file__).resolve().parents[3] / "docker"


def test_one_job_for_each_name_with_every_target_in_it() -> None:
    written = configuration(
        [
            "127.0.0.1:1",
            Target("127.0.0.1:2", "geth", {"node": "n0"}, "/debug"),
            Target("127.0.0.1:3", "geth", path="/debug"),
        ],
        rules=False,
        alertmanager_url=None,
    )
    assert written == {
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "900ms",
            "evaluation_interval": "1s",
            "external_labels": {"monitor": "ledger-bench"},
        },
        "scrape_configs": [
            {
                "job_name": "bench",
                "metrics_path": "/metrics",
                "static_configs": [{"targets": ["127.0.0.1:1"], "labels": {}}],
            },
            {
                "job_name": "geth",
                "metrics_path": "/debug",
                "static_configs": [
                    {"targets": ["127.0.0.1:2"], "labels": {"node": "n0"}},
                    {"targets": ["127.0.0.1:3"], "labels": {}},
                ],
            },
        ],
    }


def test_the_container_reads_what_our_own_would() -> None:
    expected = configuration(
        ["harness:9464"], rules=True, alertmanager_url="http://alertmanager:9093/", nodes_of=["harness:9464"]
    )
    assert expected["rule_files"] == [str(RULES / "*.yml")]
    expected["rule_files"] = ["rules/*.yml"]
    assert yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text()) == expected


def test_the_container_routes_alerts_as_our_own_would() -> None:
    expected = alert_routing({"url_file": "/run/secrets/alert_webhook_url"})
    assert yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text()) == expected


def test_without_a_checkout_the_rules_are_asked_for_in_vain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prometheus, "RULES", tmp_path / "rules")
    with pytest.raises(ConfigurationError, match="not beside this installation"):
        configuration([], rules=True, alertmanager_url=None)
