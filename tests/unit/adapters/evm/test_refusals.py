import pytest

from bench.adapters.evm.refusals import classify_error, classify_status
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal

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
    ("something nobody has seen", ErrorClass.NODE_ERROR),
    ("", ErrorClass.NODE_ERROR),
]


@pytest.mark.parametrize("message", ACCEPTED_MESSAGES)
def test_a_known_transaction_was_accepted(message):
    assert classify_error(-32000, message) is ACCEPTED


@pytest.mark.parametrize(("message", "error_class"), REFUSED)
def test_messages(message, error_class):
    assert classify_error(-32000, message) == Refusal(error_class, message)


def test_codes_speak_where_words_do_not():
    assert classify_error(-32601, "?") == Refusal(ErrorClass.METHOD_MISSING, "?")
    assert classify_error(-32005, "?") == Refusal(ErrorClass.RATE_LIMITED, "?")


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (401, ErrorClass.UNAUTHORIZED),
        (403, ErrorClass.UNAUTHORIZED),
        (429, ErrorClass.RATE_LIMITED),
        (500, ErrorClass.NODE_ERROR),
    ],
)
def test_http_statuses(status, error_class):
    assert classify_status(status, "why") == Refusal(error_class, f"HTTP {status} why")


def test_messages_are_cut():
    reply = classify_error(-32000, "x" * 10_000)
    assert isinstance(reply, Refusal)
    assert len(reply.message) == 300
