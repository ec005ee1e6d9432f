"""Four clique sealers: what they promise, the adapter contract on them, and a chain that really is reorganised."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.api import Endpoint
from bench.ledgers.geth_clique import CHAIN_ID, CliqueLedger
from bench.ledgers.geth_node import ask, ask_number
from bench.ledgers.process import ProcessId
from bench.model.ledger import Finality, Network
from tests.support.cli import Cli, wait_for_line
from tests.support.contracts import EvmSmallBank, running

pytestmark = pytest.mark.live

OPTIONS = {"block_time_s": 1}

REDIAL_S = 100.0
"""geth dials the same peer again after 35 s at the earliest."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(CliqueLedger(), tmp_path_factory.mktemp("clique"), OPTIONS) as started:
        yield started


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


class TestSmallBankOnClique(EvmSmallBank):
    ledger = CliqueLedger
    options = OPTIONS


def test_four_operators_seal_one_chain_in_turn(network: Network) -> None:
    assert network.finality == Finality("3 confirmations", 3)
    assert [node.address.partition(":")[0] for node in network.nodes] == [f"127.0.0.{n}" for n in (2, 3, 4, 5)]
    assert len(network.links) == 6
    addresses = [node.address for node in network.nodes]
    assert {ask(address, "eth_chainId") for address in addresses} == {hex(CHAIN_ID)}
    start = ask_number(addresses[0], "eth_blockNumber")
    until(lambda: all(ask_number(each, "eth_blockNumber") >= start + 6 for each in addresses))
    heights = range(start + 1, start + 5)
    chains = [[block_id(each, height) for height in heights] for each in addresses]
    assert chains.count(chains[0]) == 4
    signers = [ask(addresses[0], "clique_getSigner", hex(height)) for height in heights]
    assert all(len(set(signers[at : at + 3])) == 3 for at in range(2)), "one of every three blocks in a row, at most"


def test_an_older_client_is_found_to_take_the_same_paths(network: Network) -> None:
    adapter = EvmAdapter()
    adapter.open(Endpoint(network.endpoint))
    found = {row.what: row.value for row in adapter.probe() if row.what != "path"}
    adapter.close()
    assert found["client"].startswith("Geth/v1.13.15-")
    assert found["batches"] == "up to 1000"
    assert (found["eth_getBlockReceipts"], found["trace_block"], found["eth_subscribe"]) == ("yes", "no", "yes")


def test_a_sealer_that_was_cut_off_is_reorganised_and_the_bundle_counts_it(network: Network, cli: Cli) -> None:
    """The followed sealer is cut off until it has made a block the others do not know; then it comes back."""
    process = cli.start(
        *("run", "--adapter", "evm", "--endpoint", network.endpoint, "--workload", "transfer", "--rate", "20"),
        *("--duration", "14s", "--set", "phases.warm_up=1s", "--set", "load.accounts=20"),
        *("--set", "endpoint.options.confirmations=3", "--set", "phases.drain=60s", "--out", str(cli.out)),
        BENCH_FUNDING_KEY=network.secrets["funding_key"],
    )
    lines: list[str] = []
    wait_for_line(process, ["measure"], lines)
    lost = make_a_fork(network)
    _, errors = process.communicate(timeout=120)
    result = cli.only_bundle().result
    (trial,) = result.trials
    assert trial.blocks is not None
    assert trial.blocks.orphaned >= 1, (lost, errors)
    assert result.ledger.finality.confirmations == 3
    assert trial.counts.committed == trial.counts.accepted == 280, "what left the chain came back in other blocks"
    assert [(found.name, found.status) for found in result.audit.invariants] == [
        ("every_transfer_executed_once", "held"),
        ("no_money_created_or_lost", "held"),
    ]


def test_down_leaves_nothing(tmp_path: Path) -> None:
    ledger = CliqueLedger()
    lines: list[str] = []
    network = ledger.up(tmp_path, {}, lines.append)
    found = [ProcessId.of(node.pid) for node in network.nodes if node.pid is not None]
    identities = [identity for identity in found if identity is not None]
    assert len(identities) == 4
    assert lines[-1] == "geth-clique: ready, chain 2225, a block every 2 s"
    secret = network.secrets["funding_key"].removeprefix("0x").encode()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()] == []
    ledger.down(network)
    assert not any(identity.running() for identity in identities)


def make_a_fork(network: Network) -> str:
    """Returns the id of a block of the first sealer that its chain then lost."""
    first, *others = [node.address for node in network.nodes]
    enodes = [enode(node.address) for node in network.nodes]
    for _ in range(5):
        until(lambda: may_seal_next(network))
        before = ask_number(first, "eth_blockNumber")
        separate(first, others, enodes)
        try:
            if waited(lambda before=before: alone_ahead(first, others, before), 8):
                height = ask_number(first, "eth_blockNumber")
                own = block_id(first, height)
                until(lambda height=height: ask_number(others[0], "eth_blockNumber") >= height + 3)
                assert block_id(others[0], height) != own
                return own
        finally:
            join(first, others, enodes)
            until(lambda: ask_number(first, "net_peerCount") == 3, REDIAL_S)
    raise AssertionError("the first sealer never made a block of its own while it was cut off")


def may_seal_next(network: Network) -> bool:
    """Whether the first sealer made none of the last two blocks: who did must wait for others, and alone it would wait
    for ever. Its address is the account of its keystore.
    """
    first = network.nodes[0]
    (file,) = (first.data_directory / "data" / "keystore").iterdir()
    head = ask_number(first.address, "eth_blockNumber")
    signers = [str(ask(first.address, "clique_getSigner", hex(at))) for at in (head - 1, head)]
    return not any(signer.endswith(json.loads(file.read_text())["address"]) for signer in signers)


def alone_ahead(first: str, others: list[str], before: int) -> bool:
    """Whether the first sealer has a block that the others do not have at that height."""
    height = ask_number(first, "eth_blockNumber")
    theirs = block_id(others[0], height)
    return height > before and theirs not in ("", block_id(first, height))


def separate(first: str, others: list[str], enodes: list[str]) -> None:
    """Asked again until it holds: a dial that was under way connects after the removal."""

    def alone() -> bool:
        for other, peer in zip(others, enodes[1:], strict=True):
            ask(other, "admin_removePeer", enodes[0])
            ask(first, "admin_removePeer", peer)
        return ask_number(first, "net_peerCount") == 0

    until(alone)


def join(first: str, others: list[str], enodes: list[str]) -> None:
    for other, peer in zip(others, enodes[1:], strict=True):
        ask(first, "admin_addPeer", peer)
        ask(other, "admin_addPeer", enodes[0])


def enode(address: str) -> str:
    """As its own node tells it, but for the host: a node that no other may guess calls itself 127.0.0.1."""
    info = ask(address, "admin_nodeInfo")
    assert isinstance(info, dict)
    return re.sub(r"@[^:]+:", f"@{address.partition(':')[0]}:", str(info["enode"]).partition("?")[0])


def block_id(address: str, height: int) -> str:
    block = ask(address, "eth_getBlockByNumber", hex(height), False)
    return str(block["hash"]) if isinstance(block, dict) else ""


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    assert waited(condition, timeout_s)


def waited(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    for _ in itertools.count():
        if condition():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    raise AssertionError
