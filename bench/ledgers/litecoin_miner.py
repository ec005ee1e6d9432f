"""The miner of a regression-test network: `python -m bench.ledgers.litecoin_miner --url … --cookie … --reward …`.

Makes one block every `--interval` seconds on one node, whatever the load, on a schedule of its own: a block that took
longer than the interval puts later ones off by whole intervals, and is not caught up with. Says so on standard output,
once per ten late blocks. A node that does not answer is asked again; after a minute of that the miner ends.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.ledgers.bitcoin_rpc import NodeRpc, RpcError, read_pair

PATIENCE_S = 60.0
_LATE_TOLD = 10


def mine(node: NodeRpc, reward: str, interval_s: float) -> str:
    """For ever; returns why it ended."""
    due = answered = time.monotonic()
    late = 0
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            node.call("generatetodescriptor", 1, reward)
            answered = time.monotonic()
        except RpcError as error:
            if time.monotonic() - answered > PATIENCE_S:
                return str(error)
        behind = int((time.monotonic() - due) / interval_s)
        due += (1 + behind) * interval_s
        if behind:
            late += 1
            if late % _LATE_TOLD == 1:
                sys.stdout.write(f"{late} blocks so far took longer than {interval_s:g} s to make\n")
                sys.stdout.flush()


def main() -> None:
    """Process entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="of the node that mines")
    parser.add_argument("--cookie", required=True, type=Path, help="file with user:password")
    parser.add_argument("--reward", required=True, help="output descriptor that new coins go to")
    parser.add_argument("--interval", required=True, type=float, help="seconds between blocks")
    options = parser.parse_args()
    url = urlsplit(options.url)
    assert url.hostname is not None
    assert url.port is not None
    node = NodeRpc(url.hostname, url.port, read_pair(options.cookie))
    raise SystemExit(mine(node, options.reward, options.interval))


if __name__ == "__main__":
    main()
