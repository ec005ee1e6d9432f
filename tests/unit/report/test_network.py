from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart, LinkPart, NodePart
from bench.report.network import links_text, network_rows, nodes_text


def ledger(nodes: list[NodePart], links: list[LinkPart], **changes: object) -> LedgerPart:
    values: dict[str, object] = {
        "name": "l",
        "family": "f",
        "version": "1.2",
        "nodes": max(1, len(nodes)),
        "finality": FinalityInfo(name="commit", confirmations=0),
        "ledger_class": ClassInfo(
            fault_model="none", tolerated_faults=0, durability="memory only", crypto="none", operators="one"
        ),
        "network": nodes,
        "links": links,
        "flags": ["--period", "1 s"],
    }
    return LedgerPart.model_validate({**values, **changes})


def node(name: str, role: str, address: str = "127.0.0.2:1") -> NodePart:
    return NodePart(name=name, role=role, address=address)


def test_nodes_are_told_by_role_with_their_addresses() -> None:
    nodes = [node("p0", "peer"), node("o0", "orderer", "127.0.0.3:7"), node("p1", "peer", "unix:/home/me/x.sock")]
    assert nodes_text(ledger(nodes, [])) == (
        "3, started by the harness: 1 orderer (o0 at 127.0.0.3:7); 2 peers (p0 at 127.0.0.2:1, p1 at a local socket)"
    )
    assert nodes_text(ledger([], [], managed=False)) == "1, not started by us"


def test_links() -> None:
    four = [node(f"n{number}", "node") for number in range(4)]
    mesh = [LinkPart(one=f"n{i}", other=f"n{j}") for i in range(4) for j in range(i)]
    assert links_text(ledger(four, mesh)) == "each of 4 with each, no delay added"
    assert links_text(ledger(four, mesh[:2])) == "n1–n0, n2–n0, no delay added"
    slow = [LinkPart(one="n0", other="n1", delay_ms=5)]
    assert links_text(ledger(four[:2], slow)).replace("\u00a0", " ") == "n0–n1, 5 ms added one way"
    mixed = [*slow, LinkPart(one="n0", other="n2", delay_ms=40)]
    assert links_text(ledger(four[:3], mixed)).replace("\u00a0", " ").endswith("n0–n2, up to 40 ms added one way")
    assert links_text(ledger(four[:1], [])) == "none: one node"
    assert links_text(ledger(four, [])) == "not told"


def test_rows() -> None:
    assert dict(network_rows(ledger([], [])))["Flags"] == "--period '1 s'"
    assert network_rows(ledger([], []))[0] == ("Version", "1.2")
