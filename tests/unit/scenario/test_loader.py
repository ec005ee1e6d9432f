from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bench.model.errors import ConfigurationError, ExitCode
from bench.scenario.arrival import Steps
from bench.scenario.arrival_schema import Arrival, TraceArrival
from bench.scenario.document import parse_document
from bench.scenario.loader import (
    load_scenario,
    load_sha256,
    resolved_yaml,
    scenario_from_mapping,
    scenario_sha256,
)
from bench.scenario.schema import Scenario

S = 1_000_000_000
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
SMALL = """\
name: small
ledger: sqlite
workload: transfer
arrival: {process: constant, rate: 300}
phases: {duration: 20s}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, *overrides: str) -> Scenario:
    Path("s.yaml").write_text(text, encoding="utf-8")
    return load_scenario("s.yaml", overrides)


def mistakes(text: str, *overrides: str) -> list[str]:
    """The lines of the refusal, without its heading and its last line."""
    with pytest.raises(ConfigurationError) as refused:
        load(text, *overrides)
    assert refused.value.exit_code is ExitCode.USAGE
    assert refused.value.remedy
    heading, *lines = refused.value.what.splitlines()
    assert not lines or heading == f"s.yaml: {len(lines)} mistakes"
    return [line.removeprefix("  ") for line in lines] or [heading]


def test_defaults(folder: Path) -> None:
    scenario = load(SMALL)
    assert [ledger.name for ledger in scenario.ledgers] == ["sqlite"]
    assert scenario.workload.name == "transfer"
    assert (scenario.phases.duration_ns, scenario.phases.warm_up_ns, scenario.phases.drain_ns) == (
        20 * S,
        4 * S,
        30 * S,
    )
    assert (scenario.trials, scenario.seed, scenario.slo) == (5, 1, None)
    load_part = scenario.load
    assert (load_part.workers, load_part.batch, load_part.linger_ns, load_part.accounts) == (1, 1, 5_000_000, 200)
    assert (load_part.lanes, load_part.max_lanes, load_part.in_flight) == (32, 512, 6000)
    limits = scenario.limits
    assert (limits.submit_lag_p99_ns, limits.worker_cpu_percent, limits.sent_share) == (5_000_000, 85, 0.99)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("phases.duration=2m", "warm_up_ns", 5 * S),
        ("phases.duration=5s", "warm_up_ns", 1 * S),
        ("phases.warm_up=0s", "warm_up_ns", 0),
        ("phases.duration=0.5", "duration_ns", S // 2),
    ],
)
def test_phases_follow_the_duration(folder: Path, override: str, key: str, value: int) -> None:
    assert getattr(load(SMALL, override).phases, key) == value


@pytest.mark.parametrize(
    ("rate", "bound"), [("10", 1000), ("50", 1000), ("50.1", 1002), ("3000", 60_000), ("1e3", 20_000)]
)
def test_the_in_flight_bound_is_20_s_of_the_mean_rate(folder: Path, rate: str, bound: int) -> None:
    assert load(SMALL, f"arrival.rate={rate}").load.in_flight == bound


def test_an_endpoint_has_one_trial_unless_told(folder: Path) -> None:
    endpoint = "endpoint={adapter: evm, url: 'http://127.0.0.1:8545'}"
    assert load(SMALL, endpoint).trials == 1
    assert load(SMALL, endpoint, "trials=3").trials == 3
    assert load(SMALL, endpoint).ledgers == ()


def test_every_mistake_of_a_file_is_told_with_line_and_remedy(folder: Path) -> None:
    assert mistakes("""\
name: small bank
ledgers: [sqlite, {name: Anvil, optoins: {}}]
workload: {name: smallbank, parameters: {customers: [1]}}
arrival:
  process: constant
  rates: 300
phases:
  duration: 20 sec
  drain: 3s
  drain: 4s
