"""What the adapters of our own ledgers refuse before, or without, a node."""

from pathlib import Path

import pytest

from bench.adapters.protocol import Endpoint
from bench.adapters.simulated import SimulatedAdapter
from bench.adapters.sqlite import SqliteAdapter
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Sequencing

ADAPTERS = [SqliteAdapter, SimulatedAdapter]
Own = SqliteAdapter | SimulatedAdapter


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def adapter(request: pytest.FixtureRequest) -> Own:
    made: Own = request.param()
    return made


def test_before_open_there_is_no_sequencing_and_nothing_to_read(adapter: Own) -> None:
    assert adapter.sequencing is Sequencing.NONE
    assert adapter.reads == frozenset()


def test_use_before_open_says_so(adapter: Own) -> None:
    with pytest.raises(LedgerError, match="not open"):
        adapter.submit([])
    with pytest.raises(LedgerError, match="not open"):
        adapter.state()


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (Endpoint("http://127.0.0.1:1"), "not a socket address"),
        (Endpoint("unix:/x", headers={"Authorization": "Basic planted"}), "takes no headers"),
        (Endpoint("unix:/x", options={"batch": 5}), "takes no adapter options"),
    ],
)
def test_endpoints_it_cannot_use_are_refused(adapter: Own, endpoint: Endpoint, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        adapter.open(endpoint)
    assert "planted" not in str(caught.value)


def test_nobody_listening_is_a_ledger_error(adapter: Own, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not answer"):
        adapter.open(Endpoint(f"unix:{tmp_path}/nobody"))
