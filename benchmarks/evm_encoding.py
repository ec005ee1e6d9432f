"""Signed transactions per second of one core: ours against eth-account, in one run.

    .venv/bin/python -m benchmarks.evm_encoding [--seconds 2]

Prints CPU-time rates (so that other work on the machine does not count) and their ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from eth_account import Account as EthAccount

from bench.adapters.evm.abi import parse_abi
from bench.adapters.evm.encoding import Contract, OperationEncoder
from bench.adapters.evm.fees import GWEI, Fees
from bench.adapters.evm.signing import TransactionCodec, TransactionType, Wallet
from bench.model.operation import Account, Operation

CHAIN_ID = 31337
ARTEFACT = Path(__file__).parent.parent / "workloads" / "smallbank" / "evm" / "contract.json"


def rate(work: Callable[[int], object], seconds: float) -> float:
    """Calls per CPU second, after a short warm-up."""
    for index in range(200):
        work(index)
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for index in range(done, done + 100):
            work(index)
        done += 100
    return done / spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    seconds = parser.parse_args().seconds
    wallet = Wallet(b"benchmark")
    fees = Fees(16 * GWEI, GWEI, GWEI, dynamic=True)
    contract = Contract(bytes(20), parse_abi(orjson.loads(ARTEFACT.read_bytes())["abi"]))
    codec = TransactionCodec(CHAIN_ID, TransactionType.DYNAMIC_FEE, fees)
    encoder = OperationEncoder(codec, wallet, {"transfer": 21_000, "send_payment": 60_000}, contract)

    def transfer(index: int) -> object:
        return encoder.encode(Operation("transfer", {"to": Account(index % 97), "amount": 1}), index % 100, index)

    def payment(index: int) -> object:
        arguments = {"from": index % 9_999, "to": index % 9_998, "amount": 5}
        return encoder.encode(Operation("send_payment", arguments), index % 100, index)

    secret = wallet._secret(0)
    to = "0x" + "11" * 20

    def oracle(index: int) -> object:
        fields = {"nonce": index, "gas": 21_000, "to": to, "value": 1, "chainId": CHAIN_ID, "type": 2}
        fees_of = {"maxFeePerGas": 16 * GWEI, "maxPriorityFeePerGas": GWEI}
        return EthAccount.sign_transaction(fields | fees_of, secret)

    ours, calls, theirs = rate(transfer, seconds), rate(payment, seconds), rate(oracle, seconds)
    print(f"transfer, type 2     {ours:>10,.0f} tx/s/core")
    print(f"send_payment, type 2 {calls:>10,.0f} tx/s/core")
    print(f"eth-account          {theirs:>10,.0f} tx/s/core")
    print(f"ratio transfer / eth-account {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