load: {worker: 2, batch: 0, lanes: 600, in_flight: true}
trials: 2.5
seed: one
limits: {sent_share: 99}
slo: [5s]
endpiont: x
""") == [
        "s.yaml:1: name: is not a name (got 'small bank'); use up to 80 letters, digits, '-', '_' and '.', beginning "
        "with a letter or digit",
        "s.yaml:2: ledgers.1.name: is not a plug-in name (got 'Anvil'); use lower-case words joined by '-'; "
        "`bench.py plugins` lists them",
        "s.yaml:2: ledgers.1.optoins: is not a known key; did you mean 'options'?",
        "s.yaml:3: workload.parameters.customers: is not a number, text, true or false (got [1]); use one plain value",
        "s.yaml:4: arrival.rate: is missing; add it",
        "s.yaml:6: arrival.rates: is not a known key; did you mean 'rate'?",
        "s.yaml:8: phases.duration: is not a duration (got '20 sec'); write it as 20s, 5ms, 2m or 1h, or as a number "
        "of seconds",
        "s.yaml:10: phases.drain: is given twice, first at s.yaml:9; remove one of the two",
        "s.yaml:11: load.batch: is too small (got 0); use 1 or more",
        "s.yaml:11: load.in_flight: is not a whole number (got True); write a whole number such as 5",
        "s.yaml:11: load.worker: is not a known key; did you mean 'workers'?",
        "s.yaml:12: trials: is not a whole number (got 2.5); write a whole number such as 5",
        "s.yaml:13: seed: is not a whole number (got 'one'); write a whole number such as 5",
        "s.yaml:14: limits.sent_share: is too large (got 99); use at most 1.0",
        "s.yaml:15: slo: is not a mapping (got ['5s']); write keys below it: finality_p99",
        "s.yaml:16: endpiont: is not a known key; did you mean 'endpoint'?",
    ]


TARGET = "name: x\nworkload: transfer\nphases: {duration: 10s}\narrival: {process: constant, rate: 1}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TARGET, ["s.yaml:1: endpoint: is missing, and so is ledgers; add e.g. ledgers: [sqlite]"]),
        (TARGET + "ledgers: []\n", ["s.yaml:1: endpoint: is missing, and so is ledgers; add e.g. ledgers: [sqlite]"]),
        (TARGET + "ledger: a\nledgers: [b]\n", ["s.yaml:5: ledger: is given beside ledgers; keep one of the two"]),
        (
            TARGET + "ledger: a\nendpoint: {adapter: evm, url: 'http://h'}\n",
            ["s.yaml:6: endpoint: is given beside ledgers; keep one of the two"],
        ),
        (
            TARGET + "ledgers: [a, b, a]\n",
            ["s.yaml:5: ledgers.2: is listed twice; remove it, or give it other options"],
        ),
        (
            TARGET + "ledgers: a\n",
            ["s.yaml:5: ledgers: is not a list (got 'a'); write [a, b], or one line with '- ' per item"],
        ),
        (TARGET + "ledger: 7\n", ["s.yaml:5: ledger: is not a mapping (got 7); write keys below it: name, options"]),
        (
            TARGET + "ledger: A\n",
            [
                "s.yaml:5: ledger: is not a plug-in name (got 'A'); use lower-case words joined by '-'; "
                "`bench.py plugins` lists them"
            ],
        ),
        (TARGET + "ledger: !x a\n", ["s.yaml:5: ledger: has the tag !x; remove the tag"]),
        (
            TARGET + "ledger: a\nload: {lanes: 600, max_lanes: 512, workers: 9, accounts: 8}\n",
            [
                "s.yaml:6: load.max_lanes: is below lanes (got 512); use at least 600",
                "s.yaml:6: load.accounts: is below workers (got 8); use at least 9",
            ],
        ),
    ],
)
def test_targets_and_load(folder: Path, text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected


@pytest.mark.parametrize(
    ("arrival", "expected"),
    [
        ("{}", ["arrival.process: is missing; add one of: constant, poisson, ramp, steps, burst, sine, trace"]),
        (
            "{process: poison, rate: 1}",
            ["arrival.process: is not a known process (got 'poison'); did you mean 'poisson'?"],
        ),
        ("{process: constant, rate: 0}", ["arrival.rate: is too small (got 0); use 0.001 or more"]),
        ("{process: constant, rate: .inf}", ["arrival.rate: is not a number (got '.inf'); write a number such as 0.5"]),
        ("{process: constant, rate: '5'}", ["arrival.rate: is not a number (got '5'); write a number such as 0.5"]),
        ("{process: constant, rate: 1e7}", ["arrival.rate: is too large (got 10000000.0); use at most 1000000.0"]),
        ("{process: ramp, from: 1}", ["arrival.to: is missing; add it"]),
        ("{process: steps, steps: []}", ["arrival.steps: has too few items (got []); give at least 1"]),
        (
            "{process: steps, steps: [{rate: 1, duration: 1s}, {rte: 1, duration: 0s}]}",
            [
                "arrival.steps.1.rate: is missing; add it",
                "arrival.steps.1.duration: is too small (got '0s'); use more than 0",
                "arrival.steps.1.rte: is not a known key; did you mean 'rate'?",
            ],
        ),
        (
            "{process: steps, steps: [{rate: 9, duration: 1s}, {rate: 1, duration: 2s}]}",
            ["phases.duration: is longer than the arrivals, which end at 3s (got '10s'); use at most 3s"],
        ),
        (
            "{process: burst, base: 1, peak: 5, every: 1s, length: 1s}",
            ["arrival.length: is not shorter than every (got '1s'); use a shorter burst or a longer period"],
        ),
        (
            "{process: burst, base: 1, peak: 5, every: 1us, length: 1ns}",
            ["arrival.every: is shorter than 1 ms (got '1us'); use 1ms or more"],
        ),
        (
            "{process: sine, mean: 5, amplitude: 6, period: 10s}",
            ["arrival.amplitude: is larger than the mean (got 6); use at most 5"],
        ),
        (
            "{process: ramp, from: 0, to: 0}",
            ["phases.duration: plans no transaction (got '10s'); use a higher rate or a longer duration"],
        ),
        ("{process: trace}", ["arrival: has no rows; give one of name, file and points"]),
        (
            "{process: trace, name: gafm}",
            ["arrival.name: is not a published trace (got 'gafm'); did you mean 'gafam'?"],
        ),
        (
            "{process: trace, name: gafam, file: x}",
            ["arrival: is given by name and file; give one of name, file and points"],
        ),
        (
            "{process: trace, file: x.csv}",
            ["arrival.file: is not a file (got 'x.csv'); paths start at the scenario's folder"],
        ),
        ("{process: trace, file: 5}", ["arrival.file: is not a file name (got 5); name a CSV or JSON file"]),
        (
            "{process: trace, points: [[1, 5], [1, 6], [0, 7]]}",
            [
                "arrival.points.1.0: does not come after the row before; order the rows by second",
                "arrival.points.2.0: does not come after the row before; order the rows by second",
                "arrival.points.0.0: is not 0; begin the trace at second 0",
                "arrival.points.2.1: is not 0; end with a row of rate 0, which says when the trace ends",
            ],
        ),
        (
            "{process: trace, name: dota, scale: 100}",
            ["arrival.scale: makes the highest rate 1.3425e+06 per second (got 100); use a smaller factor"],
        ),
    ],
)
def test_arrivals(folder: Path, arrival: str, expected: list[str]) -> None:
    text = f"name: x\nledger: a\nworkload: transfer\nphases: {{duration: 10s}}\narrival: {arrival}\n"
    assert [line.split(": ", 1)[1] for line in mistakes(text)] == expected


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (
            "{duration: 10s, warm_up: 10s}",
            "phases.warm_up: leaves nothing to measure (got '10s'); use less than the duration of 10s",
        ),
        ("{}", "phases.duration: is missing; add how long arrivals are planned, e.g. duration: 20s"),
        ("{duration: 0s}", "phases.duration: is too small (got '0s'); use more than 0"),
        (
            "{duration: }",
            "phases.duration: is not a duration; write it as 20s, 5ms, 2m or 1h, or as a number of seconds",
        ),
        (
            "{duration: 9000h}",
            "phases.duration: is longer than a year (got '9000h'); write it as 20s, 5ms, 2m or 1h, or as a number of "
            "seconds",
        ),
    ],
)
def test_phases(folder: Path, phases: str, expected: str) -> None:
    text = f"name: x\nledger: a\nworkload: transfer\narrival: {{process: constant, rate: 5}}\nphases: {phases}\n"
    assert mistakes(text) == [f"s.yaml:5: {expected}"]


def test_a_missing_duration_is_told_once_where_phases_are_missing(folder: Path) -> None:
    text = "name: x\nledger: a\nworkload: transfer\narrival: {process: constant, rate: 5}\n"
    assert mistakes(text) == [
        "s.yaml:1: phases.duration: is missing; add how long arrivals are planned, e.g. duration: 20s"
    ]


URLS = ["http://h", "https://h:8545/v1", "ws://127.0.0.1:8546", "wss://h", "unix:///run/node.sock", "http://[::1]:80"]
URLS += ["postgresql://me@db.example:5433/bank", "postgres://h/d?sslmode=verify-full"]


@pytest.mark.parametrize("url", URLS)
def test_addresses_that_are_taken(folder: Path, url: str) -> None:
    scenario = load(SMALL, "endpoint.adapter=evm", f"endpoint.url='{url}'")
    assert scenario.endpoint is not None
    assert scenario.endpoint.url == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://h", "is not an address this product opens"),
        ("127.0.0.1:8545", "is not an address this product opens"),
        ("file:///etc/passwd", "is not an address this product opens"),
        ("http://", "names no host or no usable port"),
        ("http://h:0", "names no host or no usable port"),
        ("http://a b/", "names no host or no usable port"),
        ("http://h:99999", "is not an address"),
        ("http://[::1", "is not an address"),
        ("unix://run/node.sock", "is not an absolute socket path"),
        ("http://user:secret@h", "carries credentials"),
        ("htp://user:secret@h", "carries credentials"),
        ("postgresql://user:secret@h/d", "carries a password"),
        ("postgresql://user@h/d?password=secret", "carries a password"),
    ],
)
def test_addresses_that_are_refused_without_telling_secrets(folder: Path, url: str, says: str) -> None:
    text = TARGET + f"endpoint: {{adapter: evm, url: '{url}'}}\n"
    (line,) = mistakes(text)
    assert line.startswith(f"s.yaml:5: endpoint.url: {says}")
    (line,) = mistakes(SMALL, "endpoint.adapter=evm", f"endpoint.url='{url}'")
    assert "secret" not in line


def test_a_key_in_place_of_a_file_is_not_repeated(folder: Path) -> None:
    key = "0x" + "a1" * 32
    text = TARGET + f"endpoint: {{adapter: evm, url: 'http://h', key_file: '{key}'}}\n"
    (line,) = mistakes(text)
    assert line == (
        "s.yaml:5: endpoint.key_file: is a key itself, not a file; put the key in a file and name that here"
    )
    (line,) = mistakes(SMALL, "endpoint={adapter: evm, url: 'http://h'}", f"endpoint.key_file='{key}'")
    assert "a1a1" not in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "s.yaml: is empty"),
        (b"# nothing\n", "s.yaml: is empty"),
        (b"- a\n- b\n", "s.yaml:1: holds a list, not keys and values"),
        (b"hello\n", "s.yaml:1: holds a single value, not keys and values"),
        (b"name: x\n\tload: 1\n", "s.yaml:2: is not YAML: "),
        (b"name: x\nload:\n\tworkers: 1\n", "s.yaml:3: is not YAML: "),
        (b"a: [1, 2\n", "s.yaml:2: is not YAML: "),
        (b"a: b: c\n", "s.yaml:1: is not YAML: "),
        (b"a: 1\n---\nb: 2\n", "s.yaml:2: is not YAML: "),
        (b"a: *x\n", "s.yaml:1: is not YAML: "),
        (b"\x7fELF\0\0\x01", "s.yaml: is a binary file, not YAML"),
        (b"name: x\nf: \xff\n", "s.yaml:2: is not UTF-8 text"),
        (b"name: \x01\n", "s.yaml: is not YAML text"),
        (b"[" * 5000, "s.yaml: is nested too deeply"),
        (b"a: &a [*a]\n", "s.yaml:1: holds too many or too deep values"),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(b"%c: &%c [%s]\n" % (c + 1, c + 1, b",".join([b"*%c" % c] * 10)) for c in b"abcdefg"),
            "holds too many",
        ),
        (b"a" * 4_000_001, "s.yaml: is larger than 4 MB"),
    ],
)
def test_nonsense_gives_one_clear_message(folder: Path, content: bytes, says: str) -> None:
    Path("s.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        load_scenario("s.yaml")
    assert says in refused.value.what
    assert refused.value.remedy
    assert "\n" not in refused.value.what


@pytest.mark.parametrize(
    ("path", "says"), [("none.yaml", "no such file"), (".", "is a directory"), ("/dev/null", "no such file")]
)
def test_what_is_not_a_file_is_refused(folder: Path, path: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_scenario(path)


@given(st.binary(max_size=200))
@settings(relaxed, max_examples=300)
def test_no_bytes_make_anything_but_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_scenario(path)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "name",
    "ledger",
    "ledgers",
    "endpoint",
    "workload",
    "arrival",
    "phases",
    "load",
    "trials",
    "seed",
    "slo",
    "limits",
]


@given(
    st.dictionaries(st.sampled_from(KEYS), json_like),
    st.sampled_from(["constant", "steps", "trace", "sine", "burst"]),
    st.dictionaries(st.sampled_from(["rate", "points", "steps", "name", "file"]), json_like),
)
@settings(relaxed, max_examples=300)
def test_no_mapping_makes_anything_but_a_refusal(mapping: dict[str, Any], process: str, rest: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        scenario_from_mapping({"arrival": {"process": process, **rest}, **mapping})


def test_overrides(folder: Path) -> None:
    scenario = load(
        SMALL,
        "load.workers=2",
        "ledger.options.block_time=2s",
        "workload.parameters.customers=10",
        "arrival.process=poisson",
        "arrival.rate=1e2",
        "slo.finality_p99=3s",
        "slo.finality_p99=4s",
    )
    assert scenario.load.workers == 2
    assert scenario.ledgers[0].options == {"block_time": "2s"}
    assert scenario.workload.parameters == {"customers": 10}
    assert (scenario.arrival.process, scenario.process.planned(20 * S)) == ("poisson", 2000)
    assert scenario.slo is not None
    assert scenario.slo.finality_p99_ns == 4 * S


def test_overrides_of_lists_and_targets(folder: Path) -> None:
    two = SMALL.replace("ledger: sqlite", "ledgers: [anvil, sqlite]")
    assert load(two, "ledgers.1.name=simulated").ledgers[1].name == "simulated"
    assert load(two, "ledgers.0=simulated").ledgers[0].name == "simulated"
    assert [ledger.name for ledger in load(two, "ledger=simulated").ledgers] == ["simulated"]
    assert [ledger.name for ledger in load(SMALL, "ledgers=[a, b]").ledgers] == ["a", "b"]
    steps = "arrival={process: steps, steps: [{rate: 5, duration: 30s}]}"
    assert load(SMALL, steps, "arrival.steps.0.rate=6").process.planned(20 * S) == 120


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("foo", "--set foo: is not key=value; write e.g. --set load.workers=2"),
        ("=5", "--set =5: is not key=value; write e.g. --set load.workers=2"),
        ("a..b=5", "--set a..b=5: is not key=value; write e.g. --set load.workers=2"),
        ("load.wrkers=2", "--set load.wrkers=2: load.wrkers: is not a known key; did you mean 'workers'?"),
        ("lod.workers=2", "--set lod.workers=2: lod: is not a known key; did you mean 'load'?"),
        (
            "load.workers=two",
            "--set load.workers=two: load.workers: is not a whole number (got 'two'); write a whole number such as 5",
        ),
        ("load.workers=", "--set load.workers=: load.workers: is not a whole number; write a whole number such as 5"),
        ("arrival.rate.x=2", "--set arrival.rate.x=2: arrival.rate holds no keys; set it as a whole"),
        ("arrival.rate.x.y=2", "--set arrival.rate.x.y=2: arrival.rate holds no keys; set it as a whole"),
        ("ledgers.3.name=x", "--set ledgers.3.name=x: ledgers has no item 3; use an index from 0 to 0"),
        ("ledgers.x=y", "--set ledgers.x=y: ledgers has no item x; use an index from 0 to 0"),
        (
            "load={workers: 2, workers: 3}",
            "--set load={workers: 2, workers: 3}: workers: is given twice, first at value:1; remove one of the two",
        ),
        ("arrival.name=gafam", "--set arrival.name=gafam: arrival.name: is not a known key; use one of: process, rate"),
    ],
)
def test_overrides_that_are_refused(folder: Path, override: str, expected: str) -> None:
    assert mistakes(SMALL, override) == [expected]


def test_mistakes_of_file_and_overrides_come_together(folder: Path) -> None:
    assert mistakes(SMALL + "lod: 1\n", "load.wrkers=2", "nothing") == [
        "s.yaml:6: lod: is not a known key; did you mean 'load'?",
        "--set nothing: is not key=value; write e.g. --set load.workers=2",
        "--set load.wrkers=2: load.wrkers: is not a known key; did you mean 'workers'?",
    ]


def test_a_mapping_of_flags() -> None:
    mapping: dict[str, Any] = {
        "name": "adhoc",
        "ledger": "anvil",
        "workload": "smallbank",
        "arrival": {"process": "constant", "rate": 300},
        "phases": {"duration": "20s"},
    }
    scenario = scenario_from_mapping(mapping, ["phases.warm_up=0s"])
    assert scenario.process.planned(scenario.phases.duration_ns) == 6000
    assert scenario.phases.warm_up_ns == 0
    assert mapping["ledger"] == "anvil"
    with pytest.raises(ConfigurationError, match=r"command line: arrival\.rate: is too small \(got -1\)"):
        scenario_from_mapping({**mapping, "arrival": {"process": "constant", "rate": -1}}, source="command line")


def test_yaml_is_read_by_its_core_rules(folder: Path) -> None:
    options = "{a: on, b: 1:30, c: 2024-01-01, d: 0x10, e: 0o10, f: 010, g: 1e3, h: '1e3', i: ~, j: True, k: 1_000}"
    assert load(SMALL, f"ledger={{name: x, options: {options}}}").ledgers[0].options == {
        "a": "on", "b": "1:30", "c": "2024-01-01", "d": 16, "e": 8, "f": 10, "g": 1000.0, "h": "1e3", "i": None,
        "j": True, "k": "1_000",
    }  # fmt: skip


def test_a_trace_file_is_found_beside_the_scenario_and_written_out(folder: Path) -> None:
    Path("sub").mkdir()
    Path("sub/t.csv").write_text("second,rate\n0,100\n10,0.5\n30,0\n", encoding="utf-8")
    Path("sub/s.yaml").write_text(
        "name: x\nledger: a\nworkload: transfer\narrival: {process: trace, file: t.csv, scale: 2}\n", encoding="utf-8"
    )
    scenario = load_scenario("sub/s.yaml")
    assert isinstance(scenario.arrival, TraceArrival)
    assert scenario.arrival.points == ((0, 100), (10, 0.5), (30, 0))
    assert scenario.arrival.source == "file t.csv"
    assert scenario.process == Steps(((10 * S, 200), (20 * S, 1.0)))
    assert scenario.phases.duration_ns == 30 * S
    assert load(resolved_yaml(scenario)) == scenario  # needs no file


rate = st.floats(0.01, 5000)
duration_text = st.sampled_from(["20s", "1m", "1500ms", 30, 12.5, "1m30s"])
plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
)
tricky = st.sampled_from(
    ["1e3", "on", "null", "~", "0o7", "1_000", "1:30", "2024-01-01", ".5", "+1", "", " x ", "#", "0x1"]
)
options = st.dictionaries(st.text(max_size=6) | tricky, plain | tricky | st.lists(plain, max_size=3), max_size=4)
arrivals: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"process": st.sampled_from(["constant", "poisson"]), "rate": st.floats(5, 5000)}),
    st.fixed_dictionaries({"process": st.just("ramp"), "from": rate, "to": st.floats(10, 20)}),
    st.fixed_dictionaries(
        {"process": st.just("burst"), "base": rate, "peak": rate, "every": duration_text, "length": st.just("10ms")}
    ),
    st.fixed_dictionaries(
        {"process": st.just("sine"), "mean": st.floats(20, 50), "amplitude": st.floats(0, 20), "period": duration_text}
    ),
    st.fixed_dictionaries(
        {"process": st.just("trace"), "name": st.sampled_from(["uber", "gafam"]), "scale": st.floats(0.01, 10)}
    ),
)
targets = st.one_of(
    st.fixed_dictionaries(
        {"ledger": st.fixed_dictionaries({"name": st.sampled_from(["a", "b-c"]), "options": options})}
    ),
    st.fixed_dictionaries(
        {
            "endpoint": st.fixed_dictionaries(
                {
                    "adapter": st.just("evm"),
                    "url": st.sampled_from(URLS),
                    "chain_id": st.none() | st.integers(0, 2**64),
                    "options": options,
                }
            )
        }
    ),
)
scenarios = st.builds(
    lambda target, arrival, duration, parameters, seed, slo: {
        **target, "name": "x", "workload": {"name": "transfer", "parameters": parameters}, "arrival": arrival,
        "phases": {"duration": duration}, "seed": seed, "slo": slo,
    },
    targets, arrivals, duration_text,
    st.dictionaries(st.text(max_size=6), st.booleans() | st.integers() | st.floats(-5, 5) | tricky, max_size=3),
    st.integers(0, 2**53 - 1),
    st.none() | st.just({"finality_p99": "5s"}),
)  # fmt: skip


@relaxed
@given(arrivals, st.sampled_from(["python", "json"]))
def test_a_dumped_arrival_is_read_back_as_the_same(arrival: dict[str, Any], mode: str) -> None:
    base: dict[str, Any] = {"name": "x", "ledger": "a", "workload": "transfer", "phases": {"duration": "20s"}}
    written = scenario_from_mapping({**base, "arrival": arrival}).arrival
    read: Arrival = TypeAdapter(Arrival).validate_python(written.model_dump(mode=mode, by_alias=True))
    assert read.schedule(20 * S) == written.schedule(20 * S)


@relaxed
@given(scenarios)
def test_a_resolved_scenario_loads_back_equal(mapping: dict[str, Any]) -> None:
    scenario = scenario_from_mapping(mapping)
    text = resolved_yaml(scenario)
    again = scenario_from_mapping(parse_document(text, "resolved").data)
    assert again == scenario
    assert resolved_yaml(again) == text
    assert scenario_sha256(again) == scenario_sha256(scenario)
    assert load_sha256(again) == load_sha256(scenario)


def test_what_the_digests_cover(folder: Path) -> None:
    scenario = load(SMALL)
    assert scenario_sha256(scenario) == scenario_sha256(
        load("# remark\n" + SMALL, "load.workers=1", "arrival.rate=300.0")
    )
    for override in ("name=other", "ledger=anvil", "trials=6", "endpoint={adapter: evm, url: 'http://h'}"):
        other = load(SMALL, override)
        assert scenario_sha256(other) != scenario_sha256(scenario)
        assert load_sha256(other) == load_sha256(scenario)
    for override in ("arrival.rate=301", "seed=2", "workload=smallbank", "load.batch=2", "phases.warm_up=1s"):
        assert load_sha256(load(SMALL, override)) != load_sha256(scenario)
    assert len(scenario_sha256(scenario)) == 64


def test_a_scenario_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(SMALL).load.workers = 2  # type: ignore[misc]
