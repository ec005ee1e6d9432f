"""`python -m bench.ledgers.fabric.client_program` prints where the adapter's client program is, built if need be.

The adapter asks this way for a network that is not ours: building is the business of this room.
"""

from __future__ import annotations

import sys

from bench.ledgers.fabric.programs import install_client
from bench.model.errors import BenchError


def main() -> int:
    """0 with the path on standard output, else 1 with the reason on standard error."""
    try:
        sys.stdout.write(f"{install_client(_say)}\n")
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
