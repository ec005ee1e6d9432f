import json
from pathlib import Path

import pytest

from bench.adapters.evm.contracts import SetupPlan, _expand, read_artefact
from bench.model.errors import ConfigurationError
from bench.model.operation import Kind
from workloads.smallbank import WORKLOAD

SMALLBANK = Path(__file__).parents[4] / "workloads" / "smallbank" / "evm"


def test_smallbank_has_a_function_and_a_gas_sample_for_every_operation():
    artefact = read_artefact(SMALLBANK)
    assert artefact is not None
    for operation in WORKLOAD.operations:
        assert artefact.functions[operation.name].read_only is (operation.kind is Kind.READ)
    writes = {operation.name for operation in WORKLOAD.operations if operation.kind is Kind.WRITE}
    assert set(artefact.plan.gas) == writes
    for name, sample in artefact.plan.gas.items():
        artefact.functions[name].encode(sample.sample, lambda _: b"")


def test_smallbank_opens_all_customers_in_steps():
    artefact = read_artefact(SMALLBANK)
    assert artefact is not None
    parameters = {"customers": 50, "initial_checking": 7, "initial_savings": 8}
    calls = list(_expand(artefact.plan.calls[0], parameters))
    assert [(call["first_id"], call["count"]) for call in calls] == [(0, 20), (20, 20), (40, 10)]
    assert {(call["checking_balance"], call["savings_balance"]) for call in calls} == {(7, 8)}


def test_a_workload_without_contract(tmp_path):
    assert read_artefact(tmp_path) is None


def test_an_unknown_parameter_is_named():
    plan = SetupPlan.model_validate({"calls": [{"function": "f", "arguments": {"a": "$nothing"}}]})
    with pytest.raises(ConfigurationError, match="got 'nothing'"):
        list(_expand(plan.calls[0], {"customers": 1}))


@pytest.mark.parametrize(
    ("contract", "setup"),
    [
        ("{", None),
        ('{"abi": []}', None),
        ('{"abi": [], "bytecode": "0xzz"}', None),
        ('{"abi": [], "bytecode": "0x"}', json.dumps({"cals": []})),
        (
            '{"abi": [], "bytecode": "0x"}',
            json.dumps({"calls": [{"function": "f", "repeat": {"total": 1, "step": 0}}]}),
        ),
    ],
)
def test_broken_artefacts_are_refused(tmp_path, contract, setup):
    (tmp_path / "contract.json").write_text(contract)
    if setup is not None:
        (tmp_path / "setup.json").write_text(setup)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_artefact(tmp_path)
