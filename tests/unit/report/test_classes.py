import pytest

from bench import registry
from bench.model.ledger import Durability, FaultModel
from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart
from bench.report.classes import DATA, FAULTS, FINAL, barriers, classes, promises, same_class


def ledger(
    fault_model: str = "none",
    survives: int = 0,
    durability: str = "memory only",
    finality: str = "inclusion",
    confirmations: int = 0,
    nodes: int = 1,
    crypto: str = "none",
    operators: str = "one",
    remarks: str = "",
) -> LedgerPart:
    return LedgerPart(
        name="l",
        family="f",
        version="1",
        nodes=nodes,
        finality=FinalityInfo(name=finality, confirmations=confirmations),
        ledger_class=ClassInfo(
            fault_model=fault_model,
            tolerated_faults=survives,
            durability=durability,
            crypto=crypto,
            operators=operators,
            remarks=remarks,
        ),
    )


SQLITE = ledger(durability="synchronous commit (fsync)", finality="commit (fsync)")
POSTGRES = ledger(durability="fsync per commit", finality="commit (fsync)", crypto="P-256")
COMET = ledger("byzantine", 1, "fsync per block", "commit (2/3 precommits)", nodes=4, crypto="ed25519")
CLIQUE = ledger("crash", 1, "fsync per block, state later", "3 confirmations", 3, nodes=4)
LITECOIN = ledger("proof of work, none in regtest", 0, "written per block, flushed hourly", "6 confirmations", 5)


@pytest.mark.parametrize(
    ("durability", "key"),
    [
        ("memory only", "memory"),
        ("memory only (tmpfs)", "memory"),
        ("written, no fsync per block", "later"),
        ("written per block, flushed hourly", "later"),
        (Durability.MEMORY, "memory"),
        (Durability.WRITTEN, "later"),
        (Durability.FSYNC, "synced"),
        (Durability.NOT_DECLARED, "declared not declared"),
        (Durability.OTHER, "declared other"),
        ("none against power loss (fsync=off)", "later"),
        ("fsync per block", "synced"),
        ("fsync per block, state later", "synced"),
        ("fsync on a majority", "synced"),
        ("synchronous commit (fsync)", "synced"),
        ("unknown", "declared unknown"),
    ],
)
def test_what_a_power_cut_loses(durability: str, key: str) -> None:
    assert promises(ledger(durability=durability))[1].key == key


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (COMET, "agreed"),
        (SQLITE, "one commit"),
        (LITECOIN, "confirmations 5"),
        (CLIQUE, "confirmations 3"),
        (ledger(), "inclusion"),
        (ledger("crash", 1, finality="inclusion", nodes=4), "inclusion"),
    ],
)
def test_what_final_means(one: LedgerPart, key: str) -> None:
    assert promises(one)[2].key == key


def test_a_fault_model_that_survives_nothing_is_none() -> None:
    assert promises(ledger("byzantine", 0))[0].key == promises(LITECOIN)[0].key == "none"
    assert promises(ledger("unknown"))[0].key == "declared unknown 0"
    assert promises(COMET)[0].words == "goes on, and stays right, with 1 node failed or dishonest"


def test_candidates_of_the_same_promise_share_a_class_whatever_signs() -> None:
    found = classes([("sqlite", SQLITE), ("cometbft", COMET), ("postgres", POSTGRES)])
    assert [(one.name, one.members) for one in found] == [("A", ("sqlite", "postgres")), ("B", ("cometbft",))]
    assert (
        found[0].note == "final: commit (fsync); signatures differ: none (sqlite) and P-256 (postgres); operators: one"
    )
    assert same_class(SQLITE, SQLITE)
    assert not same_class(SQLITE, POSTGRES), "no winner is named across signatures"
    assert not same_class(SQLITE, COMET)


def test_a_barrier_gives_a_reason_for_each_promise_that_differs() -> None:
    (barrier,) = barriers(classes([("sqlite", SQLITE), ("cometbft", COMET)]))
    assert barrier.first.difference(barrier.second) == (FAULTS, FINAL)
    assert barrier.reasons == (
        "faults it survives: sqlite – none: no protection against a dishonest or failed operator; "
        "cometbft – goes on, and stays right, with 1 node failed or dishonest",
        "what “final” means: sqlite – committed by the one machine that keeps it; "
        "cometbft – agreed by the required majority; it is not reversed",
    )


def test_every_pair_of_classes_has_a_barrier() -> None:
    found = classes([("a", SQLITE), ("b", COMET), ("c", CLIQUE), ("d", LITECOIN), ("e", ledger())])
    assert len(found) == 5
    assert len(barriers(found)) == 10
    assert all(barrier.reasons for barrier in barriers(found))
    assert (DATA in found[1].difference(found[2]), FAULTS in found[1].difference(found[2])) == (False, True)


def test_every_registered_ledger_declares_a_promise_that_is_understood() -> None:
    for name in registry.names("ledgers"):
        info = registry.ledger(name).info
        declared = info.ledger_class
        part = ledger(
            declared.fault_model,
            declared.tolerated_faults,
            declared.durability,
            info.finality.name,
            info.finality.confirmations,
            info.nodes,
        )
        assert (declared.fault_model in FaultModel, declared.durability in Durability) == (True, True)
        assert not [one.words for one in promises(part) if one.key.startswith("declared")], name


def test_what_is_not_declared_equals_nothing_not_even_itself() -> None:
    unknown = POSTGRES.model_copy(
        update={"ledger_class": POSTGRES.ledger_class.model_copy(update={"operators": "not declared"})}
    )
    assert not same_class(unknown, unknown)


@pytest.mark.parametrize("words", ["fsync off", "fsync disabled", "synchronous, nearly", "fsync before Acknowledged"])
def test_words_that_are_no_value_are_never_taken_for_one(words: str) -> None:
    assert promises(ledger(durability=words))[1].key == f"declared {words}"


def test_an_other_equals_only_what_is_described_in_the_same_words() -> None:
    one, two = (ledger("other", 1, "fsync per block", remarks=said) for said in ("trusted enclaves", "proof of stake"))
    assert promises(one)[0].words == "declared: other (trusted enclaves)"
    assert same_class(one, one)
    assert not same_class(one, two)
    signed = [ledger(durability=Durability.FSYNC, crypto="other", remarks=said) for said in ("Falcon", "Dilithium")]
    assert same_class(signed[0], signed[0])
    assert not same_class(*signed), "signatures that are both `other` are not the same"


def test_remarks_are_told_beside_the_class() -> None:
    (one,) = classes([("etcd", ledger("crash", 1, Durability.FSYNC, remarks="on a majority"))])
    assert one.note.endswith("; etcd: on a majority")


def test_fabrics_orderers_may_fail_and_its_peers_may_not() -> None:
    fabric = COMET.model_copy(
        update={
            "ledger_class": COMET.ledger_class.model_copy(
                update={"fault_model": "crash of orderers", "tolerated_faults": 1}
            )
        }
    )
    (faults,) = (promise for promise in promises(fabric) if promise.name == FAULTS)
    assert faults.words == "goes on with 1 ordering node failed; stops when either organisation's peer fails"
