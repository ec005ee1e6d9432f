import pytest

from bench.adapters.evm.refusals import classify_error
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Unanswered

LOW, GAP, PRICE = ErrorClass.SEQUENCE_TOO_LOW, ErrorClass.SEQUENCE_GAP, ErrorClass.UNDERPRICED
FULL, FUNDS, BAD = ErrorClass.POOL_FULL, ErrorClass.INSUFFICIENT_FUNDS, ErrorClass.INVALID_TRANSACTION

ACCEPTED_MESSAGES = [
    "already known",  # geth, erigon
    "transaction already imported",  # anvil
    "Known transaction",  # besu
    "known transaction: 0xabc",  # geth before 1.9.7, quorum, kaia
    "AlreadyKnown",  # nethermind
    "existing tx with same hash",  # erigon
]

REFUSED = [
    ("nonce too low", LOW),
    ("nonce too low: address 0xf39F, tx: 0 state: 1", LOW),
    ("Nonce too low", LOW),
    ("OldNonce, Current nonce: 1, nonce of rejected tx: 0", LOW),
    ("nonce too high", GAP),
    ("Transaction nonce is too distant from current sender nonce", GAP),
    ("An invalid transaction with a lower nonce exists", GAP),
    ("NonceGap, Future nonce. Expected nonce: 5", GAP),
    ("gapped-nonce tx from delegated accounts", GAP),
    ("replacement transaction underpriced", PRICE),
    ("transaction underpriced: gas tip cap 0, minimum needed 1", PRICE),
    ("transaction gas price below minimum: gas tip cap 0, minimum needed 1000000", PRICE),
    ("max fee per gas less than block base fee: address 0xf3, maxFeePerGas: 1, baseFee: 7", PRICE),
    ("fee too low", PRICE),
    ("FeeTooLow, MaxFeePerGas too low", PRICE),
    ("ReplacementNotAllowed", PRICE),
    ("Gas price below configured minimum gas price", PRICE),
    ("gasPrice is less than the current BaseFee", PRICE),
    ("txpool is full", FULL),
    ("pending sub-pool is full", FULL),
    ("FeeTooLowToCompete", FULL),
    ("account limit exceeded: 16 pending", FULL),
    ("future transaction tries to replace pending", FULL),
    ("insufficient funds for gas * price + value: balance 0, tx cost 1", FUNDS),
    ("Insufficient funds for gas * price + value", FUNDS),
    ("Upfront cost exceeds account balance", FUNDS),
    ("InsufficientFunds, Balance is 0", FUNDS),
    ("exceeds block gas limit", BAD),
    ("GasLimitExceeded, Gas limit: 30000000", BAD),
    ("intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", BAD),
    ("intrinsic gas too low", BAD),
    ("invalid chain id for signer", BAD),
    ("Wrong chainId", BAD),
    ("invalid sender", BAD),
    ("max priority fee per gas higher than max fee per gas", BAD),
    ("tx fee (1.26 ether) exceeds the configured cap (1.00 ether)", BAD),
    ("Failed to decode transaction", BAD),
    ("rate limit exceeded", ErrorClass.RATE_LIMITED),
    ("Too Many Requests", ErrorClass.RATE_LIMITED),
    ("Sender account not authorized to send transactions", ErrorClass.UNAUTHORIZED),
    ("the method eth_sendRawTransaction does not exist/is not available", ErrorClass.METHOD_MISSING),
]


@pytest.mark.parametrize("message", ACCEPTED_MESSAGES)
def test_a_known_transaction_was_accepted(message):
    assert classify_error(-32000, message) is ACCEPTED


@pytest.mark.parametrize(("message", "error_class"), REFUSED)
def test_messages(message, error_class):
    assert classify_error(-32000, message) == Refusal(error_class, message)


@pytest.mark.parametrize("message", ["something nobody has seen", "", "context deadline exceeded"])
@pytest.mark.parametrize("code", [-32000, -32002, -32603, 1])
def test_words_that_nobody_knows_prove_nothing(code, message):
    reply = classify_error(code, message)
    assert isinstance(reply, Unanswered)
    assert reply.message.endswith(message)


@pytest.mark.parametrize("code", [-32700, -32600, -32602, -32003])
def test_codes_of_a_method_that_was_not_run_and_of_a_rejection_are_a_no(code):
    assert classify_error(code, "?") == Refusal(ErrorClass.NODE_ERROR, "?")


def test_words_that_may_tell_of_a_fault_within_are_not_believed_of_an_internal_error():
    for message in ("failed to decode the answer of the backend", "authentication with the backend failed"):
        assert isinstance(classify_error(-32603, message), Unanswered)
        assert isinstance(classify_error(-32000, message), Refusal)
    assert classify_error(-32603, "nonce too low") == Refusal(ErrorClass.SEQUENCE_TOO_LOW, "nonce too low")


def test_codes_speak_where_words_do_not():
    assert classify_error(-32601, "?") == Refusal(ErrorClass.METHOD_MISSING, "?")
    assert classify_error(-32005, "?") == Refusal(ErrorClass.RATE_LIMITED, "?")


def test_messages_are_cut():
    reply = classify_error(-32003, "x" * 10_000)
    assert isinstance(reply, Refusal)
    assert len(reply.message) == 300
