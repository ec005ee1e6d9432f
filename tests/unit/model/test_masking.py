"""Keys in paths of addresses are shown nowhere, and what is none stays legible."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from bench import registry
from bench.cli.output import note, say
from bench.model.errors import ConfigurationError
from bench.model.masking import masked, masked_values
from bench.run.bundling import RunBundle
from bench.run.external import external_endpoint
from bench.scenario.loader import load_scenario, resolved_yaml, scenario_from_mapping, scenario_sha256
from bench.scenario.schema import EndpointChoice

KEY = "9aa3d95b3bc440fa88ea12eaa4456161"
URL = f"https://mainnet.example.io/v3/{KEY}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, "https://mainnet.example.io/v3/***"),
        (f"{URL}/", "https://mainnet.example.io/v3/***/"),
        (f"wss://a.example/ws/v3/{KEY}?block=1", "wss://a.example/ws/v3/***?block=1"),
        ("wss://a.example/ws?apikey=short&block=1#x", "wss://a.example/ws?apikey=***&block=1#x"),
        (f"https://a.example?{KEY}", "https://a.example?***"),
        (f"https://a.example/?of={KEY}/{KEY}&n=2", "https://a.example/?of=***/***&n=2"),
        ("https://eth.example/v2/aB3dEfGh-JkLmN_pQ", "https://eth.example/v2/***"),
        (f'cannot reach "{URL}", and {URL}.', 'cannot reach "https://mainnet.example.io/v3/***", and '
         "https://mainnet.example.io/v3/***."),
        ("https://host/rpc/short1", "https://host/rpc/short1"),
        ("https://host/only-letters-however-long", "https://host/only-letters-however-long"),
        ("https://host/1234567890123456", "https://host/1234567890123456"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("postgresql://me@db:5432/ledger_2026_production", "postgresql://me@db:5432/ledger_2026_production"),
        (f"unix:///tmp/bench-{KEY}/node.sock", f"unix:///tmp/bench-{KEY}/node.sock"),
    ],
)  # fmt: skip
def test_what_looks_like_a_key_in_a_path_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


def test_values_are_masked_at_every_depth() -> None:
    value = {"a": [URL, 1, None], "b": {"c": URL}}
    shown = "https://mainnet.example.io/v3/***"
    assert masked_values(value) == {"a": [shown, 1, None], "b": {"c": shown}}


def test_no_file_of_a_bundle_and_no_line_of_a_command_has_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = scenario_from_mapping(
        {
            "name": "vendor",
            "workload": "transfer",
            "endpoint": {"adapter": "evm", "url": URL, "options": {"ws_url": URL.replace("https", "wss")}},
            "arrival": {"process": "constant", "rate": 1},
            "phases": {"duration": "10s"},
        }
    )
    assert scenario.endpoint is not None
    assert external_endpoint(scenario.endpoint).url == URL, "the node is asked at its real address"
    command = ["bench.py", "run", "--endpoint", URL]
    workload = registry.workload("transfer")
    bundle = RunBundle(tmp_path, datetime(2026, 1, 1, tzinfo=UTC), scenario, workload, "evm", None, command)
    bundle._say(1, "failure", None, f"no answer from {URL}", {"paths": [URL]})
    bundle.remark(f"read from {URL}")
    bundle.close(lambda _: None, partial=True)
    for path in bundle.directory.iterdir():
        assert KEY.encode() not in path.read_bytes(), path
    result = json.loads((bundle.directory / "result.json").read_text())
    assert result["command"][-1] == "https://mainnet.example.io/v3/***"
    say(f"asked {URL}")
    note(f"error: {URL}")
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    again = load_scenario(bundle.directory / "scenario.yaml")
    assert scenario_sha256(again) == scenario_sha256(scenario) == result["scenario_sha256"]
    assert again.endpoint is not None
    with pytest.raises(ConfigurationError, match=r"(?s)lost its key.*--endpoint"):
        external_endpoint(again.endpoint)
    assert resolved_yaml(again) == resolved_yaml(scenario)


@pytest.mark.parametrize("value", ["https://host/***", ["https://host/a", "https://host/***"], {"a": ["wss://h/***"]}])
def test_an_option_that_lost_its_key_is_not_asked(value: JsonValue) -> None:
    choice = EndpointChoice(adapter="evm", url="https://host", options={"submit_urls": value})
    with pytest.raises(ConfigurationError, match=r"(?s)option submit_urls has lost a key.*--set endpoint"):
        external_endpoint(choice)


@pytest.mark.parametrize(
    "value",
    [
        "wss://host/ws?apikey=SECRET",
        ["https://host/a", "https://host?token=SECRET"],
        "https://host,https://host/x?auth=SECRET",
        ["https://me:SECRET@host"],
    ],
)
def test_keys_in_addresses_of_options_are_refused_and_not_shown(value: JsonValue) -> None:
    mapping: dict[str, JsonValue] = {
        "name": "vendor",
        "workload": "transfer",
        "endpoint": {"adapter": "evm", "url": "https://host", "options": {"ws_url": value}},
        "arrival": {"process": "constant", "rate": 1},
        "phases": {"duration": "10s"},
    }
    with pytest.raises(ConfigurationError, match=r"ws_url: carries (a key|credentials)") as raised:
        scenario_from_mapping(mapping)
    assert "SECRET" not in str(raised.value)
    mapping["endpoint"] = {"adapter": "evm", "url": "https://host", "options": {"ws_url": "wss://host/ws?block=1"}}
    scenario_from_mapping(mapping)
