"""From spool files to a trial: what the check of the warm-up moves, and what a trial's facts become."""

from pathlib import Path

import numpy as np
import pytest

from bench import registry
from bench.load.watch import PAUSE, STATUS_HEAD
from bench.measure.inputs import Limits
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node
from bench.model.phase import Outcome, Phase
from bench.model.record import BLOCK, ROW
from bench.model.resources import ResourceSample
from bench.model.result import Headroom
from bench.run.assemble import assemble
from bench.run.trial import TrialFacts, TrialRequest

S = 1_000_000_000
PER_BLOCK = 10
HEADROOM = Headroom(ceiling_per_s=1_000, at_least=False, share=0.1, offered_per_s=100)


def request(process: str = "constant") -> TrialRequest:
    return TrialRequest(
        ledger_name="model",
        workload=registry.workload("transfer"),
        parameters={},
        adapter_name="model",
        endpoint=None,
        ledger=None,
        ledger_options={},
        secrets={},
        arrival={"process": process, "rate": 100.0},
        seed=1,
        trial=1,
        trials=1,
        planned=1_100,
        duration_ns=11 * S,
        warm_up_ns=S,
        drain_ns=5 * S,
        workers=1,
        batch=1,
        linger_ns=0,
        accounts=1,
        lanes=1,
        max_lanes=1,
        in_flight=1,
        headroom=HEADROOM,
    )


