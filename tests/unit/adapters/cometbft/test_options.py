"""Settings of the adapter and of the ledgers: mistakes are named, files hold what they should."""

import pytest

from bench.adapters.cometbft.options import check_url, parse_options
from bench.api import ConfigurationError


def test_defaults_follow_the_endpoint_alone():
    assert parse_options({}).nodes == ()
    assert parse_options({"nodes": ["http://127.0.0.3:1"]}).nodes == ("http://127.0.0.3:1",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"node": []}, "unknown option node, did you mean nodes?"),
        ({"nodes": ["ws://127.0.0.1:1"]}, "nodes: a cometbft endpoint is an http or https URL"),
        ({"nodes": ["http://a:secret@b:1"]}, "may not carry credentials"),
        ({"poll_interval_s": 0}, "poll_interval_s: "),
    ],
)
def test_mistakes_are_named_and_secrets_are_not(options, words):
    with pytest.raises(ConfigurationError) as caught:
        parse_options(options)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_websocket_is_not_an_endpoint():
    with pytest.raises(ConfigurationError, match="found by itself"):
        check_url("wss://127.0.0.1:26657")
