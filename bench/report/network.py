"""The network of a ledger as it ran, in words: which nodes, where, how they were linked, with which flags."""

from __future__ import annotations

import shlex
from itertools import groupby

from bench.model.ledger_part import LedgerPart
from bench.report import format as fmt

_UNTOLD = "not told"


def network_rows(ledger: LedgerPart) -> tuple[tuple[str, str], ...]:
    """(what, text): version, nodes by role with their addresses, links, flags."""
    return (
        ("Version", ledger.version),
        ("Nodes", nodes_text(ledger)),
        ("Links", links_text(ledger)),
        ("Flags", shlex.join(ledger.flags) or "none"),
    )


def nodes_text(ledger: LedgerPart) -> str:
    """4, started by the harness: 4 validators (node-0 at 127.0.0.2:26657, …)."""
    how_many = f"{fmt.count(ledger.nodes)}, {'started by the harness' if ledger.managed else 'not started by us'}"
    if not ledger.network:
        return how_many
    by_role = groupby(sorted(ledger.network, key=lambda node: node.role), key=lambda node: node.role)
    told = []
    for role, nodes in by_role:
        members = [f"{node.name} at {_plain(node.address)}" for node in nodes]
        told.append(f"{fmt.counted(len(members), role)} ({', '.join(members)})")
    return f"{how_many}: {'; '.join(told)}"


def links_text(ledger: LedgerPart) -> str:
    """Every pair, or the pairs by name; with the delay that was added, if any."""
    links, members = ledger.links, {end for link in ledger.links for end in (link.one, link.other)}
    if not links:
        return "none: one node" if ledger.nodes == 1 else _UNTOLD
    delays = {link.delay_ms for link in links}
    added = ", no delay added" if delays == {0.0} else ""
    if len({frozenset((link.one, link.other)) for link in links}) == len(members) * (len(members) - 1) // 2:
        pairs = (
            f"each of {fmt.count(len(members))} with each" if len(members) > 2 else f"{links[0].one}–{links[0].other}"
        )
    else:
        pairs = ", ".join(f"{link.one}–{link.other}" for link in links)
    if not added:
        slowest = max(delays)
        added = (
            f", {fmt.milliseconds(slowest)} added one way"
            if len(delays) == 1
            else (f", up to {fmt.milliseconds(slowest)} added one way")
        )
    return pairs + added


def _plain(address: str) -> str:
    """Without what a directory of this machine adds to it."""
    if address.startswith(("unix:", "/")):
        return "a local socket"
    return address
