"""CometBFT's JSON-RPC for everything but the hot path, over several nodes of one chain: one that does not answer is
passed over for the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.adapters.jsonrpc.channel import Channel, Target
from bench.adapters.jsonrpc.rpc import Dialect, RpcFault, UnreachedError, exchange
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError

Call = tuple[str, Mapping[str, JsonValue]]
"""Method and parameters by name. CometBFT takes 64-bit numbers as text."""

DIALECT = Dialect(
    "2.0",
    address="check that the endpoint is the RPC port of a CometBFT node (26657 by default)",
    credentials="give headers or basic auth in the endpoint's headers file",
    says=("message", "data"),
)
"""Its errors say in `data` what happened."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One node as a client sees it."""

    target: Target
    channel: Channel


class Rpc:
    """Asks one of `peers`, the same one as long as it answers. Any thread; the worst that two can do to each other
    is to ask another node.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._current = 0

    @property
    def current(self) -> Peer:
        """Who is asked now."""
        return self._peers[self._current]

    @property
    def size(self) -> int:
        """How many nodes there are to ask."""
        return len(self._peers)

    def give_up(self, peer: Peer) -> None:
        """Ask the one after `peer` from now on, if `peer` is asked now."""
        if self.current is peer:
            self._current = (self._current + 1) % len(self._peers)

    def only(self, peer: Peer) -> Rpc:
        """The same for one node alone."""
        return Rpc([peer])

    def call(self, method: str, **params: JsonValue) -> JsonValue:
        """The result; a node's error is a LedgerError too."""
        try:
            return self.attempt(method, **params)
        except RpcFault as fault:
            raise LedgerError(
                f"{self.current.target.shown} refused {method}", value=fault.message, remedy="see the node's log"
            ) from fault

    def attempt(self, method: str, **params: JsonValue) -> JsonValue:
        """The result; raises RpcFault with the node's own error."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[JsonValue]:
        """One result per call, in order, all from the same node; the first error ends it as RpcFault."""
        for _ in self._peers[1:]:
            try:
                return _ask(self.current, calls)
            except UnreachedError:
                self.give_up(self.current)
        return _ask(self.current, calls)


def _ask(peer: Peer, calls: Sequence[Call]) -> list[JsonValue]:
    found = exchange(peer.channel, peer.target.shown, DIALECT, calls, batch=len(calls) > 1)
    items = found.parsed if isinstance(found.parsed, list) else [found.parsed]
    if len(items) == 1 and isinstance(items[0], dict) and items[0].get("error"):
        DIALECT.result(items[0])  # one error for all
    answers = [answer for answer in found.in_order() if answer is not None]
    if len(answers) < len(calls):
        raise UnreachedError(
            f"{peer.target.shown} left {calls[0][0]} unanswered", value=str(found.parsed)[:200], remedy=DIALECT.address
        )
    return [DIALECT.result(answer) for answer in answers]