def facts(directory: Path, host: str = "here", worker: int = 0, until_slow: int = 30) -> TrialFacts:
    """A block each 0.1 s; of 10 due since the last one, it takes 2 as long as it is slow, then 10, the last one all."""
    directory.mkdir(exist_ok=True)
    rows = np.zeros(1_100, ROW)
    rows["index"] = np.arange(1_100)
    rows["intended_ns"] = rows["index"] * (S // 100)
    rows["submitted_ns"] = rows["accepted_ns"] = rows["intended_ns"] + 1_000_000
    rows["worker"] = worker
    sizes = np.array([2] * until_slow + [PER_BLOCK] * (110 - until_slow))
    sizes = np.append(sizes, 1_100 - sizes.sum())
    rows["block"] = np.repeat(np.arange(111), sizes)
    rows["position"] = np.concatenate([np.arange(size) for size in sizes])
    rows["committed_ns"] = rows["finalized_ns"] = (rows["block"].astype(np.int64) + 1) * (S // 10)
    rows["outcome"] = Outcome.FINALIZED
    (directory / f"rows-{worker}.bin").write_bytes(rows.tobytes())
    blocks = np.zeros(111, BLOCK)
    blocks["ordinal"] = blocks["height"] = np.arange(111)
    blocks["observed_ns"] = (np.arange(111) + 1) * (S // 10)
    blocks["transactions"] = sizes
    blocks["gas_used"] = blocks["size_bytes"] = 100 * sizes
    (directory / f"blocks-{host}.bin").write_bytes(blocks.tobytes())
    statuses = b"".join(STATUS_HEAD.pack(ordinal, size) + bytes(size) for ordinal, size in enumerate(sizes.tolist()))
    (directory / f"statuses-{host}.bin").write_bytes(statuses)
    nodes = (Node("n1", "x", 7, directory), Node("n2", "y", None, None))
    network = Network(
        "model",
        "evm",
        "model",
        "1",
        "x",
        nodes,
        Finality("block"),
        LedgerClass(FaultModel.NONE, 0, Durability.MEMORY, CryptoSuite.NONE, "one"),
    )
    found = TrialFacts(directory, network=network, started=True, start_ns=5 * S, end_ns=12 * S, hosts=[host])
    found.samples = [
        sample(name, role, at) for name, role in (("worker-0", "harness"), ("n1", "ledger")) for at in range(20)
    ]
    return found


def sample(name: str, role: str, at_s: int) -> ResourceSample:
    """A tenth of a core and 100 bytes written a second; the clock is 5 s ahead of the start signal."""
    return ResourceSample(name, role, 7, at_s * S, "", 10.0, 0.1 * at_s, 1, 0, 100 * at_s, 1, 1)


def test_a_warm_up_that_was_too_short_moves_everything_that_is_measured(tmp_path):
    made = assemble(request(), facts(tmp_path / "spool"), Limits())
    trial = made.trial
    assert (trial.warm_up.declared_s, trial.warm_up.cut_s, trial.warm_up.applied_s) == (1.0, 3.0, 3.0)
    spans = {part.phase: (part.start_s, part.end_s) for part in trial.phases}
    assert spans == {"setup": (0, 0), "warm_up": (0, 3), "measure": (3, 11), "drain": (11, 12)}
    assert [(span.start_ns, span.end_ns) for span in made.phases if span.phase is Phase.MEASURE] == [(3 * S, 11 * S)]
    assert (trial.rates.goodput_per_s, trial.rates.offered_per_s, trial.rates.blocks) == (100, 100, 80)
    assert trial.latency_ms.finality.count == 800
    assert made.input.measure.start_ns == 3 * S
    resources = {(part.process, part.phase): part.cpu_s for part in trial.resources}
    assert resources["worker-0", "warm_up"] == pytest.approx(0.3)
    assert resources["worker-0", "measure"] == pytest.approx(0.8)
    assert any(note.startswith("warm-up lengthened from 1.0 s to 3.0 s") for note in trial.notes)


def test_a_load_that_changes_by_design_keeps_the_declared_warm_up(tmp_path):
    trial = assemble(request("ramp"), facts(tmp_path / "spool"), Limits()).trial
    assert (trial.warm_up.cut_s, trial.warm_up.applied_s) == (None, 1.0)
    assert trial.drift.note.startswith("not judged")


def test_what_the_trial_noted_about_itself_is_in_the_result(tmp_path):
    known = facts(tmp_path / "spool", until_slow=0)
    known.setup_s = {"ledger_up": 2.5, "prepare": 0.5}
    known.sent_bytes = 11_000
    known.disk_growth = {"n1": 110_000}
    trial = assemble(request(), known, Limits()).trial
    assert trial.setup_s == {"ledger_up": 2.5, "prepare": 0.5}
    assert trial.headroom == HEADROOM
    node, unwatched, network, harness = trial.efficiency
    assert (node.node, node.disk_growth_bytes_per_tx, node.written_bytes_per_tx) == ("n1", 100, 1)
    assert (unwatched.node, unwatched.cpu_s_per_tx, unwatched.disk_growth_bytes_per_tx) == ("n2", None, None)
    assert (network.disk_growth_bytes_per_tx, network.gas_per_tx, network.block_bytes_per_tx) == (None, 100, 100)
    assert harness.sent_bytes_per_tx == 10
    assert trial.verdict.status == "valid"


def test_blocks_of_the_first_of_several_hosts_are_used_and_that_is_said(tmp_path):
    known = facts(tmp_path / "spool", "here", 0, until_slow=0)
    facts(tmp_path / "spool", "there", 1, until_slow=0)
    known.hosts = ["here", "there"]
    made = assemble(request(), known, Limits())
    assert made.input.hosts == 2
    assert len(made.blocks) == 111
    assert any(note.startswith("2 load hosts sent") for note in made.trial.notes)


@pytest.mark.parametrize(
    ("pauses", "longest_ms"),
    [
        ([(500, 900)], 0),  # before the measure phase, which is from 1 s to 11 s, declared
        ([(500, 1_200)], 200),
        ([(5_000, 5_030), (6_000, 7_500), (8_000, 8_100)], 1_500),
        ([(10_900, 11_500)], 600),  # of the drain, where the last ones are stamped
        ([(11_900, 12_400)], 100),  # it ended at 12 s
        ([(12_100, 14_000)], 0),
    ],
)
def test_how_long_the_observer_stood_still_counts_from_the_declared_measure_phase_to_the_end(
    tmp_path, pauses, longest_ms
):
    known = facts(tmp_path / "spool")  # the check of the warm-up moves the start of the phase to 4 s
    packed = b"".join(PAUSE.pack(began * S // 1_000, ended * S // 1_000) for began, ended in pauses)
    (tmp_path / "spool" / "pauses-here.bin").write_bytes(packed + b"half a record"[: PAUSE.size - 3])
    made = assemble(request(), known, Limits())
    assert made.input.incidents.observer_pause_ns == longest_ms * S // 1_000
    told = [reason for reason in made.trial.verdict.reasons if "the observer stood still" in reason]
    assert len(told) == (longest_ms > 250)


def test_a_trial_that_never_ran_is_invalid_and_whole(tmp_path):
    (tmp_path / "spool").mkdir()
    trial = assemble(request(), TrialFacts(tmp_path / "spool", interrupted=True), Limits()).trial
    assert trial.verdict.status == "invalid"
    assert (trial.warm_up.cut_s, trial.drift.in_flight_per_s) == (None, None)
