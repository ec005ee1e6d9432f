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
        parse_options({"chian_id": 1, "confirmations": -1, "ws_url": "host:secret"})
    assert "chian_id" in str(caught.value)
    assert "confirmations" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"ws_url": "ws://user:secret@host:8546"}, "ws_url"),
        ({"ws_url": "wss://secret@host/path", "chian_id": 1}, "ws_url"),
        ({"ws_url": ["ws://user:secret@host"]}, "ws_url"),
        ({"fees": {"policy": "http://user:secret@host"}}, "fees.policy"),
        ({"unknown": [{"deep": "see https://user:secret@host"}]}, "unknown.deep"),
    ],
)
def test_credentials_in_an_option_are_refused_and_never_shown(options, place):
    with pytest.raises(ConfigurationError, match=rf"{place} carries credentials") as caught:
        parse_options(options)
    assert "endpoint.headers_file" in caught.value.remedy
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ws://user:sec/ret@host", "user:secret@host", "ftp://host"])
def test_a_ws_url_that_is_no_address_is_refused_without_showing_it(url):
    with pytest.raises(ConfigurationError, match=r"ws_url: .* write ws://host:port") as caught:
        parse_options({"ws_url": url})
    assert url not in str(caught.value)


def test_an_at_sign_behind_the_host_is_no_credential():
    assert parse_options({"ws_url": "ws://host:8546/user@path?a=b@c"}).ws_url == "ws://host:8546/user@path?a=b@c"
