"""The EVM adapter on a real anvil: preparation, submission, reads, refusals."""

import json
import os
import secrets
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.evm.money import created_since
from bench.adapters.protocol import Auditable, Endpoint, Fixture, Queryable, Sequenced, Setup
from bench.model.errors import LedgerError
from bench.model.ledger import Sequencing
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Transaction, Unanswered
from tests.support.anvil import AnvilNetwork, anvil_network
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live

TYPES = ["legacy", "2930", "1559"]


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilNetwork]:
    with anvil_network(tmp_path_factory.mktemp("evm"), block_time_s=0.2, base_fee=1_000_000_000) as network:
        yield network


@pytest.fixture
def adapter() -> Iterator[EvmAdapter]:
    opened = EvmAdapter()
    yield opened
    opened.close()


def setup(anvil: AnvilNetwork, workload=TRANSFER, **fields) -> Setup:
    base = Setup(workload, dict(workload.defaults), 5, 100, 1, {"funding_key": anvil.funding_key})
    return replace(base, **fields)


def transfer(adapter: EvmAdapter, sender: int, sequence: int, amount: int = 1) -> Transaction:
    return adapter.encode(Operation("transfer", {"to": Account(4), "amount": amount}), sender, sequence)


def wait_included(adapter: EvmAdapter, sender: int, sequence: int) -> None:
    events = adapter.commits(None)
    while adapter.next_sequence(sender) <= sequence:
        next(events)
    events.close()


def test_it_has_the_powers_it_says(adapter):
    assert isinstance(adapter, Sequenced)
    assert isinstance(adapter, Auditable)
    assert isinstance(adapter, Queryable)
    assert adapter.sequencing is Sequencing.ACCOUNT
    assert adapter.finality.confirmations == 0


def test_accounts_are_funded_once_and_left_alone_after(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    first = adapter.prepare(setup(anvil, accounts=230, seed=71))
    assert first.disclosed["accounts_funded"] == 230
    assert first.sequences == (0,) * 230
    second = adapter.prepare(setup(anvil, accounts=230, seed=71))
    assert second.disclosed["accounts_left_alone"] == 230
    assert second.data["salt"] == first.data["salt"]
    third = adapter.prepare(setup(anvil, accounts=240, seed=71))
    assert (third.disclosed["accounts_funded"], third.disclosed["accounts_left_alone"]) == (10, 230)


def test_development_funding_sets_balances(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint, options={"dev_funding": True}))
    fixture = adapter.prepare(setup(anvil, accounts=3, seed=72, secrets={}))
    assert fixture.disclosed["funding_source"] == "anvil_setBalance"
    assert adapter.submit([transfer(adapter, 0, 0)]) == [ACCEPTED]


