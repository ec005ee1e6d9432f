"""eth-account as the oracle of signatures, with the recursion limit it raises for the whole process put back."""

import sys

_limit = sys.getrecursionlimit()

from eth_account import Account as EthAccount  # noqa: E402  # its import sets a limit of 100,000

sys.setrecursionlimit(_limit)

__all__ = ["EthAccount"]
