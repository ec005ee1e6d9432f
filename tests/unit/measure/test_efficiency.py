import pytest

from bench.measure.efficiency import efficiency
from bench.measure.summary import summarise
from bench.model.phase import Outcome
from bench.model.record import NEVER
from bench.model.result import Efficiency, ProcessResources
from bench.model.transaction import ErrorClass
from tests.support.rows import chain, trial_input, write

STAMPS = [500, 2_000, 4_000, 11_500]


def process(name, role, cpu_s, read=100, written=200, phase="measure"):
    return ProcessResources(
        process=name,
        role=role,
        phase=phase,
        cpu_percent_mean=1,
        cpu_percent_max=1,
        rss_bytes_max=1,
        cpu_s=cpu_s,
        read_bytes=read,
        write_bytes=written,
    )


RESOURCES = (
    process("n1", "ledger", 4.0, 1_000, 8_000),
    process("n2", "ledger", 2.0, 0, 2_000),
    process("n2", "ledger", 100.0, phase="warm_up"),
    process("worker-0", "harness", 1.0, 0, 40),
    process("observer", "harness", 0.5, 0, 60),
    process("host", "host", 50.0),
)


def rows():
    """Ten final in the measure phase, five before, five after, and some that are no valid transactions."""
    made = [write(1_500, committed=2_000, block=1) for _ in range(6)]
    made += [write(3_000, committed=4_000, block=2) for _ in range(4)]
    made += [write(100, committed=500, block=0)] * 5 + [write(10_000, committed=11_500, block=3)] * 5
    made += [
        write(1_500, committed=2_000, block=1, outcome=Outcome.FAILED, error=ErrorClass.REVERTED),
        write(1_500, committed=2_000, block=1, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.REVERTED),
        write(1_500, committed=2_000, block=1, outcome=Outcome.COMMITTED),
        write(1_500, outcome=Outcome.UNRESOLVED),
    ]
    return made


def blocks(gas=(10, 700, 300, 10), sizes=(99, 3_000, 2_000, 99)):
    made = chain(STAMPS)
    made["transactions"] = made["own"] = [5, 9, 4, 5]
    made["gas_used"], made["size_bytes"] = gas, sizes
    return made


def table(chain=None, **changes):
    trial = trial_input(
        rows(),
        blocks() if chain is None else chain,
        **{
            "resources": RESOURCES,
            "sent_bytes": 4_000,
            "disk_growth": {"n1": 40_960, "n2": 0},
            **changes,
        },
    )
    return {row.node: row for row in efficiency(trial)}


def test_every_figure_by_hand():
    made = table()
    assert list(made) == ["n1", "n2", "network", "harness"]
    assert made["n1"] == Efficiency(
        node="n1", cpu_s_per_tx=0.4, written_bytes_per_tx=800, read_bytes_per_tx=100, disk_growth_bytes_per_tx=2_048
    )
    assert made["n2"] == Efficiency(
        node="n2", cpu_s_per_tx=0.2, written_bytes_per_tx=200, read_bytes_per_tx=0, disk_growth_bytes_per_tx=0
    )
    assert made["network"] == Efficiency(
        node="network",
        cpu_s_per_tx=0.6,
        written_bytes_per_tx=1_000,
        read_bytes_per_tx=100,
        disk_growth_bytes_per_tx=2_048,
        gas_per_tx=100,
        block_bytes_per_tx=500,
    )
    assert made["harness"] == Efficiency(
        node="harness",
        cpu_s_per_tx=0.15,
        written_bytes_per_tx=10,
        read_bytes_per_tx=0,
        sent_bytes_per_tx=200,
    )


def test_a_node_that_was_started_twice_is_one_row():
    made = table(resources=[*RESOURCES, process("n2", "ledger", 1.0, 0, 1_000)])
    assert (made["n2"].cpu_s_per_tx, made["n2"].written_bytes_per_tx) == (0.3, 300)


