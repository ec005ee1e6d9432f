"""The containers' files, as far as they can be judged without an image: shape, pins, ports, secrets, references.

`docker compose config` judges them too, where it is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import bench
from bench import registry
from bench.cli.main import app
from bench.ledgers.anvil import VERSION, AnvilOptions
from bench.scenario.loader import load_scenario

DOCKER = Path(__file__).resolve().parents[3] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RUNS = [name for name in SERVICES if name.startswith("run-")]
EXAMPLE = dict(re.findall(r"^(\w+)=(.*)$", (DOCKER / ".env.example").read_text(), re.MULTILINE))
DOCKERFILE = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
KNOWN = {  # of the Compose Specification; what is not used here is not listed
    *("build", "cap_drop", "command", "depends_on", "deploy", "entrypoint", "environment", "healthcheck", "image"),
    *("init", "logging", "networks", "ports", "profiles", "restart", "secrets", "security_opt", "stop_grace_period"),
    "volumes",
}
IMAGE = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+[\w.-]*")


def words(command: str | list[str]) -> list[str]:
    """A command with the example's values in it."""
    filled = re.sub(
        r"\$\{(\w+):-([^}]*)\}", lambda found: found[2], command if isinstance(command, str) else " ".join(command)
    )
    return filled.split()


def in_dockerfile(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def test_the_file_holds_only_what_compose_knows() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "secrets", "volumes"}
    for name, service in SERVICES.items():
        assert set(service) <= KNOWN, name
        assert set(service["deploy"]["resources"]["limits"]) <= {"cpus", "memory"}


def test_there_is_the_watching_side_and_a_run_for_each_family() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert {name: SERVICES[name]["profiles"] for name in (*RUNS, "anvil")} == {
        "run-sql": ["sql"],
        "run-simulated": ["simulated"],
        "run-evm": ["evm"],
        "anvil": ["evm"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_checked_and_reached_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    assert IMAGE.fullmatch(service["image"]), service["image"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["deploy"]["resources"]["limits"]["memory"])
    assert "healthcheck" in service or service["build"]["target"] in ("harness", "anvil")
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_refers_to_exists(name: str) -> None:
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        assert target.startswith("/")
        assert mode in ([], ["ro"])
        assert (DOCKER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    for needed, how in service.get("depends_on", {}).items():
        assert needed in SERVICES
        assert how == {"condition": "service_healthy"}
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")
        assert any(stage.endswith(f"AS {service['build']['target']}") for stage in in_dockerfile("FROM"))


def test_our_images_carry_our_versions() -> None:
    assert {SERVICES[name]["image"] for name in RUNS} == {f"ledger-bench/harness:{bench.__version__}"}
    assert SERVICES["anvil"]["image"] == f"ledger-bench/anvil:{VERSION}"


def test_every_variable_has_a_line_in_the_example_and_no_secret_has_a_value() -> None:
    text = (DOCKER / "compose.yml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text)) | {one["environment"] for one in COMPOSE["secrets"].values()}
    assert used == set(EXAMPLE)
    assert EXAMPLE["GRAFANA_ADMIN_PASSWORD"] == ""
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text):
        assert EXAMPLE[name] == default
    assert not re.search(r"(?i)(password|token|secret|key)\w*: *[\"']?[0-9a-z]{8,}", text)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_uses_options_that_exist_and_serves_what_is_scraped(name: str) -> None:
    service = SERVICES[name]
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    given = [word for word in words(service["command"]) if word.startswith("--")]
    assert set(given) <= known
    assert words(service["command"])[-2:] == ["--metrics-listen", "0.0.0.0:9464"]
    assert service["networks"] == {"default": {"aliases": ["harness"]}}
    if "entrypoint" in service:
        script = (DOCKER.parent / service["entrypoint"][1]).read_text()
        assert set(re.findall(r"--[a-z-]+", script)) <= known
    else:
        assert words(service["command"])[0] == "run"
        scenario = load_scenario(DOCKER.parent / words(service["command"])[1])
        (family,) = service["profiles"]
        assert family in registry.workload(scenario.workload.name).families
        assert registry.ledger(words(service["command"])[3]).info.family == family


def test_the_node_has_the_flags_of_the_managed_one() -> None:
    flags = " ".join(words(SERVICES["anvil"]["command"]))
    assert " ".join(AnvilOptions().flags()) in flags
    assert "--mnemonic-seed-unsafe 31337" in flags


def test_images_are_built_for_an_ordinary_user_with_a_pinned_base_and_no_development_tools() -> None:
    base, anvil = in_dockerfile("FROM")
    assert base == "python:${PYTHON_VERSION}-slim-bookworm AS harness"
    assert re.fullmatch(r"PYTHON_VERSION=3\.\d+\.\d+", in_dockerfile("ARG")[0])
    assert anvil == "harness AS anvil"
    for stage in DOCKERFILE.split("\nFROM ")[1:]:
        assert re.findall(r"^USER (\w+)$", stage, re.MULTILINE)[-1] == "bench"
        assert "HEALTHCHECK" in stage
        assert "ENTRYPOINT [" in stage
    assert "[dev]" not in "".join(in_dockerfile("RUN"))
    assert "--constraint constraints.txt" in in_dockerfile("RUN")[0]


def test_what_goes_into_an_image_is_listed_and_holds_no_secret() -> None:
    lines = [
        line for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert lines[0] == "*"
    for line in lines[1:]:
        if line.startswith("!"):
            assert (DOCKER.parent / line[1:]).exists(), line
            assert ".env" not in line
    for needed in ("docker/health.py", "docker/run-evm.sh", "constraints.txt", "pyproject.toml", "README.md"):
        assert f"!{needed}" in lines


def test_grafana_is_given_the_data_source_and_the_dashboards() -> None:
    provisioning = DOCKER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "bench.yml").read_text())["datasources"]
    assert source["uid"] == "bench-prometheus"
    assert source["jsonData"] == {"timeInterval": "1s"}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "bench.yml").read_text())["providers"]
    assert provider["allowUiUpdates"] is True
    assert f"../dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_MIN_REFRESH_INTERVAL"] == "1s"


