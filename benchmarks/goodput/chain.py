"""The judge: what the chain itself holds, read after the load is over, the same for every contender."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from bench.model.keccak import keccak256
from benchmarks.goodput.window import SeenBlock

AMOUNT = 130
OPENING = 20_000


def _selector(signature: str) -> str:
    return "0x" + keccak256(signature.encode())[:4].hex()


SELECTOR = _selector("depositChecking(uint256,uint256)")


class Rpc:
    """JSON-RPC over one connection, for one thread."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def call(self, method: str, *parameters: object) -> Any:
        """The result; raises RuntimeError with the node's message on an error."""
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = orjson.loads(self._connection.getresponse().read())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def number(self, method: str, *parameters: object) -> int:
        """A result that is a quantity."""
        return int(self.call(method, *parameters), 16)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def read_blocks(url: str, seen: Mapping[int, int]) -> list[SeenBlock]:
    """Every seen block with its valid calls of the one contract that was deployed on this fresh chain, by height.

    Execution is read from receipts; on anvil, where those of large blocks take too long, from traces. Raises
    RuntimeError when the bank's money, or on anvil the receipt of each block's first call, tells another story.
    """
    rpc = Rpc(url)
    try:
        contract, blocks = "", []
        by_trace = str(rpc.call("web3_clientVersion")).startswith("anvil/")
        for height in sorted(seen):
            if not by_trace:
                contract, calls = _by_receipts(rpc, height, contract)
                blocks.append(SeenBlock(height, seen[height], calls))
                continue
            traces = [trace for trace in rpc.call("trace_block", hex(height)) if trace["traceAddress"] == []]
            contract = contract or _deployed(traces)
            valid = [trace for trace in traces if contract and is_valid_call(trace, contract)]
            if valid and rpc.call("eth_getTransactionReceipt", valid[0]["transactionHash"])["status"] != "0x1":
                raise RuntimeError(f"receipt and trace disagree about {valid[0]['transactionHash']}")
            blocks.append(SeenBlock(height, seen[height], len(valid)))
        _check_money(rpc, contract, sum(block.calls for block in blocks))
        return blocks
    finally:
        rpc.close()


def _by_receipts(rpc: Rpc, height: int, contract: str) -> tuple[str, int]:
    """The contract's address once it is known, and how many valid calls of it the block holds."""
    block = rpc.call("eth_getBlockByNumber", hex(height), True)
    if not block["transactions"]:
        return contract, 0
    receipts = rpc.call("eth_getBlockReceipts", hex(height))
    contract = contract or next((str(r["contractAddress"]) for r in receipts if r.get("contractAddress")), "")
    valid = [
        sent
        for sent, receipt in zip(block["transactions"], receipts, strict=True)
        if contract
        and str(sent["to"]).lower() == contract.lower()
        and str(sent["input"]).startswith(SELECTOR)
        and receipt["status"] == "0x1"
        and receipt["transactionHash"] == sent["hash"]
    ]
    return contract, len(valid)


def _deployed(traces: list[dict[str, Any]]) -> str:
    return next((str(trace["result"]["address"]) for trace in traces if trace["type"] == "create"), "")


def is_valid_call(trace: dict[str, Any], contract: str) -> bool:
    """Whether a transaction is the call, and succeeded."""
    action = trace["action"]
    return action.get("to") == contract and str(action.get("input")).startswith(SELECTOR) and not trace.get("error")


def _check_money(rpc: Rpc, contract: str, calls: int) -> None:
    """Every valid call added the same amount to a bank that opened with a known one."""
    customers = rpc.number("eth_call", {"to": contract, "data": _selector("customers()")}, "latest")
    total = _selector("totalOf(uint256,uint256)") + f"{0:064x}{customers:064x}"
    held = rpc.number("eth_call", {"to": contract, "data": total}, "latest")
    if held != customers * OPENING + calls * AMOUNT:
        raise RuntimeError(f"the bank holds {held}, and {calls} valid calls on {customers} customers do not explain it")