@pytest.mark.parametrize("scheme", ["http", "ws"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_transaction_type_is_taken_and_executed(anvil, adapter, kind, scheme):
    adapter.open(Endpoint(anvil.endpoint.replace("http", scheme), options={"transaction_type": kind}))
    fixture = adapter.prepare(setup(anvil, seed=100 + TYPES.index(kind) + 10 * (scheme == "ws")))
    state = adapter.state()
    before = state.read("balance", {"of": Account(4)})
    assert isinstance(before, int)
    batch = [transfer(adapter, 0, fixture.sequences[0] + number, 10**number) for number in range(3)]
    assert adapter.submit(batch[:1]) == [ACCEPTED]
    assert adapter.submit(batch[1:]) == [ACCEPTED] * 2
    wait_included(adapter, 0, fixture.sequences[0] + 2)
    assert state.read("balance", {"of": Account(4)}) == before + 111
    assert state.read("sequence", {"of": Account(0)}) == fixture.sequences[0] + 3
    assert state.read("transactions_since_start", {}) == 3
    assert adapter.submit(batch[:1])[0].error_class is ErrorClass.SEQUENCE_TOO_LOW


def test_the_nodes_refusals_are_classified(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(setup(anvil, seed=73))
    sent = transfer(adapter, 1, 7)
    assert adapter.submit([sent]) == [ACCEPTED]  # a gap waits in anvil's pool
    assert adapter.submit([sent]) == [ACCEPTED]  # already imported
    replies = adapter.submit([transfer(adapter, 1, 7, amount=2), transfer(adapter, 2, 0, amount=10**30)])
    assert [reply.error_class for reply in replies] == [ErrorClass.UNDERPRICED, ErrorClass.INSUFFICIENT_FUNDS]
    options = {"fees": {"policy": "fixed", "max_fee_gwei": 1e-9}}
    cheap = EvmAdapter()
    cheap.open(Endpoint(anvil.endpoint, options=options), replace(fixture, data={**fixture.data, "fees": LOW}))
    assert cheap.submit([transfer(cheap, 3, 0)])[0].error_class is ErrorClass.UNDERPRICED
    cheap.close()


LOW = {"max_wei": "1", "priority_wei": "1"}


def test_a_filler_uses_up_a_sequence_number(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(setup(anvil, seed=74))
    assert adapter.submit([adapter.encode_filler(2, fixture.sequences[2])]) == [ACCEPTED]
    wait_included(adapter, 2, fixture.sequences[2])
    assert adapter.next_sequence(2) == fixture.sequences[2] + 1


def test_smallbank_moves_money_as_its_operations_say(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    parameters = {"customers": 230, "initial_checking": 1000, "initial_savings": 500}
    fixture = adapter.prepare(setup(anvil, SMALLBANK, seed=75, parameters=parameters))
    operations = [
        Operation("send_payment", {"from": 0, "to": 1, "amount": 400}),
        Operation("deposit_checking", {"customer": 2, "amount": 130}),
        Operation("transact_savings", {"customer": 3, "amount": -500}),
        Operation("amalgamate", {"from": 4, "to": 5}),
        Operation("write_check", {"customer": 6, "amount": 1501}),
        Operation("write_check", {"customer": 229, "amount": 1500}),
    ]
    batch = [adapter.encode(each, 0, fixture.sequences[0] + number) for number, each in enumerate(operations)]
    assert adapter.submit(batch) == [ACCEPTED] * 6
    wait_included(adapter, 0, fixture.sequences[0] + 5)
    state = adapter.state()
    expected = {0: (600, 500), 1: (1400, 500), 2: (1130, 500), 3: (1000, 0), 4: (0, 0), 5: (2500, 500)}
    expected |= {6: (-502, 500), 229: (-500, 500), 100: (1000, 500)}
    for customer, (checking, savings) in expected.items():
        assert state.read("checking_of", {"customer": customer}) == checking
        assert state.read("savings_of", {"customer": customer}) == savings
        assert state.read("balance", {"customer": customer}) == checking + savings
    assert state.read("penalties", {}) == 1
    assert state.read("customers", {}) == 230
    assert state.read("total_of", {"first": 0, "count": 230}) == 230 * 1500 + 130 - 500 - 1502 - 1500


def test_reads_are_answered_and_refused(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    adapter.prepare(setup(anvil, SMALLBANK, seed=76, parameters={**SMALLBANK.defaults, "customers": 5}))
    assert {"balance", "total_of", "penalties"} <= adapter.reads
    good = adapter.encode(Operation("balance", {"customer": 1}, Kind.READ), 0, 0)
    bad = adapter.encode(Operation("balance", {"customer": 99}, Kind.READ), 0, 0)
    assert adapter.submit([good]) == [ACCEPTED]
    replies = adapter.submit([bad, good, good])
    assert replies[1:] == [ACCEPTED, ACCEPTED]
    assert replies[0].error_class is ErrorClass.READ_REFUSED


def test_a_batch_of_a_thousand(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    adapter.prepare(setup(anvil, seed=77, writes=5000))
    batch = [transfer(adapter, number % 5, number // 5) for number in range(1000)]
    assert adapter.submit(batch) == [ACCEPTED] * 1000


def test_the_wrong_chain_is_refused_with_both_ids(anvil, adapter):
    with pytest.raises(LedgerError, match="expected chain id 5, the node has 31337"):
        adapter.open(Endpoint(anvil.endpoint, options={"chain_id": 5}))
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(setup(anvil, seed=78))
    with pytest.raises(LedgerError, match="expected chain id 7"):
        adapter.open(Endpoint(anvil.endpoint), replace(fixture, data={**fixture.data, "chain_id": 7}))
    with pytest.raises(LedgerError, match="not the one that was prepared"):
        adapter.open(Endpoint(anvil.endpoint), replace(fixture, data={**fixture.data, "genesis": "0x00"}))


def test_any_chain_id_works(tmp_path, adapter):
    chain_id = 2**40 + 11
    with anvil_network(tmp_path, block_time_s=0.2, chain_id=chain_id) as network:
        adapter.open(Endpoint(network.endpoint, options={"chain_id": chain_id, "transaction_type": "legacy"}))
        adapter.prepare(setup(network, accounts=1))
        tx = adapter.encode(Operation("transfer", {"to": Account(9), "amount": 3}), 0, 0)
        assert adapter.submit([tx]) == [ACCEPTED]
        adapter.close()


def test_a_key_without_money_is_told_what_it_needs(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    with pytest.raises(LedgerError, match=r"holds 0 ether and needs .* to fund 5 of 5 accounts") as caught:
        adapter.prepare(setup(anvil, secrets={"funding_key": secrets.token_hex(32)}))
    assert "remedy: send " in str(caught.value)


def test_nothing_listens(adapter):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
    with pytest.raises(LedgerError, match=f"{url} cannot be reached"):
        adapter.open(Endpoint(url))


def test_a_node_that_stops_makes_submissions_unreachable(tmp_path, adapter):
    with anvil_network(tmp_path, block_time_s=0.2) as network:
        adapter.open(Endpoint(network.endpoint))
        adapter.prepare(setup(network))
    sent = transfer(adapter, 0, 0)
    assert isinstance(adapter.submit([sent])[0], Unanswered)  # on the connection that was kept: it may have been read
    reply = adapter.submit([sent])[0]
    assert isinstance(reply, Refusal)
    assert reply.error_class is ErrorClass.UNREACHABLE


GREENLETS = """
    from gevent import monkey
    monkey.patch_all()
    import gevent, json, sys
    from bench.adapters.evm.adapter import EvmAdapter
    from bench.adapters.protocol import Endpoint, Fixture
    from bench.model.operation import Account, Operation
    from bench.model.transaction import ACCEPTED

    url, fixture = json.loads(sys.stdin.read())
    adapter = EvmAdapter()
    adapter.open(Endpoint(url), Fixture(**fixture))

    def lane(sender):
        for sequence in range(10):
            operation = Operation("transfer", {"to": Account(sender), "amount": 1})
            assert adapter.submit([adapter.encode(operation, sender, sequence)]) == [ACCEPTED]
        assert adapter.next_sequence(sender) >= 0

    gevent.joinall([gevent.spawn(lane, sender) for sender in range(100)], raise_error=True)
    adapter.close()
    print("sent", 1000)
"""


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_many_greenlets_share_one_adapter(anvil, adapter, scheme):
    url = anvil.endpoint.replace("http", scheme)
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(setup(anvil, accounts=100, writes=1000, seed=80 + (scheme == "ws")))
    text = _as_json(url, fixture)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(GREENLETS)],
        check=False,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.stdout == "sent 1000\n", done.stderr
    wait_included(adapter, 99, 9)
    assert adapter.state().read("transactions_since_start", {}) == 1000


def _as_json(url: str, fixture: Fixture) -> str:
    shape = {"accounts": fixture.accounts, "sequences": list(fixture.sequences), "data": fixture.data}
    return json.dumps([url, shape])


def test_money_is_conserved_but_for_what_comes_from_outside(anvil, adapter):
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(setup(anvil, seed=211))
    state = adapter.state()
    batch = [transfer(adapter, 0, fixture.sequences[0] + number, 5) for number in range(3)]
    assert adapter.submit(batch) == [ACCEPTED] * 3
    wait_included(adapter, 0, fixture.sequences[0] + 2)
    assert state.read("money_created_since_start", {}) == 0
    rpc, address = adapter._opened().chain.rpc, "0x" + adapter._prepared().wallet.address(1).hex()
    rpc.call("anvil_setBalance", [address, hex(state.read("balance", {"of": Account(1)}) + 7)])
    rpc.call("evm_mine", [])
    assert state.read("money_created_since_start", {}) == 7
    start = adapter._prepared().opening
    elsewhere = replace(start, block_id="0x" + "11" * 32)
    addresses = ["0x" + adapter._prepared().wallet.address(index).hex() for index in range(fixture.accounts)]
    assert created_since(rpc, start, addresses) == 7
    assert created_since(rpc, elsewhere, addresses) is None, "a block of that height, and not the one it began at"