def test_one_unknown_part_makes_the_sum_unknown():
    made = table(
        resources=[*RESOURCES, process("n3", "ledger", 1.0, read=-1, written=5)], disk_growth={"n1": 40_960, "n3": None}
    )
    network = made["network"]
    assert (made["n3"].read_bytes_per_tx, made["n3"].written_bytes_per_tx) == (None, 0.5)
    assert (network.read_bytes_per_tx, network.written_bytes_per_tx) == (None, 1_000.5)
    assert (made["n1"].disk_growth_bytes_per_tx, made["n3"].disk_growth_bytes_per_tx) == (2_048, None)
    assert network.disk_growth_bytes_per_tx is None


def test_a_node_that_cannot_be_watched_is_a_row_of_unknowns():
    made = table(disk_growth={"n1": 0, "n2": 0, "far": None})
    assert made["far"] == Efficiency(node="far")
    assert (made["network"].cpu_s_per_tx, made["network"].gas_per_tx) == (None, 100)


def test_a_ledger_that_is_not_ours_has_gas_and_block_sizes_only():
    made = table(resources=RESOURCES[3:], disk_growth={})
    assert list(made) == ["network", "harness"]
    assert made["network"] == Efficiency(node="network", gas_per_tx=100, block_bytes_per_tx=500)


@pytest.mark.parametrize(
    ("gas", "sizes", "expected"),
    [
        ([10, NEVER, 300, 10], [99, 3_000, 2_000, 99], (None, 500)),
        ([NEVER] * 4, [NEVER] * 4, (None, None)),
        ([NEVER, 700, 300, NEVER], [NEVER, 3_000, 2_000, 99], (100, 500)),  # outside the measure phase
    ],
)
def test_what_a_block_does_not_tell_is_unknown(gas, sizes, expected):
    network = table(blocks(gas, sizes))["network"]
    assert (network.gas_per_tx, network.block_bytes_per_tx) == expected


def test_blocks_that_left_the_chain_cost_nothing():
    chain = blocks()
    chain["orphaned"][2] = 1
    assert table(chain)["network"].gas_per_tx == pytest.approx(700 / 6)


def test_others_transactions_make_the_chain_unknown_but_our_fillers_do_not():
    chain = blocks()
    chain["transactions"][1] += 2
    assert table(chain)["network"].gas_per_tx is None
    assert table(chain, fillers=1)["network"].gas_per_tx is None
    assert table(chain, fillers=2)["network"].gas_per_tx == 100
    chain = blocks()
    chain["transactions"][0] += 2  # in the warm-up
    assert table(chain)["network"].gas_per_tx == 100


def test_several_hosts_leave_unknown_what_one_host_cannot_see():
    made = table(hosts=2)
    assert (made["network"].gas_per_tx, made["network"].block_bytes_per_tx) == (None, None)
    assert made["harness"] == Efficiency(node="harness", sent_bytes_per_tx=200)
    assert made["n1"].cpu_s_per_tx == 0.4


def test_workers_that_run_elsewhere_leave_our_part_unknown():
    assert table(resources=[RESOURCES[0], RESOURCES[4]])["harness"].cpu_s_per_tx is None


def test_bytes_that_were_not_counted_are_unknown():
    assert table(sent_bytes=None)["harness"].sent_bytes_per_tx is None


def test_without_a_valid_transaction_nothing_can_be_said_per_transaction():
    trial = trial_input([write(2_000, outcome=Outcome.UNRESOLVED)], blocks(), resources=RESOURCES, sent_bytes=10)
    assert efficiency(trial) == [Efficiency(node=node) for node in ("n1", "n2", "network", "harness")]


def test_it_is_part_of_the_trial():
    trial = trial_input(rows(), blocks(), resources=RESOURCES)
    assert summarise(trial).efficiency == efficiency(trial)


def test_a_block_at_the_start_of_the_phase_is_in_it_and_one_at_its_end_is_not():
    made = chain([1_000, 6_000, 11_000])
    made["gas_used"], made["size_bytes"] = (10, 20, 40), (100, 200, 400)
    final = [write(900, committed=stamp, block=number) for number, stamp in enumerate((1_000, 6_000, 11_000))]
    network = efficiency(trial_input(final, made))[-2]
    assert (network.gas_per_tx, network.block_bytes_per_tx) == (15, 150)
