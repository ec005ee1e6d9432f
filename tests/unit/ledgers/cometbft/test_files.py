"""The files a validator reads."""

import base64
import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from bench.ledgers.cometbft.files import KeyPair, Validator, render, write_network
from bench.ledgers.cometbft.ledger import CometBftLedger, KvStoreLedger
from bench.ledgers.cometbft.options import CometBftOptions
from bench.ledgers.options import parse_options
from bench.model.errors import ConfigurationError
from bench.model.ledger import CryptoSuite


def validators(directory: Path, count: int) -> list[Validator]:
    return [
        Validator(
            f"v{n}",
            directory / f"v{n}",
            f"127.0.0.{n + 2}",
            1000 + n,
            2000 + n,
            3000 + n,
            KeyPair.make(),
            KeyPair.make(),
        )
        for n in range(count)
    ]


def test_every_validator_knows_every_other_and_the_same_genesis(tmp_path: Path) -> None:
    made = validators(tmp_path, 3)
    options = CometBftOptions(timeout_commit_ms=123, config={"mempool.size": 7, "consensus.timeout_propose": "9s"})
    write_network(made, "ledger-bench", "chain", {"supply": 5}, options)
    genesis = [(one.directory / "config" / "genesis.json").read_text() for one in made]
    assert len(set(genesis)) == 1
    document = json.loads(genesis[0])
    assert (document["chain_id"], document["app_state"]) == ("chain", {"supply": 5})
    assert document["consensus_params"]["block"]["max_bytes"] == "22020096"
    assert [each["address"] for each in document["validators"]] == [one.validator_key.address for one in made]
    config = tomllib.loads((made[1].directory / "config" / "config.toml").read_text())
    assert config["proxy_app"] == "ledger-bench"
    assert config["rpc"]["laddr"] == "tcp://127.0.0.3:1001"
    assert config["p2p"]["persistent_peers"] == f"{made[0].peer_address},{made[2].peer_address}"
    assert config["consensus"] == {"timeout_commit": "123ms", "skip_timeout_commit": False, "timeout_propose": "9s"}
    assert (config["mempool"]["size"], config["mempool"]["recheck"]) == (7, False)


def test_keys_are_written_as_cometbft_reads_them(tmp_path: Path) -> None:
    (one,) = validators(tmp_path, 1)
    write_network([one], "kvstore", "chain", {}, CometBftOptions(validators=1))
    key = json.loads((one.directory / "config" / "priv_validator_key.json").read_text())
    public = base64.b64decode(key["pub_key"]["value"])
    private = base64.b64decode(key["priv_key"]["value"])
    assert private[32:] == public == one.validator_key.public
    assert key["address"] == hashlib.sha256(public).hexdigest()[:40].upper()
    node_id = hashlib.sha256(one.node_key.public).hexdigest()[:40]
    assert one.peer_address == f"{node_id}@127.0.0.2:2000"
    assert one.validator_key.seed.hex() not in repr(one)


def test_settings_are_toml_whatever_is_in_them() -> None:
    text = render({"top": 'a "quoted" \\ one', "s.flag": True, "s.number": 3})
    assert tomllib.loads(text) == {"top": 'a "quoted" \\ one', "s": {"flag": True, "number": 3}}


@pytest.mark.parametrize(("count", "tolerated"), [(1, 0), (3, 0), (4, 1), (6, 1), (7, 2)])
def test_a_third_is_one_too_many(count: int, tolerated: int) -> None:
    assert CometBftOptions(validators=count).tolerated_faults == tolerated


def test_every_setting_that_was_made_is_a_flag() -> None:
    flags = CometBftOptions(config={"p2p.send_rate": 1}).flags()
    assert flags[0] == "genesis.block.max_bytes=22020096"
    assert "p2p.send_rate=1" in flags
    assert 'p2p.flush_throttle_timeout="10ms"' in flags
    assert len(flags) == len(CometBftOptions().tuned()) + 2


@pytest.mark.parametrize("name", ["a.b.c", "x=1", "[section]"])
def test_a_setting_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write section\.key"):
        parse_options("cometbft", CometBftOptions, {"config": {name: 1}})


def test_the_example_is_declared_unsigned_and_a_family_of_its_own() -> None:
    ours, example = CometBftLedger.info, KvStoreLedger.info
    assert (ours.ledger_class.crypto, example.ledger_class.crypto) == (CryptoSuite.ED25519, CryptoSuite.NONE)
    assert (ours.family, example.family, example.adapter) == ("cometbft", "cometbft-kvstore", "cometbft")
