import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Efficiency, Trial
from bench.report.efficiency import efficiency
from tests.support.bundles import synthetic_bundle


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return read_bundle(synthetic_bundle(tmp_path_factory.mktemp("cost") / "run", trials=1, seconds=4)).result.trials[0]


def trial(recorded: Trial, *parts: Efficiency) -> Trial:
    return recorded.model_copy(update={"efficiency": list(parts)})


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_four_nodes_the_network_and_the_harness_have_columns(recorded: Trial) -> None:
    nodes = [Efficiency(node=f"node-{n}", cpu_s_per_tx=0.001 * (n + 1)) for n in range(4)]
    whole = Efficiency(node="network", cpu_s_per_tx=0.01, gas_per_tx=41_000.0)
    ours = Efficiency(node="harness", cpu_s_per_tx=0.002, sent_bytes_per_tx=410.0)
    table = efficiency([trial(recorded, *nodes, whole, ours)])
    assert table is not None
    assert table.columns == ("Ledger, all 4 nodes", "node-0", "node-1", "node-2", "node-3", "Our load generator")
    cells = {row.name: [plain(cell.text) for cell in row.cells] for row in table.rows}
    assert cells == {
        "Processor time": ["10 ms", "1 ms", "2 ms", "3 ms", "4 ms", "2 ms"],
        "Sent over the network": ["—", "—", "—", "—", "—", "410 B"],
        "Gas": ["41,000", "—", "—", "—", "—", "—"],
    }
    assert [plain(row.million) for row in table.rows] == ["2.78 h", "", ""]
    assert len(table.missing) == 5
    assert plain(table.missing[-1]).endswith(
        "reads share this cost: processor time, disk traffic and bytes sent per valid transaction include what the "
        "reads took. Compare them only at the same mix of operations."
    )
    assert "Written to disk: not measured, because this machine does not tell what a process writes." in table.missing


def test_one_node_is_the_ledger(recorded: Trial) -> None:
    table = efficiency([trial(recorded, *(Efficiency(node=n, cpu_s_per_tx=0.001) for n in ("anvil-0", "network")))])
    assert table is not None
    assert table.columns == ("Ledger, its one node",)


def test_over_trials_with_an_interval_and_never_without_one_of_them(recorded: Trial) -> None:
    def made(cpu_s: float | None, grown: float) -> Trial:
        return trial(recorded, Efficiency(node="network", cpu_s_per_tx=cpu_s, disk_growth_bytes_per_tx=grown))

    table = efficiency([made(0.001 * n, -5.0) for n in range(1, 6)])
    assert table is not None
    rows = {row.name: row.cells[0] for row in table.rows}
    assert (plain(rows["Processor time"].text), plain(rows["Processor time"].below)) == ("3 ms", "1–5 ms")
    assert plain(rows["Growth of the book"].text) == "0 B"
    partly = efficiency([made(0.001, 1.0), made(None, 1.0)])
    assert partly is not None
    assert [row.name for row in partly.rows] == ["Growth of the book"]


def test_nothing_recorded_makes_no_table(recorded: Trial) -> None:
    assert efficiency([trial(recorded)]) is None
    assert efficiency([]) is None
