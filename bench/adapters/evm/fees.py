"""What a transaction offers to pay. Decided once per trial, because transactions are signed ahead of time.

The base fee climbs by up to an eighth per full block while signatures wait in a buffer, so the cap of a dynamic-fee
transaction stands `headroom` times above the present base fee, and accounts are funded for the cap. What is really paid
is the base fee plus the tip; legacy and access-list transactions pay their whole price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.adapters.evm.options import FeeOptions
from bench.model.errors import ConfigurationError

if TYPE_CHECKING:
    from bench.adapters.evm.rpc import Rpc

GWEI = 10**9
CAP_FLOOR_WEI = GWEI
"""Least cap on a chain with a base fee: an idle dev chain's base fee of a few wei says nothing about one under load."""


@dataclass(frozen=True, slots=True)
class Fees:
    """In wei per gas. `max_wei` is the cap (dynamic fee) or the price (legacy, access list); `dynamic` says which."""

    max_wei: int
    priority_wei: int
    base_wei: int
    dynamic: bool

    @property
    def disclosed(self) -> dict[str, int | bool]:
        """For the bundle."""
        return {"max_wei": self.max_wei, "priority_wei": self.priority_wei, "base_wei_at_setup": self.base_wei}


def choose_fees(rpc: Rpc, options: FeeOptions, transaction_type: str) -> Fees:
    """Read the chain's fee level and apply the policy of `options`; `transaction_type` is a type or "auto"."""
    base = _base_fee(rpc)
    dynamic = transaction_type == "1559" or (transaction_type == "auto" and base is not None and options.allows_dynamic)
    if dynamic and base is None:
        raise ConfigurationError(
            "this chain has no base fee, so it takes no dynamic-fee transactions",
            value=transaction_type,
            remedy="set adapter option transaction_type to auto or legacy",
        )
    if options.policy == "fixed":
        return _fixed(options, base or 0, dynamic)
    return _dynamic(rpc, options, base or 0) if dynamic else _flat(rpc, options, base)


def _base_fee(rpc: Rpc) -> int | None:
    block = rpc.call("eth_getBlockByNumber", ["latest", False])
    text = block.get("baseFeePerGas") if isinstance(block, dict) else None
    return int(text, 16) if isinstance(text, str) else None


def _fixed(options: FeeOptions, base: int, dynamic: bool) -> Fees:
    assert options.max_fee_gwei is not None  # FeeOptions refuses a fixed policy without it
    cap = round(options.max_fee_gwei * GWEI)
    tip = cap if options.priority_fee_gwei is None else round(options.priority_fee_gwei * GWEI)
    return Fees(cap, min(tip, cap), base, dynamic)


def _dynamic(rpc: Rpc, options: FeeOptions, base: int) -> Fees:
    if options.priority_fee_gwei is not None:
        tip = round(options.priority_fee_gwei * GWEI)
    else:
        suggested = rpc.optional("eth_maxPriorityFeePerGas", [])
        tip = int(suggested, 16) if isinstance(suggested, str) else GWEI
    cap = max(round(options.headroom * base), CAP_FLOOR_WEI if base else 0) + tip
    return Fees(_capped(cap, options), min(tip, _capped(cap, options)), base, dynamic=True)


def _flat(rpc: Rpc, options: FeeOptions, base: int | None) -> Fees:
    price = int(str(rpc.call("eth_gasPrice", [])), 16)
    if base:
        price = max(price, round(options.headroom * base), CAP_FLOOR_WEI)
    price = _capped(price, options)
    return Fees(price, price, base or 0, dynamic=False)


def _capped(price: int, options: FeeOptions) -> int:
    return price if options.max_fee_gwei is None else min(price, round(options.max_fee_gwei * GWEI))
