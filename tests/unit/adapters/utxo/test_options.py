"""Options of the adapter: mistakes named, credentials kept out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.adapters.utxo.adapter import UtxoAdapter, finality_of
from bench.adapters.utxo.options import parse_options
from bench.api import ConfigurationError, Endpoint, Finality, LedgerError, Setup
from bench.model.errors import HarnessError
from workloads.smallbank import WORKLOAD as SMALLBANK


def test_defaults() -> None:
    options = parse_options({})
    assert (options.confirmations, options.amount_unit, options.fee_rate) == (6, 10_000, 10)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"confirmation": 3}, "unknown option confirmation, did you mean confirmations"),
        ({"confirmations": 0}, "confirmations: Input should be greater than or equal to 1"),
        ({"observe_url": "ws://host"}, "observe_url: write http://host:port"),
        ({"outputs_per_transaction": 5_000}, "less than or equal to 3000"),
    ],
)
def test_mistakes_are_named(option: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_options(option)  # type: ignore[arg-type] # wrong on purpose


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_options({"submit_urls": ["http://user:hunter2@127.0.0.1:1"]})
    assert "hunter2" not in str(caught.value)
    assert "cookie_file" in str(caught.value)


@pytest.mark.parametrize(
    ("confirmations", "expected"), [(1, Finality("1 confirmation", 0)), (6, Finality("6 confirmations", 5))]
)
def test_the_block_itself_is_the_first_confirmation(confirmations: int, expected: Finality) -> None:
    assert finality_of(confirmations) == expected


def test_a_missing_cookie_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cookie cannot be read"):
        UtxoAdapter().open(Endpoint("http://127.0.0.1:9", options={"cookie_file": str(tmp_path / "none")}))


def test_websockets_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="speak HTTP"):
        UtxoAdapter().open(Endpoint("ws://127.0.0.1:9"))


def test_an_adapter_that_is_not_open_says_so() -> None:
    adapter = UtxoAdapter()
    with pytest.raises(HarnessError, match="before open"):
        adapter.submit([])
    with pytest.raises(HarnessError, match="no fixture"):
        adapter.state()


def test_application_logic_is_a_declared_gap() -> None:
    from bench.adapters.utxo.preparing import prepare

    setup = Setup(SMALLBANK, SMALLBANK.defaults, 4, 10, 1)
    with pytest.raises(ConfigurationError, match="cannot express"):
        prepare(None, "", parse_options({}), setup)  # type: ignore[arg-type] # never asked
