"""The ledger's part of a bundle, for networks that are ours and for those that are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.model.errors import ConfigurationError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network
from bench.model.ledger_part import FinalityInfo
from bench.run.declaring import as_it_ran, declared
from bench.run.trial import TrialFacts
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import EndpointChoice

VENDOR = {
    "name": "vendor-besu",
    "nodes": 4,
    "fault_model": "byzantine",
    "tolerated_faults": 1,
    "durability": "fsync before acknowledged",
    "crypto": "SM2/SM3",
    "operators": "two organisations",
    "finality": "instant (QBFT)",
}


def endpoint(ledger: object) -> EndpointChoice:
    scenario = scenario_from_mapping(
        {
            "name": "t",
            "endpoint": {"adapter": "evm", "url": "http://127.0.0.1:8545", "ledger": cast(Any, ledger)},
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": 10},
            "phases": {"duration": "10s"},
        },
        [],
        "the test",
    )
    assert scenario.endpoint is not None
    return scenario.endpoint


def facts(finality: Finality | None = None, **disclosed: object) -> TrialFacts:
    return cast(TrialFacts, SimpleNamespace(finality=finality, disclosed=disclosed, network=None))


def test_what_a_vendor_declares_is_on_the_page() -> None:
    part = declared("vendor-besu", None, endpoint(VENDOR))
    assert (part.name, part.family, part.version, part.nodes) == ("vendor-besu", "evm", "not declared", 4)
    assert part.finality.name == "instant (QBFT)"
    assert part.ledger_class.model_dump() == {
        "fault_model": "byzantine",
        "tolerated_faults": 1,
        "durability": "fsync before acknowledged",
        "crypto": CryptoSuite.SM2,
        "operators": "two organisations",
        "remarks": "",
    }
    assert not part.managed


def test_without_a_word_nothing_is_claimed() -> None:
    part = declared("evm", None, endpoint(None))
    assert (part.name, part.family, part.version, part.nodes) == ("evm", "evm", "not ours", 1)
    assert {part.ledger_class.fault_model, part.ledger_class.durability} == {"not declared"}


def test_the_node_knows_its_version_and_the_adapter_how_many_confirmations_it_waits_for() -> None:
    found = as_it_ran(facts(Finality("inclusion"), client="besu/v25.1"), endpoint(VENDOR))
    assert found["version"] == "besu/v25.1"
    assert found["finality"].name == "instant (QBFT)"  # type: ignore[attr-defined]
    waited = as_it_ran(facts(Finality("3 confirmations", 3)), endpoint(VENDOR))["finality"]
    assert (waited.name, waited.confirmations) == ("3 confirmations", 3)  # type: ignore[attr-defined]


def test_a_durability_the_ledger_tells_leaves_the_rest_of_the_class_as_declared() -> None:
    found = as_it_ran(facts(durability="memory only"), endpoint(VENDOR))["ledger_class"]
    assert (found.durability, found.fault_model) == ("memory only", "byzantine")  # type: ignore[attr-defined]


def test_a_durability_told_in_words_of_its_own_is_an_other() -> None:
    found = as_it_ran(facts(durability="battery", remarks="per rack"), endpoint(VENDOR))["ledger_class"]
    assert (found.durability, found.remarks) == ("other", "battery; per rack")  # type: ignore[attr-defined]


def test_an_other_is_described() -> None:
    with pytest.raises(ConfigurationError, match=r"durability: is not described.*remarks"):
        endpoint({**VENDOR, "durability": "other"})
    part = declared("vendor-besu", None, endpoint({**VENDOR, "durability": "other", "remarks": "battery"}))
    assert (part.ledger_class.durability, part.ledger_class.remarks) == ("other", "battery")
    with pytest.raises(ConfigurationError, match="`other` without a word"):
        LedgerClass(FaultModel.OTHER, 0, Durability.FSYNC, CryptoSuite.NONE, "one")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", "Vendor Besu!", "is not a ledger's name"),
        ("fault_model", "malicious", "byzantine"),
        ("fault_model", "orderers", "crash of orderers"),
        ("durability", "three copies", "fsync before acknowledged"),
        ("crypto", "rsa", "SM2/SM3"),
        ("nodes", 0, "1"),
        ("validators", 4, "validators"),
    ],
)
def test_mistakes_are_named(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint({**VENDOR, key: value})
    assert f"endpoint.ledger.{key}" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("adapter", "network", "name"),
    [
        (Finality("inclusion"), Finality("instant (Istanbul BFT)"), "instant (Istanbul BFT)"),
        (Finality("3 confirmations", 3), Finality("3 confirmations", 3), "3 confirmations"),
        (Finality("2 confirmations", 2), Finality("inclusion"), "2 confirmations"),  # the scenario asked for more
    ],
)
def test_a_network_of_ours_says_what_its_finality_is_called(adapter: Finality, network: Finality, name: str) -> None:
    ran = Network(
        "l",
        "evm",
        "evm",
        "1",
        "http://127.0.0.2:1",
        (),
        network,
        LedgerClass(FaultModel.NONE, 0, Durability.MEMORY, CryptoSuite.NONE, "one"),
    )
    facts = cast(TrialFacts, SimpleNamespace(finality=adapter, disclosed={}, network=ran))
    finality = cast(FinalityInfo, as_it_ran(facts, None)["finality"])
    assert (finality.name, finality.confirmations) == (name, adapter.confirmations)
