"""Transfers and anchors on etcd: what is asked, and what the answers mean."""

import pytest

from bench.adapters.etcd.messages import KeyValue, RangeAnswer, TxnAnswer
from bench.adapters.etcd.options import options_of
from bench.adapters.etcd.writes import (
    Balance,
    Balances,
    Keys,
    Malformed,
    read_payload,
    read_request,
    write_of,
    write_payload,
)
from bench.api import ACCEPTED, Account, ConfigurationError, Endpoint, Kind, Operation
from bench.model.transaction import ErrorClass, Refusal

KEYS = Keys(b"bench/")
TX = bytes(range(32))
NOTHING = RangeAnswer((), 0, 0, 0)


def found(key: bytes, value: bytes, revision: int) -> RangeAnswer:
    return RangeAnswer((KeyValue(key, value, 1, revision),), 1, 0, 0)


def transfer(balances: Balances, amount: int = 5, to: int = 1):
    payload = write_payload(Operation("transfer", {"to": Account(to), "amount": amount}), TX, 0)
    return write_of(payload, KEYS, balances)


def told(payer: int, payee: int, mine: RangeAnswer = NOTHING) -> TxnAnswer:
    ranges = (mine, found(b"a0", b"%d" % payer, 7), found(b"a1", b"%d" % payee, 8))
    return TxnAnswer(False, 20, ranges)


def test_a_transfer_asks_first_then_compares_then_pays() -> None:
    balances = Balances()
    write = transfer(balances)
    assert b"bench/account/0" in write.request()
    assert write.reply(told(100, 10)) is None
    assert balances.seen == {0: Balance(100, 7), 1: Balance(10, 8)}
    request = write.request()
    assert b"95" in request
    assert b"15" in request
    assert write.reply(TxnAnswer(True, 30, ())) == ACCEPTED
    assert balances.seen == {0: Balance(95, 30), 1: Balance(15, 30)}


def test_a_lost_race_is_tried_again_with_what_is_true_now() -> None:
    balances = Balances({0: Balance(100, 1), 1: Balance(0, 1)})
    write = transfer(balances)
    write.request()
    assert write.reply(told(90, 10)) is None
    assert b"85" in write.request()


def test_a_transfer_that_was_executed_before_is_accepted_again() -> None:
    write = transfer(Balances({0: Balance(100, 1), 1: Balance(0, 1)}))
    write.request()
    assert write.reply(told(1, 1, mine=found(b"tx", b"", 3))) == ACCEPTED


def test_missing_money_is_refused_only_after_a_look() -> None:
    balances = Balances({0: Balance(1, 1), 1: Balance(0, 1)})
    write = transfer(balances)
    write.request()
    assert write.reply(told(100, 0)) is None, "what was remembered was old"
    again = transfer(Balances({0: Balance(1, 1), 1: Balance(0, 1)}))
    again.request()
    assert again.reply(told(2, 0)) == Refusal(ErrorClass.BUSINESS_REFUSAL, "insufficient_funds")


def test_old_news_do_not_replace_newer() -> None:
    balances = Balances({0: Balance(5, 10)})
    balances.learn(0, Balance(9, 9))
    assert balances.seen[0] == Balance(5, 10)


def test_paying_oneself_changes_no_balance() -> None:
    balances = Balances({0: Balance(100, 1)})
    write = transfer(balances, to=0)
    write.request()
    assert write.reply(TxnAnswer(True, 30, ())) == ACCEPTED
    assert balances.seen == {0: Balance(100, 30)}


def test_an_anchor_is_accepted_once() -> None:
    write = write_of(write_payload(Operation("anchor", {"document": bytes(32)}), TX, 3), KEYS, Balances())
    assert write.reply(TxnAnswer(True, 9, ())) == ACCEPTED
    assert write.reply(TxnAnswer(False, 9, (found(b"tx", b"", 3),))) == ACCEPTED
    assert write.reply(TxnAnswer(False, 9, (NOTHING,))) == Refusal(ErrorClass.BUSINESS_REFUSAL, "already_anchored")


@pytest.mark.parametrize(
    "operation",
    [
        Operation("transfer", {"to": Account(1), "amount": -1}),
        Operation("transfer", {"to": 1, "amount": 1}),
        Operation("anchor", {"document": bytes(31)}),
        Operation("send_payment", {"from": 1, "to": 2, "amount": 3}),
    ],
)
def test_what_etcd_cannot_express_is_refused_before_it_is_sent(operation: Operation) -> None:
    with pytest.raises(ConfigurationError, match="cannot be expressed on etcd"):
        write_payload(operation, TX, 0)


def test_bytes_cut_short_are_told_from_whole_ones() -> None:
    payload = write_payload(Operation("transfer", {"to": Account(1), "amount": 1}), TX, 0)
    read = read_payload(Operation("balance", {"of": Account(1)}, Kind.READ), KEYS, serializable=False)
    assert read_request(read).endswith(b"bench/account/1")
    for broken in (b"", payload[:-1], payload + b"x", b"X" + payload[1:]):
        with pytest.raises(Malformed):
            write_of(broken, KEYS, Balances())
    for broken in (b"", b"R", read[:-1], read + b"x"):
        with pytest.raises(Malformed):
            read_request(broken)


def test_options_are_checked() -> None:
    options = options_of(Endpoint("http://h:1", options={"endpoints": ["http://h:1", "http://i"], "retries": 3}))
    assert options.addresses == (("h", 1), ("i", 2379))
    assert options.retries == 3
    wrong = {"endpoints": "http://h", "prefix": "bench", "keep": 1, "retries": -1, "retrys": 3}
    for name, value in wrong.items():
        with pytest.raises(ConfigurationError):
            options_of(Endpoint("http://h:1", options={name: value}))
    for url in ("https://h:2379", "http://user@h", "http://h/path", "h:2379"):
        with pytest.raises(ConfigurationError, match="not an address of etcd"):
            options_of(Endpoint(url))
    with pytest.raises(ConfigurationError, match="no headers"):
        options_of(Endpoint("http://h:1", headers={"x": "y"}))