@pytest.mark.parametrize("secret", ["", "\n", " \n"])
def test_grafana_does_not_start_with_an_empty_password(tmp_path: Path, secret: str) -> None:
    done = start_grafana(tmp_path, secret)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr == "GRAFANA_ADMIN_PASSWORD is empty: set it in docker/.env\n"


def test_grafana_starts_with_a_password_and_tells_it_nobody(tmp_path: Path) -> None:
    done = start_grafana(tmp_path, "a b c\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


def test_grafana_is_started_by_the_script_that_looks_at_the_password() -> None:
    grafana = SERVICES["grafana"]
    assert grafana["entrypoint"] == ["sh", "/start.sh", "/run.sh"]
    assert "./grafana/start.sh:/start.sh:ro" in grafana["volumes"]
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"/run/secrets/{grafana['secrets'][0]}"


def start_grafana(directory: Path, secret: str) -> subprocess.CompletedProcess[str]:
    """With `secret` in the file where the password is, and `echo started` in place of Grafana."""
    (directory / "secret").write_text(secret)
    return subprocess.run(
        ["/bin/sh", str(DOCKER / "grafana" / "start.sh"), "echo", "started"],
        env={"PATH": os.defpath, "GF_SECURITY_ADMIN_PASSWORD__FILE": str(directory / "secret")},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        docker is not None
        and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed; the tests above stand in")
@pytest.mark.parametrize("profile", ["sql", "simulated", "evm"])
def test_compose_accepts_the_file(profile: str) -> None:
    command = ["docker", "compose", "-f", str(DOCKER / "compose.yml"), "--profile", profile, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
