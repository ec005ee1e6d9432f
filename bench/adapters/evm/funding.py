"""Money for derived accounts: what each needs, who has it already, and transfers from one key until all have enough.

The chain is asked first, so funding that was cut short is resumed, and an account that has enough is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.adapters.evm.encoding import send_request
from bench.adapters.evm.options import EvmOptions
from bench.adapters.evm.rpc import Rpc
from bench.adapters.evm.signing import Signer, TransactionCodec, value_and_data
from bench.adapters.evm.submitting import submit
from bench.adapters.jsonrpc.channel import Channel
from bench.model.errors import LedgerError
from bench.model.transaction import Refusal

WEI_PER_ETHER = 10**18
_SEND_BATCH = 100
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Need:
    """Wei per account: funded when below `least`, up to `target`."""

    least: int
    target: int


@dataclass(frozen=True, slots=True)
class Funding:
    """What was done, for the bundle."""

    funded: int
    left_alone: int
    target_wei: int
    source: str


def need_per_account(writes: int, accounts: int, gas: int, price_wei: int, value_wei: int) -> Need:
    """Each account can pay for twice its even share of all writes and ten more, each at the highest price and gas, and
    is filled to half as much again, so that the next run finds enough.
    """
    share = 2 * -(-writes // max(accounts, 1)) + 10
    least = share * (gas * price_wei + value_wei)
    return Need(least, least + least // 2)


class Treasury:
    """One funding key: sends transactions one after another, with its own sequence numbers, and waits for them."""

    def __init__(
        self, rpc: Rpc, channel: Channel, codec: TransactionCodec, signer: Signer, options: EvmOptions
    ) -> None:
        self._rpc = rpc
        self._channel = channel
        self._codec = codec
        self._signer = signer
        self._options = options

    @property
    def address(self) -> str:
        """The funding key's address."""
        return "0x" + self._signer.address.hex()

    def balance(self) -> int:
        """In wei."""
        return self._rpc.hex_int("eth_getBalance", [self.address, "latest"])

    def require(self, wei: int, purpose: str) -> None:
        """Refuse to begin what the key cannot pay."""
        balance = self.balance()
        if balance < wei:
            raise LedgerError(
                f"the funding key {self.address} holds {_ether(balance)} and needs {_ether(wei)} {purpose}",
                remedy=f"send {_ether(wei - balance)} to {self.address}, or lower accounts, rate or fees.headroom",
            )

    def send_all(self, shapes: Sequence[Shape]) -> list[bytes]:
        """Send in windows and wait until each window is included; returns the transaction ids."""
        ids: list[bytes] = []
        for start in range(0, len(shapes), self._options.funding_window):
            ids += self._send_window(shapes[start : start + self._options.funding_window])
        return ids

    def _send_window(self, shapes: Sequence[Shape]) -> list[bytes]:
        first = self._rpc.hex_int("eth_getTransactionCount", [self.address, "pending"])
        transactions = []
        for nonce, shape in enumerate(shapes, first):
            middle = self._codec.middle(shape.gas, shape.to)
            raw = self._codec.sign(self._signer.sign, nonce, middle, value_and_data(shape.value, shape.data))
            transactions.append(send_request(raw, self._codec.hash))
        size = min(_SEND_BATCH, self._rpc.batch_calls)
        for start in range(0, len(transactions), size):
            for reply in submit(self._channel, transactions[start : start + size]):
                if isinstance(reply, Refusal):
                    raise LedgerError(
                        f"the node refused a setup transaction of {self.address}",
                        value=reply.message,
                        remedy="see docs/adapters/evm.md, refusals; a smaller funding_window helps a small pool",
                    )
        wait_until(
            lambda: self._rpc.hex_int("eth_getTransactionCount", [self.address, "latest"]) >= first + len(shapes),
            self._options.setup_timeout_s,
            f"{len(shapes)} setup transactions of {self.address} were not included",
        )
        return [transaction.tx_id for transaction in transactions]


@dataclass(frozen=True, slots=True)
class Shape:
    """A setup transaction before it is signed; `to` is empty for contract creation."""

    to: bytes
    gas: int
    value: int = 0
    data: bytes = b""


def fund_accounts(
    rpc: Rpc, treasury: Treasury | None, addresses: Sequence[str], need: Need, gas: int, price: int
) -> Funding:
    """Bring every account below `need.least` to `need.target`; `gas` and `price` are those of one transfer."""
    poor = _below(rpc, addresses, need.least)
    funded = len(poor)
    if poor and treasury is None:
        _set_balances(rpc, poor, need.target)
    elif poor and treasury is not None:
        missing = sum(need.target - balance for _, balance in poor)
        treasury.require(missing + len(poor) * gas * price, f"to fund {funded} of {len(addresses)} accounts")
        treasury.send_all([Shape(bytes.fromhex(address[2:]), gas, need.target - balance) for address, balance in poor])
    if poor and (still := _below(rpc, [address for address, _ in poor], need.least)):
        raise LedgerError(
            f"{len(still)} accounts are still short after funding",
            value=still[0][0],
            remedy="check that the node includes value transfers",
        )
    source = "anvil_setBalance" if treasury is None else treasury.address
    return Funding(funded, len(addresses) - funded, need.target, source)


def wait_until(done: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    """Poll; raise a LedgerError with `otherwise` when time is up."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise LedgerError(otherwise, value=f"after {timeout_s:g} s", remedy="check that the node makes blocks")
        time.sleep(_POLL_S)


def _below(rpc: Rpc, addresses: Sequence[str], least: int) -> list[tuple[str, int]]:
    texts = rpc.batch("eth_getBalance", [[address, "latest"] for address in addresses])
    balances = [rpc.quantity("eth_getBalance", text) for text in texts]
    return [(address, balance) for address, balance in zip(addresses, balances, strict=True) if balance < least]


def _set_balances(rpc: Rpc, poor: Sequence[tuple[str, int]], target: int) -> None:
    rpc.batch("anvil_setBalance", [[address, hex(target)] for address, _ in poor])


def _ether(wei: int) -> str:
    return f"{wei / WEI_PER_ETHER:.6g} ether"
