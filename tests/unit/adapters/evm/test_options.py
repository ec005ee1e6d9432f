import pytest

from bench.adapters.evm.options import parse_options
from bench.model.errors import ConfigurationError


def test_defaults_and_numbers_as_types():
    assert parse_options({}).transaction_type == "auto"
    assert parse_options({"transaction_type": 2930}).transaction_type == "2930"
    assert parse_options({"fees": {"policy": "fixed", "max_fee_gwei": 3}}).fees.max_fee_gwei == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chian_id": 1}, "unknown option chian_id, did you mean chain_id?"),
        ({"fees": {"polcy": "auto"}}, "unknown option fees.polcy, did you mean policy?"),
        ({"zzz": 1}, "unknown option zzz; known: chain_id"),
        ({"transaction_type": "4844"}, "transaction_type"),
        ({"fees": {"policy": "fixed"}}, "policy fixed needs max_fee_gwei"),
        ({"fees": {"policy": "legacy"}, "transaction_type": "1559"}, "cannot price transaction_type 1559"),
        ({"fees": {"headroom": 0.5}}, "fees.headroom"),
        ({"chain_id": 0}, "chain_id"),
    ],
)
def test_mistakes_are_named(options, said):
    with pytest.raises(ConfigurationError) as caught:
        parse_options(options)
    assert said in str(caught.value)


def test_all_mistakes_come_at_once_and_a_url_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        parse_options({"chian_id": 1, "confirmations": -1, "ws_url": ["ws://user:secret@host"]})
    assert "chian_id" in str(caught.value)
    assert "confirmations" in str(caught.value)
    assert "secret" not in str(caught.value)
